from __future__ import annotations

import orjson
import pytest

from rollwright.rollouts.live import LiveObject, live_object
from rollwright.rollouts.manifest import ObjectRef

REF = ObjectRef("apps", "Deployment", "shop", "web")


def a_live(**metadata) -> LiveObject:
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", **metadata}}
    return live_object(body)


def test_an_item_of_a_list_gets_the_kind_that_the_server_left_out():
    raw = orjson.dumps({"metadata": {"name": "web"}, "spec": {}})
    live = LiveObject(ref=REF, api_version="apps/v1", metadata={"name": "web"}, raw=raw)

    assert (live.body["apiVersion"], live.body["kind"]) == ("apps/v1", "Deployment")


def test_a_body_that_says_what_it_is_stays_as_it_is():
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}

    assert live_object(body).body == body


def test_the_outline_needs_no_parsing():
    live = LiveObject(ref=REF, api_version="apps/v1", metadata={"name": "web"}, raw=b"not JSON")

    assert live.outline == {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}
    }  # fmt: skip


def test_the_text_of_the_server_is_kept_when_it_is_given():
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}}
    raw = orjson.dumps({**body, "spec": {"x": 1}})

    assert live_object(body, raw).body["spec"] == {"x": 1}


@pytest.mark.parametrize(
    ("metadata", "generation"), [({}, None), ({"generation": 3}, 3), ({"generation": "3"}, None)]
)
def test_a_generation_is_a_number_or_nothing(metadata, generation):
    assert a_live(**metadata).generation == generation


def test_what_metadata_leaves_out_is_empty():
    live = a_live()

    assert (live.uid, live.resource_version, live.labels, live.annotations) == ("", "", {}, {})


def test_metadata_is_read_as_it_stands():
    live = a_live(uid="u", resourceVersion="7", labels={"a": "b"}, annotations={"c": "d"})

    assert (live.uid, live.resource_version, live.labels, live.annotations) == (
        "u", "7", {"a": "b"}, {"c": "d"}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("metadata", "is_going"), [({}, False), ({"deletionTimestamp": "2025-01-01T00:00:00Z"}, True)]
)
def test_an_object_that_was_asked_to_go_is_being_deleted(metadata, is_going):
    assert a_live(**metadata).is_being_deleted is is_going


def test_a_secret_is_not_printed_with_its_text():
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {"p": "aHVudGVy"},
    }

    assert "aHVudGVy" not in repr(live_object(secret))
