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
``steps``       a declared step: its action, then its checks; ``checking`` asks them, ``hooks`` run
``carrying``    a plan under its lock; ``rollback`` and ``undoing`` go back, ``holding`` stays there
``saved``       a plan from a file; ``pinned`` writes only what was approved
``removing``    a whole rollout goes; ``leaving`` and ``moves`` are about objects that leave
``migrate``     fields taken over; ``simulate``, ``admission``, ``recreate`` what a dry run cannot say
``applyset``    the set as kubectl knows it, with the fence; ``lock_audit`` who took over from whom
``keys``        the installation's key; ``limits`` how many at once
``together``    requests that end together when one of them fails
"""
