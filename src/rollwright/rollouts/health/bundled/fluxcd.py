"""*.toolkit.fluxcd.io: suspension first, then the conditions that every kind may have."""

from __future__ import annotations

from rollwright.rollouts.health.custom import Criterion, CustomRule, Match, Result
from rollwright.rollouts.health.jsonpath import parse_path
from rollwright.rollouts.health.predicates import AnyOf, FieldIs

SUSPENDED = Criterion(
    when=AnyOf(
        (FieldIs(path=parse_path(".spec.suspend")), FieldIs(path=parse_path(".spec.paused")))
    ),
    result=Result.SUSPENDED,
    text="suspended",
)

RULES = (
    CustomRule(
        name="flux",
        match=Match(group="*.toolkit.fluxcd.io"),
        tests=(SUSPENDED,),
        otherwise=None,
        goes_first=True,
    ),
)
