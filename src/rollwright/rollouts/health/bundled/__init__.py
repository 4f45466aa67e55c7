"""Rules for custom kinds that come with Rollwright: one module per API group, each only data.

They are written in the form that a rule file is read into, and any rule of a rollout or a site
for the same kind goes before them (HL-125, HL-140).
"""

from __future__ import annotations

from functools import lru_cache

from rollwright.rollouts.health.bundled import (
    argoproj,
    cert_manager,
    cluster_api,
    crossplane,
    fluxcd,
    gateway,
    keda,
    snapshot,
)
from rollwright.rollouts.health.custom import CustomRule

BUNDLED: tuple[CustomRule, ...] = (
    *gateway.RULES,
    *cert_manager.RULES,
    *crossplane.RULES,
    *keda.RULES,
    *argoproj.RULES,
    *fluxcd.RULES,
    *cluster_api.RULES,
    *snapshot.RULES,
)


@lru_cache(maxsize=1024)
def bundled_rule(group: str, kind: str) -> CustomRule | None:
    """Return the bundled rule for a group and kind, if there is one."""
    return next((rule for rule in BUNDLED if rule.match.holds_kind(group, kind)), None)
