"""What the user declared: the Rollout document, its rules, its JSON Schema.

Before: ``documents`` read the text. After: the stages of a run ask a ``RolloutSpec``.

``rollout`` holds the document with every default, ``groups``, ``windows`` and ``uses`` its
parts, ``durations`` and ``part`` what they are made of. ``rules`` holds what spans several
fields, ``secrets`` what may never be written out, ``problems`` how a mistake is told, ``schema``
how editors see it all; ``parse`` is the way in and out.
"""

from __future__ import annotations

from rollwright.rollouts.spec.configuration import ConfigEntry
from rollwright.rollouts.spec.durations import (
    Duration,
    PositiveDuration,
    format_duration,
    parse_duration,
)
from rollwright.rollouts.spec.groups import Group, GroupsFile, Rest, Selector, Step
from rollwright.rollouts.spec.older import (
    OlderRollout,
    find_missing,
    is_older,
    read_older,
    with_older,
)
from rollwright.rollouts.spec.parse import (
    FOREIGN_API_VERSION,
    dump,
    invalid,
    parse,
    rollout_schema,
)
from rollwright.rollouts.spec.part import Part
from rollwright.rollouts.spec.rollout import (
    API_VERSION,
    KIND,
    PROTECTED_KINDS,
    ApplyPolicy,
    Approval,
    DeletionPolicy,
    DeletionRule,
    HealthPolicy,
    IgnoreRule,
    OnFailure,
    OnInterrupted,
    Propagation,
    PrunePolicy,
    Retain,
    RolloutDocument,
    RolloutSpec,
    Target,
)
from rollwright.rollouts.spec.uses import Use
from rollwright.rollouts.spec.windows import Window

__all__ = [
    "API_VERSION",
    "FOREIGN_API_VERSION",
    "KIND",
    "PROTECTED_KINDS",
    "ApplyPolicy",
    "Approval",
    "ConfigEntry",
    "DeletionPolicy",
    "DeletionRule",
    "Duration",
    "Group",
    "GroupsFile",
    "HealthPolicy",
    "IgnoreRule",
    "OlderRollout",
    "OnFailure",
    "OnInterrupted",
    "Part",
    "PositiveDuration",
    "Propagation",
    "PrunePolicy",
    "Rest",
    "Retain",
    "RolloutDocument",
    "RolloutSpec",
    "Selector",
    "Step",
    "Target",
    "Use",
    "Window",
    "dump",
    "find_missing",
    "format_duration",
    "invalid",
    "is_older",
    "parse",
    "parse_duration",
    "read_older",
    "rollout_schema",
    "with_older",
]
