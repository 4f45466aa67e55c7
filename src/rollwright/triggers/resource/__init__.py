"""``resource``: objects of a cluster set runs off, each with itself as the configuration.

Before: a custom resource was created, changed or deleted, or something changed that belongs to it.
After: there is a run for it, and its deletion waits until what was made for it is removed.

``options`` says what is watched, ``informers`` what is there, ``turns`` which key is due,
``lookout`` what is fired for it, ``values`` what a run gets of it, ``guard`` keeps a deletion
waiting, ``reading`` asks for single objects.
"""

from __future__ import annotations
