"""keda.sh: scaled objects."""

from __future__ import annotations

from rollwright.rollouts.health.custom import Criterion, CustomRule, Match, Result
from rollwright.rollouts.health.predicates import AllOf, AnyOf, ConditionIs

_READY = ConditionIs(type="Ready")

RULES = (
    CustomRule(
        name="scaled-object",
        match=Match(group="keda.sh", kinds=frozenset({"ScaledObject"})),
        tests=(
            Criterion(
                when=AnyOf(
                    (
                        ConditionIs(type="Ready", status=frozenset({"False"})),
                        ConditionIs(type="Fallback"),
                    )
                ),
                result=Result.FAILED,
            ),
            Criterion(when=AllOf((_READY, ConditionIs(type="Paused"))), result=Result.SUSPENDED),
            Criterion(when=_READY, result=Result.CURRENT),
        ),
    ),
)
