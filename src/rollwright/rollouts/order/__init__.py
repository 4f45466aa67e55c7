"""In which order the objects of one rollout start, and what each of them waits for.

Before: ``scope`` gave every object its namespace.
After: ``plan`` stores wave, level and edges with each change; ``engine`` starts what is ready.

The walk inside: ``annotations`` and ``kinds`` say what an object is, ``catalog`` groups the
objects, ``rules``, ``user`` and ``deletes`` turn groups into waits, ``waves`` sorts the waits by
barrier, ``cycles`` opens circles, ``arrange`` makes an ``Ordering`` of what is left.
"""

from __future__ import annotations

from rollwright.rollouts.change import Gate
from rollwright.rollouts.order.arrange import order_deletes, order_upserts
from rollwright.rollouts.order.catalog import OrderContext
from rollwright.rollouts.order.kinds import KIND_RANK, tie_key
from rollwright.rollouts.order.ordering import Arrow, Ordering, Placed, reduced
from rollwright.rollouts.order.user import External

__all__ = [
    "KIND_RANK",
    "Arrow",
    "External",
    "Gate",
    "OrderContext",
    "Ordering",
    "Placed",
    "order_deletes",
    "order_upserts",
    "reduced",
    "tie_key",
]
