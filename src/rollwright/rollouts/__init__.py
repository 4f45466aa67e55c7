"""The core: values in, values out.

Nothing here reads a cluster, a file, a clock or a random number, and nothing here waits. What
stands where, in the order of a run:

``spec``       what the user declared
``manifest``   rendered objects and their identity; ``scope`` places them in namespaces
``live``       what the API server returned; ``ownership`` says which of its fields are ours
``status``     the verdict on one object; ``health`` computes it
``order``      from changes to a graph; waves and levels
``diff``       fields that differ; ``plan`` decides each object's fate; ``guards`` may refuse
``report``     what became of it; ``state`` is what is remembered until the next run
"""
