"""What a step does to an object that was not looked at when the plan was made.

Before: a run failed, and steps for a rollback begin.
After: ``engine.returning.undoing`` carries them out like any other.
"""

from __future__ import annotations

from dataclasses import replace

import orjson

from rollwright.rollouts.change import Change, Operation, Prediction
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import Manifest
from rollwright.rollouts.plan import Step, Wave
from rollwright.rollouts.spec import Step as DeclaredStep
from rollwright.rollouts.spec import Use
from rollwright.rollouts.steps.actions import Facts, decide_in_step
from rollwright.rollouts.steps.course import Course, StepPlace
from rollwright.rollouts.steps.resuming import Resumed
from rollwright.rollouts.steps.stepping import undo_waves


def decide_late(step: Step, change: Change, live: LiveObject | None) -> Change:
    """Return the change of an object as it is now; nobody was asked for a prediction."""
    if change.wanted is None:
        return change
    text = step.plugin.options if step.plugin else ""
    use = Use(name=step.action, options=orjson.loads(text or "{}"))
    place = StepPlace(
        group=step.group,
        declared=DeclaredStep(name=step.name, action=use),
        manifests=(change.wanted,),
    )
    facts = Facts(
        step=place,
        manifest=change.wanted,
        live=live,
        entry=None,
        fate=lambda manifest, _is_gone: _applied(manifest, live),
    )
    return replace(
        decide_in_step(facts), wave=change.wave, level=change.level, needs=change.needs,
        gates=change.gates, is_owned=change.is_owned,
    )  # fmt: skip


def undo_as_it_is(course: Course, live: LiveSet, past: Resumed) -> tuple[Wave, ...]:
    """Return the steps for a rollback of the groups of a set that is left (HK-07).

    Args:
        course: The groups that are gone back through.
        live: What is in the cluster, as far as it was read: what runs looks again.
        past: What earlier runs have done of it.
    """

    def facts_of(step: StepPlace, manifest: Manifest, _wrote: str, _is_gone: bool) -> Facts:  # noqa: FBT001  (a callback)
        found = live.get(manifest.ref)
        return Facts(
            step=step,
            manifest=manifest,
            live=found,
            entry=None,
            fate=lambda one, _is_gone: _applied(one, found),
        )

    return undo_waves(course, facts_of, past)


def decide_again(change: Change, live: LiveObject | None) -> Change:
    """Return a change of a plan after a step for a rollback has touched its object."""
    if change.wanted is None or change.writes or change.is_skipped:
        return change
    again = _applied(change.wanted, live)
    return replace(
        again, wave=change.wave, level=change.level, needs=change.needs, gates=change.gates,
        is_owned=change.is_owned, rules_digest=change.rules_digest, sent=change.sent,
    )  # fmt: skip


def _applied(manifest: Manifest, live: LiveObject | None) -> Change:
    return Change(
        ref=manifest.ref,
        api_version=manifest.api_version,
        operation=Operation.CREATE if live is None else Operation.UPDATE,
        why="the rollout goes back",
        wanted=manifest,
        live_uid=live.uid if live else "",
        live_resource_version=live.resource_version if live else "",
        prediction=Prediction.NONE,
    )
