"""What a deletion takes along, as a value that the plan holds.

Before: ``blast`` put it together from what was read.
After: ``plan`` stores it, ``describe`` and ``machine`` show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollwright.rollouts.manifest import ObjectRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One consequence of deleting an object.

    Attributes:
        rule: Which part of the blast radius, such as ``BR-04``.
        ref: The object that goes.
        text: The consequence, in a sentence.
        counts: How many objects of which kind are meant, where they are counted.
        is_data_lost: Whether stored data goes with it.
        is_unknown: Whether it could not be counted; the text says why.
    """

    rule: str
    ref: ObjectRef
    text: str
    counts: Mapping[str, int] = field(default_factory=dict)
    is_data_lost: bool = False
    is_unknown: bool = False

    def __str__(self) -> str:
        return f"{self.ref}: {self.text}"
