"""The engine: names become ports, stages become a run.

Before: ``rollouts`` decides, plugins and ``kube`` act through their ports.
After: ``library``, ``flows``, ``webhooks`` and the command line call it.

``documents``   the files a user writes, from disk to values
``site_file``   the installation as declared; ``site`` makes ports of its names
``operations``  what people ask for; ``walk`` is the order of a run, ``stages`` what it calls
``carrying``    a plan under its lock; ``course`` the declared groups of a plan
``beginning``   the journal is opened before any object is written
``run``         what the steps of a run share; ``progress`` is what it tells meanwhile
``stop``        who asked it to end after the write in flight
``fan_out``     one rollout to many clusters

In the order of a run:

``inputs``      from a source to the objects that are wanted: files, values, renderers, the cache
``reading``     what is in the cluster, and what the server says would become of it
``approval``    plans that somebody has to agree to, and plans that are kept as they are
``writing``     the graph of a step, and one object after the other
``waiting``     by watch, never by asking again and again
``stepping``    declared steps, checks and hooks, and what persons answer meanwhile
``returning``   former revisions: kept, compared, brought back, held
``removal``     objects and whole rollouts that go, and what goes along
``custody``     state, notes, keys, limits: what is remembered, and who may write it
``telling``     who is told, and what is counted
``listening``   triggers at work: what starts runs by itself
"""
