"""What is told of a server's refusal of a Secret: what is wrong, and no value."""

from __future__ import annotations

import orjson
import pytest

from rollwright.kube.refusals import not_json, refusal
from rollwright.kube.write_request import apply_request
from rollwright.plugins.contracts import ApplyRequest, ServedKind
from rollwright.rollouts.manifest import ref_of

SECRETS = ServedKind(group="", version="v1", kind="Secret", plural="secrets", is_namespaced=True)
BODY = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "login", "namespace": "shop"},
    "stringData": {"password": "hunter2"},
}
REQUEST = apply_request(SECRETS, ApplyRequest(ref=ref_of(BODY), body=BODY))
TYPED = "failed to create typed patch object (shop/login; /v1, Kind=Secret): "
DECODING = (
    "failed to convert new object (shop/login; /v1, Kind=Secret) to proper version: unable to"
    " convert unstructured object to /v1, Kind=Secret: error decoding from json: "
)


def refused(code, message, reason="", causes=()):
    status = {
        "kind": "Status", "message": message, "reason": reason, "code": code,
        "details": {"name": "login", "causes": list(causes)},
    }  # fmt: skip
    return refusal(REQUEST, code, orjson.dumps(status))


def shown(error):
    return f"{error} {error!r} {error.hint} {error.causes}"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            TYPED + ".data.a: expected string, got &value.valueUnstructured{Value:hunter2}",
            ".data.a: expected string",
        ),
        (TYPED + ".data: expected map, got &{[hunter2]}", ".data: expected map"),
        (TYPED + ".datas: field not declared in schema", ".datas: field not declared in schema"),
        (DECODING + "illegal base64 data at input byte 7", "illegal base64 data at input byte 7"),
        (TYPED + "something new about hunter2", "no reason given"),
    ],
)
def test_a_schemas_complaint_names_the_field(message, told):
    assert refused(500, message).message == f"Secret/shop/login: apply refused: {told}"


@pytest.mark.parametrize(
    ("code", "reason", "message"),
    [
        (400, "BadRequest", 'Secret in version "v1" cannot be handled: got "hunter2"'),
        (403, "Forbidden", 'admission webhook "policy" denied the request: "hunter2" is weak'),
        (409, "Conflict", "Operation cannot be fulfilled on hunter2"),
        (422, "Invalid", 'Secret "login" is invalid: data[a]: Invalid value: "hunter2"'),
        (422, "Invalid", 'data: Forbidden: field is immutable, was "hunter2"'),
        (500, "", "hunter2"),
        (500, "InternalError", 'failed calling webhook "policy": hunter2'),
        (507, "InsufficientStorage", "no room for hunter2"),
    ],
)
def test_no_refusal_quotes_a_value(code, reason, message):
    assert "hunter2" not in shown(refused(code, message, reason))


@pytest.mark.parametrize(
    "cause",
    [
        {"reason": "FieldValueInvalid", "field": "data[a]", "message": 'Invalid value: "hunter2"'},
        {"reason": "FieldValueForbidden", "field": "data", "message": "hunter2 is immutable"},
        {"reason": "UnexpectedServerResponse", "message": "hunter2"},
    ],
)
def test_no_cause_quotes_a_value(cause):
    assert "hunter2" not in shown(refused(422, "hunter2", "Invalid", [cause]))


def test_a_conflict_names_field_and_manager():
    cause = {
        "reason": "FieldManagerConflict", "field": ".data.a",
        "message": 'conflict with "kubectl" using v1',
    }  # fmt: skip
    error = refused(409, 'Apply failed: conflict: .data.a "hunter2"', "Conflict", [cause])

    assert [(one.field, one.message) for one in error.causes] == [
        (".data.a", 'conflict with "kubectl" using v1')
    ]
    assert "hunter2" not in shown(error)


@pytest.mark.parametrize("code", [400, 403, 404, 413, 429, 502, 503])
def test_what_stands_before_the_server_is_not_repeated(code):
    assert "hunter2" not in shown(refusal(REQUEST, code, b"<html>you sent hunter2</html>"))


def test_an_answer_that_cannot_be_read_is_not_repeated():
    assert "hunter2" not in shown(not_json(REQUEST, b"hunter2", ValueError("malformed")))


def test_no_request_shows_its_body():
    assert "hunter2" not in repr(REQUEST)
