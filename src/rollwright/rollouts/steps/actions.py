"""What an action of a step does to one object, decided before anything is done.

Before: ``steps`` knows the objects of each step; the live ones were read, the server was asked.
After: ``stepping`` puts the changes into steps; ``engine.writing.object_actions`` carries them out.

Each action is a row of ``DECISIONS``: from the object as it is to an operation and a reason. Any
of them may be carried out twice: what is already so is kept, and a run that broke off goes on.
``CreateIfNotExist`` and ``CreateOnly`` are the same thing under the names of two older systems:
an object that exists is left alone, whoever made it, and without an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rollwright.rollouts.change import Change, Forecast, Operation, Prediction, Way
from rollwright.rollouts.diff import compare
from rollwright.rollouts.fates import is_ours
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Manifest, digest_of
from rollwright.rollouts.state import InventoryEntry
from rollwright.rollouts.steps.course import StepPlace
from rollwright.rollouts.steps.full_put import is_same_account
from rollwright.rollouts.steps.options import DeleteOptions, is_object_action, options_of


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What decides about one object in one step.

    Attributes:
        step: The step.
        manifest: The object as it was rendered.
        live: The object as it is.
        entry: What the inventory says of it.
        fate: What an apply would do; asked with whether the object will be gone by then.
        forecast: The server's answer to a dry run of just this action, if it was asked.
        salt: Key of the installation.
        wrote: The step that writes the object before this one; empty if none does.
        is_gone: Whether that step deletes it.
        is_patched: Whether the patch was sent by an earlier run.
    """

    step: StepPlace
    manifest: Manifest
    live: LiveObject | None
    entry: InventoryEntry | None
    fate: Callable[[Manifest, bool], Change]
    forecast: Forecast | None = None
    salt: str = ""
    wrote: str = ""
    is_gone: bool = False
    is_patched: bool = False

    @property
    def is_there(self) -> bool:
        """Whether the object exists when the step begins, as far as the plan knows."""
        return not self.is_gone if self.wrote else self.live is not None

    def change(self, operation: Operation, why: str, **facts: Any) -> Change:
        """Return a change of the object as it is now."""
        live = None if self.wrote else self.live
        return Change(
            ref=self.manifest.ref,
            api_version=self.manifest.api_version,
            operation=operation,
            why=why,
            wanted=self.manifest,
            live_uid=live.uid if live else "",
            live_resource_version=live.resource_version if live else "",
            live_digest=live.declared_digest if live and operation is not Operation.KEEP else "",
            owned_digest=live.owned_digest if live and operation is Operation.KEEP else "",
            follows=self.wrote,
            **facts,
        )


def decide_in_step(facts: Facts) -> Change:
    """Return what the step does to the object."""
    if not is_object_action(facts.step):
        return _handed(facts)
    return DECISIONS[facts.step.action](facts)


def _handed(facts: Facts) -> Change:
    """A plugin gets the object, and does with it what its words say."""
    why = f"is handed to action {facts.step.action}"
    change = facts.change(Operation.RUN, why, way=Way.NONE, is_owned=False, is_skipped=True)
    return replace(change, live_uid="", live_resource_version="", live_digest="")


def _applied(facts: Facts) -> Change:
    if facts.wrote and not facts.is_gone:
        return _written_before(facts)
    return replace(facts.fate(facts.manifest, facts.is_gone), follows=facts.wrote)


def _written_before(facts: Facts) -> Change:
    why = f"was written by step {facts.wrote!r}"
    return facts.change(Operation.KEEP, why, is_owned=False, way=Way.NONE)


def _created_if_absent(facts: Facts) -> Change:
    if facts.is_there and not (facts.live and facts.live.is_being_deleted and not facts.wrote):
        return _exists(facts)
    change = facts.fate(facts.manifest, facts.is_gone)
    return replace(change, way=Way.CREATE, follows=facts.wrote)


def _exists(facts: Facts) -> Change:
    """Keep what exists; it becomes ours only if we made it."""
    if facts.wrote:
        return _written_before(facts)
    is_owned = facts.live is not None and is_ours(facts.live, facts.entry)
    return facts.change(Operation.KEEP, "exists already", is_owned=is_owned, way=Way.CREATE)


def _replaced(facts: Facts) -> Change:
    if facts.wrote and not facts.is_gone:
        return _written_before(facts)
    live = facts.live
    if facts.is_gone or live is None or live.is_being_deleted:
        change = facts.fate(facts.manifest, facts.is_gone)
        return replace(change, way=Way.PUT, follows=facts.wrote)
    if is_same_account(facts.manifest.body, live.body):
        return _kept_whole(facts, live, "nothing differs that a PUT would change")
    operation = Operation.UPDATE if is_ours(live, facts.entry) else Operation.ADOPT
    why = "differs from the source" if operation is Operation.UPDATE else _foreign(live)
    predicted = facts.forecast.body if facts.forecast else None
    if predicted is None:
        return facts.change(operation, why, way=Way.PUT)
    fields = compare(live.body, predicted, salt=facts.salt)
    if not fields and operation is Operation.UPDATE:
        return _kept_whole(facts, live, "nothing differs")
    return facts.change(
        operation, why, way=Way.PUT, fields=fields, prediction=Prediction.SERVER,
        predicted_digest=digest_of([str(one) for one in fields]),
    )  # fmt: skip


def _kept_whole(facts: Facts, live: LiveObject, why: str) -> Change:
    entry = facts.entry
    is_noted = entry is not None and entry.uid == live.uid and not entry.why_kept
    is_same = entry is not None and entry.wanted_digest == facts.manifest.digest
    noted = is_noted and is_same
    return facts.change(Operation.KEEP, why, way=Way.PUT, is_remembered=noted)


def _foreign(live: LiveObject) -> str:
    managers = {str(one.get("manager")) for one in live.metadata.get("managedFields") or ()}
    return f"exists and is not ours yet; managed by {', '.join(sorted(managers)) or 'nobody'}"


def _recreated(facts: Facts) -> Change:
    if not facts.is_there:
        return replace(facts.fate(facts.manifest, facts.is_gone), follows=facts.wrote)
    why = "is deleted and created again in every run"
    return facts.change(Operation.REPLACE, why, prediction=Prediction.SIMULATED, way=Way.RECREATE)


def _deleted(facts: Facts) -> Change:
    options: DeleteOptions = options_of("DeleteIfExist", facts.step.options)
    if not facts.is_there:
        why = f"is deleted by step {facts.wrote!r}" if facts.wrote else "is not there"
        return facts.change(Operation.KEEP, why, way=Way.DELETE, is_owned=False, is_skipped=True)
    return facts.change(
        Operation.PRUNE, f"step {facts.step.name!r} says so", way=Way.DELETE,
        prediction=Prediction.SERVER, propagation=options.propagation.value,
    )  # fmt: skip


def _patched(facts: Facts) -> Change:
    if facts.is_patched:
        why = "was patched by an earlier run (ApplyOnce)"
        return facts.change(Operation.KEEP, why, way=Way.PATCH, is_owned=False)
    if not facts.is_there or facts.wrote:
        why = "is patched as soon as it is there" if not facts.is_there else "is patched"
        return facts.change(Operation.UPDATE, why, way=Way.PATCH, is_owned=False)
    predicted = facts.forecast.body if facts.forecast else None
    if predicted is None or facts.live is None:
        return facts.change(Operation.UPDATE, "is patched", way=Way.PATCH, is_owned=False)
    fields = compare(facts.live.body, predicted, salt=facts.salt)
    if not fields:
        # NB: a patch that changes nothing now need not be remembered as sent.
        why = "is already as the patch makes it"
        return facts.change(Operation.KEEP, why, way=Way.PATCH, is_owned=False)
    return facts.change(
        Operation.UPDATE, "is patched", way=Way.PATCH, is_owned=False, fields=fields,
        prediction=Prediction.SERVER, predicted_digest=digest_of([str(one) for one in fields]),
    )  # fmt: skip


def _waited_for(facts: Facts) -> Change:
    return facts.change(Operation.KEEP, "is waited for", way=Way.NONE, is_owned=False)


DECISIONS: Mapping[str, Callable[[Facts], Change]] = {
    "Apply": _applied,
    "CreateIfNotExist": _created_if_absent,
    "CreateOnly": _created_if_absent,
    "Replace": _replaced,
    "Recreate": _recreated,
    "DeleteIfExist": _deleted,
    "Patch": _patched,
    "Wait": _waited_for,
}

LEAVES_ALONE = frozenset({"CreateIfNotExist", "CreateOnly", "Patch", "Wait"})
"""Actions that may meet an object of another rollout: it does not become ours."""
