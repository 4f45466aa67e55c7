"""Which managers fold into ours, what the patch says, what is told to disappear."""

from __future__ import annotations

import pytest

from rollwright.rollouts.live import live_object
from rollwright.rollouts.ownership.migration import Migration, dropped_fields, is_person

LAST = "kubectl.kubernetes.io/last-applied-configuration"


def an_entry(manager, *names, operation="Update", subresource="", api_version="v1"):
    entry = {
        "manager": manager, "operation": operation, "apiVersion": api_version,
        "fieldsType": "FieldsV1", "time": "2025-01-01T00:00:00Z",
        "fieldsV1": {"f:data": {f"f:{name}": {} for name in names}},
    }  # fmt: skip
    return {**entry, "subresource": subresource} if subresource else entry


def a_live(*entries, labels=None, annotations=None, **data):
    metadata = {
        "name": "a", "namespace": "shop", "uid": "u", "resourceVersion": "7",
        "managedFields": list(entries), "labels": labels or {}, "annotations": annotations or {},
    }  # fmt: skip
    return live_object(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    )


def ours(*names, **facts):
    return an_entry("rollwright", *names, operation="Apply", **facts)


FIRST = Migration(api_version="v1")
LATER = Migration(api_version="v1", is_first=False)


@pytest.mark.parametrize(
    ("entry", "at_first", "later"),
    [
        (an_entry("kubectl-client-side-apply"), True, True),
        (an_entry("before-first-apply"), True, False),
        (an_entry("rollwright"), True, True),
        (an_entry("kubectl-create"), True, False),
        (an_entry("kubectl-edit"), True, False),
        (an_entry("kubectl"), True, False),
        (an_entry("kubectl", operation="Apply"), True, False),
        (an_entry("kubectl", subresource="scale"), False, False),
        (an_entry("kubectl-client-side-apply", subresource="status"), False, False),
        (an_entry("kubectlish"), False, False),
        (an_entry("helm"), False, False),
        (an_entry("kube-controller-manager"), False, False),
        (ours(), False, False),
    ],
)
def test_who_becomes_ours(entry, at_first, later):
    assert (FIRST.folds(entry), LATER.folds(entry)) == (at_first, later)


def test_a_tool_that_hands_over_becomes_ours_at_any_time():
    migration = Migration(api_version="v1", tools=frozenset({"helm"}), is_first=False)

    assert migration.folds(an_entry("helm")) is True
    assert migration.folds(an_entry("helm", operation="Apply")) is True


def test_nothing_of_kubectl_is_taken_without_the_permission():
    migration = Migration(api_version="v1", is_client_side=False)
    live = a_live(an_entry("kubectl-create", "k"), annotations={LAST: "{}"})

    assert migration.patch(live) == ()


def test_the_patch_tests_the_version_first_and_drops_the_annotation():
    live = a_live(an_entry("kubectl-client-side-apply", "k"), annotations={LAST: "{}", "x": "y"})

    test, entries, removal = FIRST.patch(live)

    assert test == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    assert entries["path"] == "/metadata/managedFields"
    assert removal == {
        "op": "remove",
        "path": "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
    }


def test_folded_fields_join_our_entry():
    live = a_live(ours("a"), an_entry("kubectl-create", "b"), an_entry("painter", "c"))

    joined, rest = FIRST.migrated(live)

    assert (joined["manager"], joined["operation"]) == ("rollwright", "Apply")
    assert joined["fieldsV1"] == {"f:data": {"f:a": {}, "f:b": {}}}
    assert rest["manager"] == "painter"


def test_an_object_that_others_do_not_share_needs_no_patch():
    assert FIRST.patch(a_live(ours("a"), an_entry("painter", "b"))) == ()


def test_the_version_of_our_entry_follows_the_manifest():
    migration = Migration(api_version="v2", is_first=False)
    live = a_live(ours("a"))

    (entry,) = migration.migrated(live)

    assert entry["apiVersion"] == "v2"
    assert migration.is_needed(live)
    assert not migration.is_pressing(live)


def test_what_only_a_folded_manager_owned_disappears():
    before = a_live(
        an_entry("kubectl-create", "a", "b", "c"), an_entry("painter", "c"), a="1", b="2", c="3"
    )
    answer = a_live(
        ours("a"), an_entry("kubectl-create", "a", "b", "c"), an_entry("painter", "c"),
        a="1", b="2", c="3",
    )  # fmt: skip

    predicted = FIRST.predict(before, answer.body)

    assert predicted["data"] == {"a": "1", "c": "3"}


def test_a_person_gives_up_what_we_no_longer_send():
    live = a_live(ours("a", "b"), an_entry("kubectl-edit", "b", "mine"), a="1", b="2", mine="3")
    dropped = dropped_fields(live.owned_fields, {"data": {"a": "1"}})
    migration = Migration(api_version="v1", is_first=False, dropped=dropped)

    own, person = migration.migrated(live)

    assert own["fieldsV1"] == {"f:data": {"f:a": {}, "f:b": {}}}
    assert person["fieldsV1"] == {"f:data": {"f:mine": {}}}


def test_marks_of_a_tool_are_removed():
    migration = Migration(api_version="v1", labels=("a/b",), annotations=("c", "gone"))
    live = a_live(labels={"a/b": "1", "keep": "2"}, annotations={"c": "3"})

    paths = [one["path"] for one in migration.patch(live) if one["op"] == "remove"]

    assert paths == ["/metadata/labels/a~1b", "/metadata/annotations/c"]


@pytest.mark.parametrize(
    ("manager", "is_one"),
    [("kubectl-edit", True), ("kubectl", True), ("before-first-apply", True), ("helm", False),
     ("kubectlish", False)],
)  # fmt: skip
def test_who_counts_as_a_person(manager, is_one):
    assert is_person(manager) is is_one
