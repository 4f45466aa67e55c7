"""Whose doing a field is: ours, or the server's (PL-42)."""

from __future__ import annotations

from rollwright.rollouts.diff import compare
from rollwright.rollouts.field_reasons import with_reasons


def reasons(live, sent, predicted):
    fields = with_reasons(compare(live, predicted, salt="k"), sent, live)
    return {one.path: one.by for one in fields}


def body(**spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec}


def test_what_we_declare_is_ours():
    assert reasons(body(a=1), body(a=2, b=3), body(a=2, b=3)) == {
        "spec.a": "ours",
        "spec.b": "ours",
    }


def test_what_nobody_declares_is_the_servers():
    found = reasons(body(a=1), body(a=2), body(a=2, policy="Always"))

    assert found == {"spec.a": "ours", "spec.policy": "server"}


def test_a_live_value_that_admission_changes_is_the_servers():
    found = reasons(body(a=1, image="x"), body(a=2), body(a=2, image="mirror/x"))

    assert found == {"spec.a": "ours", "spec.image": "server"}


def test_a_value_in_another_form_is_still_ours():
    assert reasons(body(cpu="1"), body(cpu="2000m"), body(cpu="2")) == {"spec.cpu": "ours"}


def test_what_goes_is_ours():
    assert reasons(body(a=1, b=1), body(a=1), body(a=1)) == {"spec.b": "ours"}


def test_an_item_of_a_list_that_goes_by_another_name_is_not_known():
    live, sent = body(items=[{"port": 1}]), body(items=[{"port": 2}])
    found = reasons(live, sent, body(items=[{"port": 2, "name": "x"}]))

    assert set(found.values()) <= {"ours", ""}
