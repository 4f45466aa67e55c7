"""Hooks: rendered objects that run at a moment of a rollout instead of being part of it.

Before: ``render`` gave the objects, hooks among them, with the annotations of Helm, of Argo CD
or our own.
After: the engine runs each phase's hooks; only the other objects are planned.

``annotations`` reads what people write; here is what it means (HK-01 to HK-11).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from itertools import groupby
from typing import Any

from rollwright.errors import InvalidManifests
from rollwright.rollouts.hooks.annotations import (
    DeletePolicy,
    Marks,
    Moment,
    Phase,
    When,
    read_hook,
)
from rollwright.rollouts.manifest import Manifest, ManifestSet, ref_of
from rollwright.rollouts.order.annotations import Findings
from rollwright.rollouts.order.bodies import mapping, spec_of
from rollwright.rollouts.order.kinds import tie_key

__all__ = ["DeletePolicy", "Hook", "Moment", "Phase", "When"]

DEFAULT_TIMEOUT = timedelta(minutes=10)
KEPT_SECONDS = 86_400
"""How long a finished Job of a hook is kept, unless it says so itself (HK-04)."""

_JOB = ("batch", "Job")
_LONGEST_NAME = 63
_SHORT_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?")
_HEX_ID = re.compile(r"[0-9a-f]{21,}")


class Ending(StrEnum):
    """How a hook ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """An object that runs at moments of a rollout.

    Attributes:
        manifest: The object.
        moments: When it runs.
        weight: Its place in its phase; lower comes first, equal ones run together.
        delete_policies: When it is deleted.
        is_from_left: Whether a rollback takes it from the revision that is left, instead of the
            one that is restored (HK-07).
        keeps_log: Whether its log is kept although it succeeded; that of a failure always is.
    """

    manifest: Manifest
    moments: tuple[Moment, ...]
    weight: int = 0
    delete_policies: frozenset[DeletePolicy] = frozenset({DeletePolicy.BEFORE_CREATION})
    is_from_left: bool = False
    keeps_log: bool = False

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases it runs in."""
        return tuple(moment.phase for moment in self.moments)

    @property
    def timeout(self) -> timedelta:
        """How long it may take: ten minutes, or the deadline of its Job if that is less (HK-10)."""
        deadline = spec_of(self.manifest.body).get("activeDeadlineSeconds")
        is_number = isinstance(deadline, int) and not isinstance(deadline, bool)
        if self.manifest.ref.group_kind != _JOB or not is_number:
            return DEFAULT_TIMEOUT
        return min(DEFAULT_TIMEOUT, timedelta(seconds=min(max(int(deadline or 0), 0), 86_400)))

    def runs_in(self, phase: Phase, *, is_initial: bool) -> bool:
        """Whether it runs in a phase of a first rollout, or of a later one."""
        fitting = {When.ALWAYS, When.INITIAL if is_initial else When.UPGRADE}
        return any(one.phase is phase and one.when in fitting for one in self.moments)

    def is_deleted_before(self) -> bool:
        """Whether what an earlier run left of it is deleted before it is created."""
        return DeletePolicy.BEFORE_CREATION in self.delete_policies

    def is_deleted_after(self, ending: Ending) -> bool:
        """Whether it is deleted when it has ended so."""
        is_good = ending is Ending.SUCCEEDED
        policy = DeletePolicy.ON_SUCCESS if is_good else DeletePolicy.ON_FAILURE
        return policy in self.delete_policies


def split_hooks(wanted: ManifestSet) -> tuple[ManifestSet, tuple[Hook, ...]]:
    """Part the rendered objects into those that are planned, and hooks, both in their order.

    Objects that are marked to be skipped are in neither. Hooks of Argo CD's phase ``Sync`` are
    ordinary objects of their wave, and so are definitions that Helm 2 called ``crd-install``.

    Raises:
        InvalidManifests: An annotation names a phase, policy or weight that is none, or what is
            no hook has no name; every problem is told.
    """
    findings = Findings()
    ordinary, hooks = [], []
    for manifest in wanted:
        marks = read_hook(manifest, findings)
        if marks is None or marks.is_ordinary:
            ordinary.append(manifest)
            _check_name(manifest, findings)
        if marks is not None and marks.moments:
            hooks.append(_hook(manifest, marks))
    if findings.problems:
        raise InvalidManifests(findings.problems)
    return replace(wanted, manifests=tuple(ordinary)), tuple(hooks)


def _check_name(manifest: Manifest, findings: Findings) -> None:
    if not mapping(manifest.body.get("metadata")).get("name"):
        message = f"{manifest.ref}: missing; only hooks of a phase may have generateName instead"
        findings.problem(str(manifest.origin), "metadata.name", message)


def _hook(manifest: Manifest, marks: Marks) -> Hook:
    return Hook(
        manifest=manifest,
        moments=marks.moments,
        weight=marks.weight,
        delete_policies=marks.delete_policies,
        is_from_left=marks.is_from_left,
        keeps_log=marks.keeps_log,
    )


def order_phase(
    hooks: Iterable[Hook], phase: Phase, *, is_initial: bool
) -> tuple[tuple[Hook, ...], ...]:
    """Return the hooks of a phase in turns: those of one turn run together (HK-02).

    Turns follow the weight; inside one the order is that of kinds, then of names.
    """
    meant = [one for one in hooks if one.runs_in(phase, is_initial=is_initial)]
    meant.sort(key=lambda one: (one.weight, tie_key(one.manifest.ref), one.manifest.key))
    return tuple(tuple(turn) for _, turn in groupby(meant, key=lambda one: one.weight))


def prepare_hooks(hooks: Iterable[Hook], run_id: str) -> tuple[Hook, ...]:
    """Return the hooks as a run creates them: each with a name, Jobs with an end to their days.

    The names follow from the run alone, so that a resumed run finds its own hooks (HK-08).
    """
    taken: set[tuple[Any, ...]] = set()
    return tuple(_prepared(hook, run_id, taken) for hook in hooks)


def _prepared(hook: Hook, run_id: str, taken: set[tuple[Any, ...]]) -> Hook:
    metadata = mapping(hook.manifest.body.get("metadata"))
    body: Mapping[str, Any] = hook.manifest.body
    if not metadata.get("name"):
        number, named = 1, _named(body, run_id, 1)
        while ref_of(named) in taken:
            number += 1
            named = _named(body, run_id, number)
        taken.add(ref_of(named))
        body = named
    if hook.manifest.ref.group_kind == _JOB:
        body = {**body, "spec": {"ttlSecondsAfterFinished": KEPT_SECONDS, **spec_of(body)}}
    return replace(hook, manifest=hook.manifest.with_body(body))


def _named(body: Mapping[str, Any], run_id: str, number: int) -> dict[str, Any]:
    """Give an object its ``generateName`` with the run; ``number`` tells twins of a run apart."""
    metadata = dict(mapping(body.get("metadata")))
    end = _short(run_id) + (f"-{number}" if number > 1 else "")
    base = str(metadata.pop("generateName", ""))[: _LONGEST_NAME - len(end)]
    return {**body, "metadata": {"name": f"{base}{end}", **metadata}}


def _short(run_id: str) -> str:
    """Return what tells runs apart and may end a name: the id itself, its beginning, a digest."""
    if _SHORT_ID.fullmatch(run_id):
        return run_id
    if _HEX_ID.fullmatch(run_id):
        return run_id[:12]
    return sha256(run_id.encode()).hexdigest()[:12]
