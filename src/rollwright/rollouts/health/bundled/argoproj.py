"""argoproj.io: workflows and rollouts."""

from __future__ import annotations

from rollwright.rollouts.health.custom import Criterion, CustomRule, Match, Result
from rollwright.rollouts.health.jsonpath import parse_path
from rollwright.rollouts.health.predicates import AnyOf, ConditionIs, FieldIs, Op

GROUP = "argoproj.io"
_PHASE = parse_path(".status.phase")
_MESSAGE = parse_path(".status.message")


def _phase(*phases: str | None) -> FieldIs:
    return FieldIs(path=_PHASE, op=Op.IN, values=phases)


def _more(left: str, right: str) -> FieldIs:
    """A counter that is ahead of another; ``spec.replicas`` is 1 when absent."""
    return FieldIs(
        path=parse_path(left),
        op=Op.MORE_THAN,
        default=1 if left == ".spec.replicas" else 0,
        other=parse_path(right),
        other_default=1 if right == ".spec.replicas" else 0,
    )


_COUNTERS = (
    (".spec.replicas", ".status.replicas"),
    (".spec.replicas", ".status.updatedReplicas"),
    (".status.replicas", ".spec.replicas"),
    (".status.replicas", ".status.updatedReplicas"),
    (".status.updatedReplicas", ".status.availableReplicas"),
    (".spec.replicas", ".status.readyReplicas"),
)
_OTHER_REVISION = FieldIs(
    path=parse_path(".status.stableRS"),
    op=Op.DIFFERS,
    default="",
    other=parse_path(".status.currentPodHash"),
    other_default="",
)

RULES = (
    CustomRule(
        name="workflow",
        match=Match(group=GROUP, kinds=frozenset({"Workflow"})),
        tests=(
            Criterion(when=_phase("Succeeded"), result=Result.CURRENT, message=_MESSAGE),
            Criterion(when=_phase("Failed", "Error"), result=Result.FAILED, message=_MESSAGE),
            Criterion(
                when=_phase(None, "", "Pending", "Running"),
                result=Result.IN_PROGRESS,
                message=_MESSAGE,
            ),
        ),
        otherwise=Result.UNKNOWN,
    ),
    CustomRule(
        name="rollout",
        match=Match(group=GROUP, kinds=frozenset({"Rollout"})),
        tests=(
            Criterion(
                when=AnyOf(
                    (
                        ConditionIs(type="InvalidSpec"),
                        ConditionIs(
                            type="Progressing",
                            status=frozenset(),
                            reasons=frozenset({"RolloutAborted", "ProgressDeadlineExceeded"}),
                        ),
                    )
                ),
                result=Result.FAILED,
            ),
            Criterion(
                when=AnyOf(
                    (
                        FieldIs(path=parse_path(".status.pauseConditions")),
                        FieldIs(path=parse_path(".spec.paused")),
                    )
                ),
                result=Result.SUSPENDED,
                text="the rollout is paused",
            ),
            *(
                Criterion(when=_more(left, right), result=Result.IN_PROGRESS)
                for left, right in _COUNTERS
            ),
            Criterion(
                when=_OTHER_REVISION,
                result=Result.IN_PROGRESS,
                text="the new revision is not the stable one yet",
            ),
        ),
        otherwise=Result.CURRENT,
    ),
)
