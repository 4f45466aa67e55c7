"""*.crossplane.io: providers, their resources, and kinds that never have a status."""

from __future__ import annotations

from rollwright.rollouts.health.custom import Criterion, CustomRule, Match, Result
from rollwright.rollouts.health.predicates import AnyOf, ConditionIs

GROUP = "*.crossplane.io"
WITHOUT_STATUS = frozenset(
    {
        "ClusterProviderConfig",
        "ClusterProviderConfigUsage",
        "Composition",
        "CompositionRevision",
        "ControllerConfig",
        "DeploymentRuntimeConfig",
        "ImageConfig",
        "ProviderConfig",
        "ProviderConfigUsage",
        "StoreConfig",
    }
)
_FALSE = frozenset({"False"})
_GOOD = ("Ready", "Healthy", "Offered", "Established", "ValidPipeline", "RevisionHealthy")

RULES = (
    CustomRule(
        name="crossplane-static",
        match=Match(group=GROUP, kinds=WITHOUT_STATUS),
        otherwise=Result.CURRENT,
    ),
    CustomRule(
        name="crossplane",
        match=Match(group=GROUP),
        tests=(
            Criterion(
                when=AnyOf(
                    (
                        ConditionIs(type="LastAsyncOperation", status=_FALSE),
                        ConditionIs(type="Synced", status=_FALSE),
                    )
                ),
                result=Result.FAILED,
            ),
            Criterion(
                when=AnyOf(tuple(ConditionIs(type=name) for name in _GOOD)), result=Result.CURRENT
            ),
        ),
    ),
)
