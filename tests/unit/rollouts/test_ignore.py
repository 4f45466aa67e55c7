"""Ignored fields: what is sent of them, by who owns the live value."""

from __future__ import annotations

import pytest

from rollwright.rollouts.live import live_object
from rollwright.rollouts.ownership.ignore import leave, names_of, owners_of, place_of

WEB = 'k:{"name":"web"}'


def a_live(body, **owners):
    """An object of which managers own fields; ``ours`` is our own apply."""
    entries = [
        {
            "manager": "rollwright" if name == "ours" else name,
            "operation": "Update" if name == "updater" else "Apply",
            "fieldsV1": fields,
        }
        for name, fields in owners.items()
    ]
    return live_object({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "managedFields": entries}, **body,
    })  # fmt: skip


def left(sent, live, *pointers):
    ours = [one for one in live.metadata["managedFields"] if one["manager"] == "rollwright"]
    body, places = leave(sent, live, pointers, owners_of(live, ours))
    return body, names_of(places)


COLOR: dict[str, object] = {"f:data": {"f:color": {}}}


@pytest.mark.parametrize(
    ("owners", "sent"),
    [
        ({"painter": COLOR}, {}),
        ({"painter": COLOR, "ours": COLOR}, {}),
        ({"updater": COLOR}, {}),
        ({"updater": COLOR, "ours": COLOR}, {"color": "red"}),
        ({"ours": COLOR}, {"color": "red"}),
        ({}, {"color": "red"}),
    ],
    ids=str,
)
def test_a_value_that_differs_is_left_to_its_owner_or_repeated(owners, sent):
    live = a_live({"data": {"color": "red"}}, **owners)

    body, told = left({"data": {"color": "blue"}}, live, "/data/color")

    assert body.get("data", {}) == sent
    assert told == ("data.color",)


def test_an_equal_value_is_sent_and_not_told():
    live = a_live({"data": {"color": "blue"}}, painter=COLOR)

    assert left({"data": {"color": "blue"}}, live, "/data/color") == (
        {"data": {"color": "blue"}}, (),
    )  # fmt: skip


def test_a_field_that_is_not_live_is_not_sent():
    live = a_live({"data": {}}, ours=COLOR)

    assert left({"data": {"color": "blue"}}, live, "/data/color")[0] == {}


@pytest.mark.parametrize(("owners", "data"), [({"ours": COLOR}, {"color": "red"}), ({}, {})])
def test_a_field_that_left_the_manifest_stays_if_it_is_ours(owners, data):
    live = a_live({"data": {"color": "red"}}, **owners)

    assert left({"data": {}}, live, "/data/color")[0]["data"] == data


def test_an_index_counts_in_the_wanted_list_and_means_the_same_item_in_the_live_one():
    containers: dict[str, object] = {"f:containers": {WEB: {".": {}, "f:image": {}, "f:name": {}}}}
    live = a_live(
        {"containers": [{"name": "side", "image": "s"}, {"name": "web", "image": "live"}]},
        ours=containers,
    )
    sent = {"containers": [{"name": "web", "image": "wanted"}]}

    body, told = left(sent, live, "/containers/0/image")

    assert body == {"containers": [{"name": "web", "image": "live"}]}
    assert told == ("containers[web].image",)


def test_an_index_into_an_atomic_list_means_the_place():
    live = a_live({"args": ["x", "y"]}, ours={"f:args": {}})

    assert left({"args": ["a", "b"]}, live, "/args/1")[0] == {"args": ["a", "y"]}


def test_a_whole_part_may_be_ignored():
    live = a_live({"data": {"color": "red", "more": "1"}}, painter={"f:data": {"f:color": {}}})

    assert left({"data": {"color": "blue"}}, live, "/data")[0] == {}


@pytest.mark.parametrize("pointer", ["/nothing", "/data/no", "/list/5", "/list/x", "/data/k/deep"])
def test_a_pointer_to_nothing_means_nothing(pointer):
    assert place_of(pointer, {"data": {"k": "v"}, "list": [1]}, {"list": []}, frozenset()) is None


def test_a_pointer_escapes_slashes_and_tildes():
    body = {"labels": {"a/b~c": "x"}}

    assert place_of("/labels/a~1b~0c", body, {}, frozenset()) == ("f:labels", "f:a/b~c")
