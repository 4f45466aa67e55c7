"""cluster.x-k8s.io and its providers' groups: as Flux, pausing first."""

from __future__ import annotations

from rollwright.rollouts.health.bundled.fluxcd import SUSPENDED
from rollwright.rollouts.health.custom import CustomRule, Match

RULES = tuple(
    CustomRule(
        name="cluster-api",
        match=Match(group=group),
        tests=(SUSPENDED,),
        otherwise=None,
        goes_first=True,
    )
    for group in ("cluster.x-k8s.io", "*.cluster.x-k8s.io")
)
