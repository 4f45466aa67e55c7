"""The installation's key, laid on everything that makes digests of Secrets (PL-12).

Before: objects were rendered, or a snapshot was unpacked; ``engine.custody.keys`` knows the key.
After: every digest of a Secret is keyed, so that none can be guessed back into a value.

Only Secrets are touched: a set of thousands of other objects stays the very same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rollwright.rollouts.change import Change
from rollwright.rollouts.manifest import Manifest, ManifestSet, ObjectRef, is_secret
from rollwright.rollouts.plan import Plan, Step, Wave


def has_secrets(refs: Iterable[ObjectRef]) -> bool:
    """Whether a core Secret is among the objects."""
    return any(ref.kind == "Secret" and not ref.group for ref in refs)


def salted(wanted: ManifestSet, salt: str) -> ManifestSet:
    """Return the set with the key on its Secrets."""
    if not has_secrets(one.ref for one in wanted):
        return wanted
    return replace(wanted, manifests=tuple(_salted(one, salt) for one in wanted))


def _salted(manifest: Manifest, salt: str) -> Manifest:
    is_right = manifest.salt == salt or not is_secret(manifest.body)
    return manifest if is_right else replace(manifest, salt=salt)


def resalted(plan: Plan, salt: str) -> Plan:
    """Return a plan whose Secrets have digests of another key, as they are to be remembered.

    Two first runs may each make up a key, and one of them is kept. The plan stays what was
    shown and approved: its id does not change.
    """
    changes = any(_is_other(change, salt) for change in plan.changes)
    hooks = tuple(_salted(one, salt) for one in plan.hooks)
    if not changes and not any(one is not two for one, two in zip(hooks, plan.hooks, strict=True)):
        return plan
    waves = tuple(_resalted_wave(wave, salt) for wave in plan.waves)
    undo = tuple(_resalted_wave(wave, salt) for wave in plan.undo)
    changed = replace(plan, waves=waves, undo=undo, hooks=hooks)
    return replace(changed, wanted_digest=ManifestSet(changed.manifests).digest)


def _is_other(change: Change, salt: str) -> bool:
    wanted = change.wanted
    return wanted is not None and wanted.salt != salt and is_secret(wanted.body)


def _resalted_wave(wave: Wave, salt: str) -> Wave:
    return replace(wave, steps=tuple(_resalted_step(step, salt) for step in wave.steps))


def _resalted_step(step: Step, salt: str) -> Step:
    return replace(step, changes=tuple(_resalted_change(one, salt) for one in step.changes))


def _resalted_change(change: Change, salt: str) -> Change:
    if change.wanted is None or not _is_other(change, salt):
        return change
    # What is live was digested with the former key: the next run looks at the object itself.
    return replace(change, wanted=_salted(change.wanted, salt), owned_digest="")
