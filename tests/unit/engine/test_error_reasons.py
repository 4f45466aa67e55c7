"""Which code stands for what kept a run from being made."""

from __future__ import annotations

import pytest

from rollwright.engine.telling.error_reasons import is_quiet, reason_of
from rollwright.errors import (
    GuardRefused,
    InvalidManifests,
    LockHeld,
    LockLost,
    Refused,
    RenderError,
    StateConflict,
    Unreachable,
)


@pytest.mark.parametrize(
    ("error", "stage", "reason"),
    [
        (RenderError("x"), "fetch", "SourceFailed"),
        (Unreachable("x"), "fetch", "SourceFailed"),
        (RenderError("x"), "render", "BuildFailed"),
        (RenderError("cannot decrypt a.yaml"), "render", "DecryptionFailed"),
        (InvalidManifests([]), "render", "ValidationFailed"),
        (Unreachable("x"), "read", "ClusterUnreachable"),
        (RenderError("x"), "forecast", "PlanFailed"),
        (RenderError("x"), "begin", "ApplyFailed"),
        (GuardRefused("x"), "forecast", "GuardBreached"),
        (LockHeld("x"), "forecast", "LockHeld"),
        (StateConflict("x"), "begin", "PlanStale"),
        (Refused("x"), "forecast", "Held"),
    ],
)
def test_an_error_has_a_code(error, stage, reason):
    assert reason_of(error, stage) == reason


@pytest.mark.parametrize(
    ("error", "quiet"),
    [
        (Refused("x"), True), (LockHeld("x"), True), (StateConflict("x"), True),
        (GuardRefused("x"), False), (LockLost("x"), False), (RenderError("x"), False),
    ],
)  # fmt: skip
def test_a_refusal_is_nobody_s_failure(error, quiet):
    assert is_quiet(error) is quiet
