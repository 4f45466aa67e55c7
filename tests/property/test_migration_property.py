"""What holds of every takeover, whoever wrote the object before (AP-45 to AP-47a)."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonpatch import JsonPatch

from rollwright.plugins.contracts import ApplyRequest
from rollwright.rollouts.diff import comparable
from rollwright.rollouts.live import live_object
from rollwright.rollouts.manifest import ref_of
from rollwright.rollouts.ownership.fieldsets import leaves, members, tree, value_at
from rollwright.rollouts.ownership.migration import Migration
from rollwright.testing.fake_apply import applied

w = SimpleNamespace(**run_path(str(Path(__file__).parents[1] / "world.py")))
often = settings(max_examples=60, deadline=None)

FOLDED = ("kubectl-create", "kubectl-client-side-apply", "before-first-apply", "helm")
OTHERS = ("painter", "kube-controller-manager")
one = st.sampled_from(["1", "2"])
inner = st.dictionaries(st.sampled_from("xy"), one, min_size=1)
# A field has one type, as a schema has it: a text, or a map.
data = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys("abc", one), **dict.fromkeys("de", inner)}
)
data = data.filter(bool)
writes = st.lists(
    st.tuples(st.sampled_from(FOLDED + OTHERS + ("rollwright",)), data), min_size=1, max_size=4
)


def written(history):
    """Return an object after several writers, each of whom owns what it wrote."""
    body: dict[str, Any] = {}
    for manager, values in history:
        request = ApplyRequest(
            ref=ref_of(w.a_config()), body=w.a_body(data=values), manager=manager, force=True
        )
        body = applied(request, body or None)
    for entry in body["metadata"]["managedFields"]:
        if entry["manager"] in {"kubectl-client-side-apply", "before-first-apply"}:
            entry["operation"] = "Update"
    body["metadata"]["resourceVersion"] = "7"
    return body


def owned_by(body, names):
    entries = body["metadata"]["managedFields"]
    return {p for e in entries if e["manager"] in names for p in leaves(e["fieldsV1"])}


def taken_over(body, wanted):
    """Return the object after the patch and the apply, and what was predicted of both."""
    migration, live = Migration(api_version="v1", tools=frozenset({"helm"})), live_object(body)
    request = ApplyRequest(ref=live.ref, body=wanted, force=True)
    predicted = migration.predict(live, applied(request, body))
    patched = JsonPatch([dict(one) for one in migration.patch(live)]).apply(body)
    return applied(request, patched), predicted


@often
@given(writes, data)
def test_no_field_of_the_manifest_is_lost(history, values):
    wanted = w.a_body(data=values)

    after, _ = taken_over(written(history), wanted)

    assert all(after["data"].get(key) is not None for key in values)
    for path in owned_by(after, {"rollwright"}):
        assert value_at(after, path) == value_at(wanted, path)


@often
@given(writes, data)
def test_no_field_stays_that_only_folded_managers_owned(history, values):
    before, wanted = written(history), w.a_body(data=values)

    after, _ = taken_over(before, wanted)

    gone = owned_by(before, {*FOLDED, "rollwright"}) - owned_by(after, {*OTHERS, "rollwright"})
    assert not owned_by(after, FOLDED)
    assert not [path for path in gone if isinstance(value_at(after, path), str)]


@often
@given(writes, data)
def test_what_others_own_stays_as_it_is(history, values):
    before, wanted = written(history), w.a_body(data=values)

    after, _ = taken_over(before, wanted)

    for path in owned_by(after, OTHERS):
        if path not in owned_by(after, {"rollwright"}):
            assert value_at(after, path) == value_at(before, path)


@often
@given(writes, data)
def test_the_plan_shows_what_comes_of_it(history, values):
    after, predicted = taken_over(written(history), w.a_body(data=values))

    assert comparable(predicted) == comparable(after)


@often
@given(writes)
def test_fields_survive_being_taken_apart(history):
    for entry in written(history)["metadata"]["managedFields"]:
        assert tree(members(entry["fieldsV1"])) == entry["fieldsV1"]
