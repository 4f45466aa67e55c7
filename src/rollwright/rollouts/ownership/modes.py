"""The mode of an object: how much of it is ours to write (AP-36).

Before: the manifest names its mode in an annotation.
After: ``proposals`` makes the body that is sent; ``fates`` keeps what is not to be written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

from rollwright.errors import Problem
from rollwright.rollouts.manifest import Manifest
from rollwright.rollouts.ownership.conflicts import annotation_problems
from rollwright.rollouts.ownership.fields import MANAGER, ROLLOUT_LABEL

ANNOTATION = "rollwright.dev/apply-mode"


class Mode(StrEnum):
    """What an apply does with an object that exists."""

    OVERRIDE = "Override"
    """Our fields win."""
    MERGE = "Merge"
    """Ours are added, under a manager of the rollout's own; those of others stay."""
    IF_NOT_PRESENT = "IfNotPresent"
    """It is created if absent, and never changed."""
    IGNORE = "Ignore"
    """It is never sent, and not pruned."""
    READ_ONLY = "ReadOnly"
    """Only its health is read."""


UNSENT = frozenset({Mode.IGNORE, Mode.READ_ONLY})

_MODES = {one.value: one for one in Mode}


def mode_of(manifest: Manifest) -> Mode:
    """Return the object's mode; a word that nobody knows was refused before any plan."""
    return _MODES.get(str(manifest.annotations.get(ANNOTATION, "")).strip(), Mode.OVERRIDE)


def leaves_alone(manifest: Manifest) -> bool:
    """Whether an object that exists is never written, so that it may be of anybody."""
    return mode_of(manifest) in {*UNSENT, Mode.IF_NOT_PRESENT}


def manager_of(manifest: Manifest) -> str:
    """Return the field manager that the object is applied by (AP-30)."""
    own = own_manager(manifest)
    return own if own and mode_of(manifest) is Mode.MERGE else MANAGER


def own_manager(manifest: Manifest) -> str:
    """Return the name of the rollout's own manager; empty for an object without its label."""
    rollout = manifest.labels.get(ROLLOUT_LABEL)
    return f"{MANAGER}-{rollout}" if rollout else ""


def annotation_mistakes(wanted: Iterable[Manifest]) -> Iterator[Problem]:
    """Yield what objects say about their mode or their conflicts that nobody understands."""
    for manifest in wanted:
        for name, message in _mistakes(manifest):
            path = f"metadata.annotations['{name}']"
            text = f"{manifest.ref}: {message}"
            yield Problem(where=str(manifest.origin), path=path, message=text)


def _mistakes(manifest: Manifest) -> Iterator[tuple[str, str]]:
    mode = manifest.annotations.get(ANNOTATION)
    if mode is not None and str(mode).strip() not in _MODES:
        yield ANNOTATION, f"expected one of {', '.join(_MODES)}; got {mode!r}"
    yield from annotation_problems(manifest)
