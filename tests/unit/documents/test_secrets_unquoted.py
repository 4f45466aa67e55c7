"""What is said of a text with a Secret that cannot be read, or that readers dispute."""

from __future__ import annotations

import traceback

import pytest

from rollwright.documents import ambiguities, load_all
from rollwright.errors import InvalidDocument

HEAD = "apiVersion: v1\nkind: Secret\n"


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "stringData: {password: *hunter2}",
        HEAD + "stringData:\n  password: &hunter2 [*hunter2]",
        "stringData: {password: *hunter2}\nkind: Secret",
        'items:\n- {"kind": "Secret", "stringData": {"password": *hunter2}}\nkind: List',
        "kind: SecretList\nitems: [{stringData: {password: *hunter2}}]",
        HEAD + "stringData:\n  password: hunter2: x",
        HEAD + 'stringData:\n  password: "hunter2\\q"',
        HEAD + "stringData:\n  password: 'hunter2",
        HEAD + "stringData:\n  password: %hunter2",
        HEAD + "stringData:\n  password: @hunter2",
        HEAD + "stringData:\n  password: !!int hunter2",
        HEAD + "stringData:\n  password: !!binary hunter2",
        HEAD + "stringData:\n  password: &hunter2$% x",
        HEAD + "stringData:\n  password: hunter2\n password: x",
        '{"kind": "Secret", "stringData": {"password": "hunter2" "a"}}',
        '{"kind": "Secret", "stringData": {"password": "hunter2", "password": "x"}}',
    ],
)
def test_a_secret_that_cannot_be_read_is_not_quoted(text):
    with pytest.raises(InvalidDocument) as refused:
        load_all(text, name="a.yaml")
    shown = "".join(traceback.format_exception(refused.value)) + str(refused.value.hint)

    assert "hunter2" not in shown


def test_where_it_cannot_be_read_is_said():
    with pytest.raises(InvalidDocument, match=r"^a\.yaml:3:24: no anchor before this alias"):
        load_all(HEAD + "stringData: {password: *hunter2}", name="a.yaml")


def test_other_texts_name_the_anchor():
    with pytest.raises(InvalidDocument, match="no anchor 'base' before this alias"):
        load_all("kind: ConfigMap\ndata: *base", name="a.yaml")


def messages(text):
    return [problem.message for problem in ambiguities(text)]


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "stringData: {password: 012345}",
        HEAD + "data: {password: 012345}",
        "stringData: {password: 012345}\nkind: 'Secret'",
        "kind: List\nitems:\n- {stringData: {password: 012345}, kind: Secret}",
        "kind: SecretList\nitems:\n- {stringData: {password: 012345}}",
    ],
)
def test_a_disputed_value_of_a_secret_is_not_quoted(text):
    (message,) = messages(text)

    assert "12345" not in message


@pytest.mark.parametrize(
    "text",
    [
        "kind: ConfigMap\ndata: {password: 012345}",
        HEAD + "metadata: {labels: {a: 012345}}",
        HEAD + "---\nkind: ConfigMap\ndata: {a: 012345}",
    ],
)
def test_a_disputed_value_outside_a_secret_is_quoted(text):
    assert ["012345 is the number" in one for one in messages(text)] == [True]
