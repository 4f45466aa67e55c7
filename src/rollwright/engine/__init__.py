"""The engine: names become ports, stages become a run.

Before: ``rollouts`` decides, plugins and ``kube`` act through their ports.
After: ``library``, ``flows`` and the command line call it.

In the order of a run:

``documents``   the files a user writes, from disk to values
``site_file``   the installation as declared; ``site`` makes ports of its names
``operations``  what people ask for; ``walk`` is the order of a run, ``stages`` what it calls
``rendering``   from a tree to the objects that are wanted
``read``        what is in the cluster of them; ``forecast`` asks the server what would change
``run``         what the steps of a run share; ``progress`` is what it tells meanwhile
``execute``     the graph of one step; ``objects`` writes one object
``observe``     waiting by watch; ``waiter`` is one wait, ``watches`` the shared list-watches
``evidence``    pods and events around what is waited for; ``surroundings`` makes the context
``container_logs``  the last words of containers that failed
``statuses``    verdicts on many objects at once; ``drift`` what differs from the last rollout
``together``    requests that end together when one of them fails
"""
