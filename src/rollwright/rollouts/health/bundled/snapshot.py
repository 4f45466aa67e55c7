"""snapshot.storage.k8s.io: snapshots of volumes."""

from __future__ import annotations

from rollwright.rollouts.health.custom import Criterion, CustomRule, Match, Result
from rollwright.rollouts.health.jsonpath import parse_path
from rollwright.rollouts.health.predicates import FieldIs

RULES = (
    CustomRule(
        name="volume-snapshot",
        match=Match(group="snapshot.storage.k8s.io", kinds=frozenset({"VolumeSnapshot"})),
        tests=(
            Criterion(
                when=FieldIs(path=parse_path(".status.error")),
                result=Result.FAILED,
                message=parse_path(".status.error.message"),
            ),
            Criterion(
                when=FieldIs(path=parse_path(".status.readyToUse")),
                result=Result.CURRENT,
                text="ready to use",
            ),
        ),
    ),
)
