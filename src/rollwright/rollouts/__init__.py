"""The core: values in, values out.

Nothing here reads a cluster, a file, a clock or a random number, and nothing here waits. What
stands where, in the order of a run:

``spec``       what the user declared
``manifest``   rendered objects and their identity; ``body`` is what is sent of them
``scope``      places objects in namespaces; ``selection`` finds those that a selector means
``live``       what the API server returned; ``ownership`` says which of its fields are ours
``status``     the verdict on one object; ``health`` computes it
``order``      from changes to a graph; waves and levels
``premises``   what must hold before a plan can be made, and before it is carried out
``fates``      one object's fate; ``diff`` names the fields that differ
``prune``      what left the set and may go; ``guards`` may refuse
``planning``   makes the ``plan`` of all of it; ``removal`` that of taking a rollout away
``report``     what became of it; ``bookkeeping`` makes the next ``state`` of it
``drift``      what is no longer as it was left; ``drift_fields`` compares, ``holders`` says who
``overview``   what is live; ``describe`` puts values into words, ``machine`` into JSON,
               ``graph`` and ``drawing`` into pictures
``timeline``   when what happened in the last runs; ``container_logs`` is what may be shown of logs
"""
