from __future__ import annotations

from pathlib import Path
from runpy import run_path
from types import SimpleNamespace
from typing import Any

import pytest

from rollwright.errors import InvalidManifests, Refused
from rollwright.rollouts.live import live_object
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.ownership.applyset import (
    Extent,
    Parent,
    check_members,
    extent_of,
    other_set,
    read_parent,
)
from rollwright.rollouts.ownership.fields import PART_OF, own, parent_ref, set_id
from rollwright.rollouts.state import InventoryEntry, RolloutState

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))
PARENT = parent_ref("shop")
PREFIX = "applyset.kubernetes.io/"


def a_parent(**facts):
    return Parent(ref=PARENT, tooling="rollwright/1", extent=Extent(), **facts)


def live_parent(*, labels=None, annotations=None):
    body = a_parent(fence=7).body()
    metadata = {**body["metadata"], "uid": "u", "resourceVersion": "9"}
    metadata["labels"] = {**metadata["labels"], **(labels or {})}
    metadata["annotations"] = {**metadata["annotations"], **(annotations or {})}
    for part in ("labels", "annotations"):
        metadata[part] = {key: value for key, value in metadata[part].items() if value is not None}
    return live_object({**body, "metadata": metadata})


# ------------------------------------------------------------------ the id


def test_the_id_is_the_one_that_kubectl_computes():
    # printf %s shop.prod.ConfigMap. | openssl sha256 -binary | basenc --base64url | tr -d =
    assert set_id(parent_ref("shop", "prod")) == (
        "applyset-MKiGd8qjds7_4l58fSj3Hm-momNfCzEqg3i6kuRIBpI-v1"
    )


def test_the_id_depends_on_name_and_namespace_alone():
    refs = [parent_ref("a"), parent_ref("b"), parent_ref("a", "b"), parent_ref("b", "a")]

    assert len({set_id(ref) for ref in refs}) == 4


def test_the_id_is_a_label_value():
    assert len(set_id(parent_ref("s" * 253, "n" * 63))) <= 63


# ------------------------------------------------------------------ what the parent says


def test_group_kinds_are_sorted_and_the_core_group_has_no_dot():
    refs = [
        ObjectRef("apps", "Deployment", "shop", "a"),
        ObjectRef("", "ConfigMap", "shop", "b"),
        ObjectRef("", "ConfigMap", "shop", "c"),
        ObjectRef("rbac.authorization.k8s.io", "ClusterRole", "", "d"),
    ]
    parent = Parent(ref=PARENT, tooling="rollwright/1", extent=extent_of(refs))

    assert parent.body()["metadata"]["annotations"] == {
        f"{PREFIX}tooling": "rollwright/1",
        f"{PREFIX}contains-group-kinds": (
            "ClusterRole.rbac.authorization.k8s.io,ConfigMap,Deployment.apps"
        ),
        f"{PREFIX}additional-namespaces": "shop",
    }


@pytest.mark.parametrize(
    ("namespaces", "text"),
    [((), ""), (("rollwright-system",), ""), (("b", "a", "rollwright-system", ""), "a,b")],
)
def test_the_parents_own_namespace_is_not_an_additional_one(namespaces, text):
    refs = [ObjectRef("", "ConfigMap", one, "a") for one in namespaces]
    parent = Parent(ref=PARENT, tooling="rollwright/1", extent=extent_of(refs))

    assert parent.body()["metadata"]["annotations"][f"{PREFIX}additional-namespaces"] == text


def test_the_parent_is_no_member():
    labels = a_parent().body()["metadata"]["labels"]

    assert labels == {"app.kubernetes.io/managed-by": "rollwright", f"{PREFIX}id": set_id(PARENT)}


def test_what_is_written_is_read_again():
    extent = extent_of([ObjectRef("apps", "Deployment", "shop", "a")])
    parent = Parent(ref=PARENT, tooling="rollwright/1", extent=extent, fence=12)

    assert read_parent(live_object(parent.body())) == parent


@pytest.mark.parametrize("text", ["", "x", "-1", "\N{ARABIC-INDIC DIGIT ONE}", "1.5"])
def test_a_fence_that_is_no_number_is_none(text):
    assert read_parent(live_parent(annotations={"rollwright.dev/fence": text})).fence == 0


# ------------------------------------------------------------------ strangers


@pytest.mark.parametrize(
    ("labels", "annotations", "message"),
    [
        ({f"{PREFIX}id": None}, {}, "has no label applyset.kubernetes.io/id"),
        ({f"{PREFIX}id": "applyset-x-v1"}, {}, "is 'applyset-x-v1', expected 'applyset-"),
        ({}, {f"{PREFIX}tooling": None}, "has no annotation applyset.kubernetes.io/tooling"),
        ({}, {f"{PREFIX}tooling": "kubectl/v1.36.0"}, "is managed by 'kubectl' instead of"),
        ({}, {f"{PREFIX}tooling": "rollwright"}, None),
        ({}, {f"{PREFIX}tooling": "rollwright/0.0.1"}, None),
        ({}, {f"{PREFIX}tooling": "acme/rollwright/1"}, "is managed by 'acme/rollwright'"),
    ],
)
def test_a_parent_of_somebody_else_is_refused(labels, annotations, message):
    found = live_parent(labels=labels, annotations=annotations)
    if message is None:
        assert read_parent(found).fence == 7
        return
    with pytest.raises(Refused) as caught:
        read_parent(found)

    assert message in caught.value.message


def test_a_rollout_may_not_hold_its_own_parent():
    wanted = w.a_set(w.a_config("web", "tools"), w.a_config("b", "tools"), rollout="other")

    with pytest.raises(InvalidManifests, match="ConfigMap/tools/web: is where Rollwright keeps"):
        own(wanted, "web", "tools")


# ------------------------------------------------------------------ members of other sets


def labelled(part_of, *, rollout="", by="rollwright", uid="u1", operation="Apply"):
    body = w.a_config("a")
    owned: dict[str, Any] = {"f:metadata": {"f:labels": {f"f:{PART_OF}": {}}}}
    entry = {"manager": by, "operation": operation, "apiVersion": "v1", "fieldsV1": owned}
    labels = {PART_OF: part_of, **({"rollwright.dev/rollout": rollout} if rollout else {})}
    metadata = {**body["metadata"], "labels": labels, "uid": uid, "managedFields": [entry]}
    return {**body, "metadata": metadata}


def remembering(uid="u1"):
    ref = ObjectRef("", "ConfigMap", "shop", "a")
    entry = InventoryEntry(ref=ref, api_version="v1", uid=uid)
    return RolloutState(rollout="shop", inventory=(entry,))


THEIRS = set_id(parent_ref("theirs"))
MOVED = set_id(parent_ref("shop", "elsewhere"))


@pytest.mark.parametrize(
    ("body", "state"),
    [
        (labelled(THEIRS, by="kubectl"), None),
        (labelled(THEIRS, by="kubectl"), remembering()),
        (labelled(THEIRS, rollout="shop", by="kubectl"), remembering()),
        (labelled(MOVED, rollout="shop"), None),
        (labelled(MOVED, rollout="shop"), remembering("u2")),
    ],
    ids=["never ours", "labelled off", "taken since", "of another site", "made anew"],
)
def test_a_member_of_another_set_is_refused_with_both_ids(body, state):
    wanted = w.a_set(w.a_config("a"))

    with pytest.raises(Refused) as caught:
        check_members("shop", wanted, w.a_live_set(body), state)

    theirs = body["metadata"]["labels"][PART_OF]
    assert f"ConfigMap/shop/a is a member of ApplySet {theirs}" in caught.value.message
    assert set_id(PARENT) in caught.value.message


@pytest.mark.parametrize(
    ("body", "state"),
    [
        (w.a_config("a"), None),
        (labelled(set_id(PARENT)), None),
        (labelled(MOVED, rollout="shop"), remembering()),
        (labelled(THEIRS, by="kubectl") | {"kind": "Secret"}, None),
        (labelled(THEIRS, rollout="theirs"), None),
    ],
    ids=["of no set", "of ours", "moved by us", "not wanted", "of a rollout by its name"],
)
def test_everything_else_is_not(body, state):
    check_members("shop", w.a_set(w.a_config("a")), w.a_live_set(body), state)


@pytest.mark.parametrize(
    ("body", "theirs"),
    [
        (w.a_config("a"), ""),
        (labelled(MOVED), ""),
        (labelled(MOVED, operation="Update"), ""),
        (labelled(THEIRS, by="kubectl"), THEIRS),
    ],
    ids=["no label", "our own label", "our own label, created", "a label of others"],
)
def test_whose_label_it_is_tells_whether_others_took_an_object(body, theirs):
    assert other_set(live_object(body)) == theirs
