"""Health: a verdict on each object, and whether to go on waiting for it. Pure.

Before: ``kube`` read or watched an object and what belongs to it.
After: ``plan`` knows what is not Current, ``engine`` waits, ``report`` tells people why.

``verdict``      the steps of a verdict, in their order; ``generic`` holds what fits any kind
``table``        every built-in rule by group and kind; the rules stand in ``workloads``, ``pods``,
                 ``jobs``, ``storage``, ``network``, ``control``
``custom``       rules of rollouts and sites, as data; ``parse`` reads them, ``bundled`` brings some
``annotations``  what an object says itself
``causes``       why an object is not Current, from pods (``containers``, ``ailments``) and events
                 (``creation``, ``trouble``); ``revision`` knows which pods count
``wait``         whether a wait has passed, goes on or has failed; ``progress``, ``soak``
``convert``      the words of Argo CD and kstatus; the health of a whole rollout
"""

from __future__ import annotations

from rollwright.rollouts.health.annotations import is_ignored, skips_wait, timeout_of
from rollwright.rollouts.health.bundled import BUNDLED
from rollwright.rollouts.health.causes import Cause, causes_of
from rollwright.rollouts.health.context import (
    EMPTY,
    AddressPolicy,
    HealthContext,
    HealthOptions,
    Skip,
    SuspendedPolicy,
    Windows,
)
from rollwright.rollouts.health.convert import overall, to_argo, to_kstatus, worst_first
from rollwright.rollouts.health.custom import CustomRule, Match, read_feedback
from rollwright.rollouts.health.durations import parse_duration
from rollwright.rollouts.health.generic import declares_status
from rollwright.rollouts.health.parse import parse_rule
from rollwright.rollouts.health.progress import fingerprint
from rollwright.rollouts.health.revision import new_replica_set, new_revision_pods
from rollwright.rollouts.health.soak import (
    POST_WATCH,
    Soak,
    baseline_of,
    restart_warning,
)
from rollwright.rollouts.health.subject import Subject, subject_of
from rollwright.rollouts.health.table import RULES
from rollwright.rollouts.health.verdict import compute
from rollwright.rollouts.health.wait import Goal, WaitOutcome, WaitVerdict, judge_wait

__all__ = [
    "BUNDLED",
    "EMPTY",
    "POST_WATCH",
    "RULES",
    "AddressPolicy",
    "Cause",
    "CustomRule",
    "Goal",
    "HealthContext",
    "HealthOptions",
    "Match",
    "Skip",
    "Soak",
    "Subject",
    "SuspendedPolicy",
    "WaitOutcome",
    "WaitVerdict",
    "Windows",
    "baseline_of",
    "causes_of",
    "compute",
    "declares_status",
    "fingerprint",
    "is_ignored",
    "judge_wait",
    "new_replica_set",
    "new_revision_pods",
    "overall",
    "parse_duration",
    "parse_rule",
    "read_feedback",
    "restart_warning",
    "skips_wait",
    "subject_of",
    "timeout_of",
    "to_argo",
    "to_kstatus",
    "worst_first",
]
