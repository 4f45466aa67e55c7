"""Which code stands for what kept a run from being made, or for how it ended (FB-04)."""

from __future__ import annotations

import pytest

from rollwright.errors import (
    ApprovalNeeded,
    GuardRefused,
    Held,
    InvalidManifests,
    LockHeld,
    LockLost,
    Refused,
    RenderError,
    StateConflict,
    Unreachable,
)
from rollwright.rollouts.reasons import is_quiet, reason_of_cause, reason_of_error


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
        (Held("x"), "forecast", "Held"),
        (ApprovalNeeded("x", reason="y"), "forecast", "WaitingForApproval"),
        (Refused("x"), "forecast", "PlanFailed"),
        (Refused("x"), "begin", "PlanStale"),
    ],
)
def test_an_error_has_a_code(error, stage, reason):
    assert reason_of_error(type(error), stage, error.message) == reason


@pytest.mark.parametrize(
    ("cause", "reason"),
    [("RenderError", "BuildFailed"), ("LockHeld", "LockHeld"), ("Unauthorized", "ClusterUnreachable"),
     ("ApprovalNeeded", "WaitingForApproval"), ("", "PlanFailed"), ("Cause", "PlanFailed"),
     ("excerpt", "PlanFailed"), ("NotThere", "PlanFailed")],
)  # fmt: skip
def test_an_error_has_a_code_by_its_name_alone(cause, reason):
    assert reason_of_cause(cause) == reason


@pytest.mark.parametrize(
    ("error", "quiet"),
    [
        (Refused("x"), True), (LockHeld("x"), True), (StateConflict("x"), True),
        (GuardRefused("x"), False), (LockLost("x"), False), (RenderError("x"), False),
    ],
)  # fmt: skip
def test_a_refusal_is_nobody_s_failure(error, quiet):
    assert is_quiet(error) is quiet
