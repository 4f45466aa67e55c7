"""gateway.networking.k8s.io: gateways and the routes that hang on them.

Every condition carries its own observedGeneration; one of an older generation does not count
(HL-26).
"""

from __future__ import annotations

from rollwright.rollouts.health.custom import Criterion, CustomRule, Match, Result
from rollwright.rollouts.health.jsonpath import parse_path
from rollwright.rollouts.health.predicates import AnyOf, ConditionIs, SomeItem

GROUP = "gateway.networking.k8s.io"
_NOT_TRUE = frozenset({"False", "Unknown"})

_REFUSED = AnyOf(
    (
        ConditionIs(type="ResolvedRefs", status=frozenset({"False"}), checks_generation=True),
        ConditionIs(type="Accepted", status=frozenset({"False"}), checks_generation=True),
    )
)
_NOT_PROGRAMMED = ConditionIs(type="Programmed", status=_NOT_TRUE, checks_generation=True)
_ANY = ConditionIs(status=frozenset(), checks_generation=True)
_LISTENERS = parse_path(".status.listeners")
_PARENTS = parse_path(".status.parents")

RULES = (
    CustomRule(
        name="gateway",
        match=Match(group=GROUP, kinds=frozenset({"Gateway"})),
        tests=(
            Criterion(when=_REFUSED, result=Result.FAILED),
            Criterion(when=_NOT_PROGRAMMED, result=Result.IN_PROGRESS),
            Criterion(when=SomeItem(path=_LISTENERS, when=_REFUSED), result=Result.FAILED),
            Criterion(
                when=SomeItem(path=_LISTENERS, when=_NOT_PROGRAMMED), result=Result.IN_PROGRESS
            ),
            Criterion(when=_ANY, result=Result.CURRENT, text="programmed"),
        ),
    ),
    CustomRule(
        name="route",
        match=Match(group=GROUP, kinds=frozenset({"HTTPRoute", "GRPCRoute", "TLSRoute"})),
        tests=(
            Criterion(when=SomeItem(path=_PARENTS, when=_REFUSED), result=Result.FAILED),
            Criterion(
                when=SomeItem(path=_PARENTS, when=_NOT_PROGRAMMED), result=Result.IN_PROGRESS
            ),
            Criterion(
                when=SomeItem(path=_PARENTS, when=_ANY), result=Result.CURRENT, text="accepted"
            ),
        ),
    ),
)
