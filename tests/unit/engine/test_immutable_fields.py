"""What the server says of fields that cannot change in place (AP-55)."""

from __future__ import annotations

import pytest

from rollwright.engine.writing.immutable import immutable_fields
from rollwright.errors import Cause, ClusterError

INVALID, FORBIDDEN = "FieldValueInvalid", "FieldValueForbidden"
FIXED = {
    "value before": (INVALID, 'Invalid value: {"a":"b"}: field is immutable', "field is immutable"),
    "objects after": (
        FORBIDDEN,
        "Forbidden: spec is immutable after creation except resources.requests  core.Spec{ x }",
        "spec is immutable after creation except resources.requests",
    ),
    "sentence": (
        FORBIDDEN,
        "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
        "updates to statefulset spec for fields other than 'replicas' are forbidden",
    ),
    "reference": (
        INVALID,
        'Invalid value: {"Name":"edit"}: cannot change roleRef',
        "cannot change roleRef",
    ),
}


def error_of(reason, message, *, field="spec", status=422):
    return ClusterError(
        message, status=status, causes=[Cause(reason=reason, field=field, message=message)]
    )


@pytest.mark.parametrize("case", FIXED)
def test_the_reason_is_told_without_the_values(case):
    reason, message, told = FIXED[case]

    assert immutable_fields(error_of(reason, message)) == (f"spec: {told}",)


def test_a_value_that_says_immutable_is_no_reason():
    message = 'Invalid value: "immutable": must be no more than 3 characters'

    assert immutable_fields(error_of(INVALID, message)) == ()


def test_a_text_without_causes_is_no_reason():
    assert immutable_fields(ClusterError("field is immutable", status=422)) == ()


@pytest.mark.parametrize("reason", ["FieldValueRequired", "FieldValueDuplicate", ""])
def test_another_kind_of_cause_is_no_reason(reason):
    assert immutable_fields(error_of(reason, "Invalid value: 1: field is immutable")) == ()


def test_another_status_is_no_reason():
    error = error_of(INVALID, "Invalid value: 1: field is immutable", status=403)

    assert immutable_fields(error) == ()


def test_a_stored_version_cannot_be_left_out():
    message = 'Invalid value: "v1": missing from spec.versions; v1 was previously a storage version'

    (told,) = immutable_fields(error_of(INVALID, message, field="status.storedVersions[0]"))

    assert told.startswith("status.storedVersions[0]: missing from spec.versions")
