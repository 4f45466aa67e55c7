"""The core: values in, values out.

Nothing here reads a cluster, a file, a clock or a random number, and nothing here waits. What
stands where, in the order of a run:

``spec``       what the user declared
``manifest``   rendered objects and their identity; ``body`` is what is sent of them
``scope``      places objects in namespaces; ``selection`` finds those that a selector means
``hooks``      objects that run at a moment of a rollout instead of standing in the set
``live``       what the API server returned; ``ownership`` says which of its fields are ours
``status``     the verdict on one object; ``health`` computes it
``order``      from changes to a graph; waves and levels
``steps``      the order that a user declares, with its actions and checks
``premises``   what must hold before a plan can be made, and before it is carried out
``simulation`` what can be said of an object that the server cannot be asked about yet
``candidates`` which objects the server is asked about
``fates``      one object's fate, a ``change``; ``diff`` names the fields that differ, ``judging``
               adds the verdict on what is live
``pruning``    what left the set and may go; ``blast`` what goes along; ``guards`` may refuse
``planning``   makes the ``plan`` of all of it, in ``waves`` and with ``plan_notes``; ``identity``
               is its id
``saved``      a plan as a file, and what has moved since
``report``     what became of it, by ``concluding``; ``bookkeeping`` makes the next ``state``
``revisions``  what is kept of former runs, the way back, and holds
``drift``      what is no longer as it was left
``salting``    digests of Secrets by the installation's key; ``hiding`` keeps values out of words
``overview``   what is live; ``describe`` puts values into words, ``machine`` into JSON,
               ``graph`` and ``drawing`` into pictures
``timeline``   when what happened in the last runs; ``container_logs`` is what may be shown of logs
"""
