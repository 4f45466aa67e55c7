"""Answers are parsed as far as needed."""

from __future__ import annotations

import pickle
from typing import Any

import orjson
import pytest

from rollwright.errors import ClusterError
from rollwright.kube.objects import is_status, read_metadata, read_object, read_page
from rollwright.kube.request import other_request
from rollwright.testing.fake_kinds import served_kind

POD = served_kind("v1", "Pod", "pods")
REQUEST = other_request("/x")
METADATA: dict[str, Any] = {
    "name": "ä-1",
    "namespace": "shop",
    "uid": "u1",
    "resourceVersion": "7",
    "generation": 3,
    "labels": {"app": "web"},
    "managedFields": [{"manager": "rollwright", "fieldsV1": {"f:spec": {}}}],
}


def live(**body: Any):
    return read_object(orjson.dumps({"metadata": METADATA, **body}), POD, REQUEST)


def test_the_identity_is_read() -> None:
    one = live()

    assert str(one.ref) == "Pod/shop/ä-1"
    assert (one.uid, one.resource_version, one.generation) == ("u1", "7", 3)


def test_metadata_is_a_mapping_like_any_other() -> None:
    metadata = live().metadata

    assert metadata == METADATA
    assert dict(metadata) == METADATA
    assert list(metadata) == list(METADATA)
    assert ("uid" in metadata, "nothing" in metadata, len(metadata)) == (True, False, 7)
    assert metadata["managedFields"][0]["fieldsV1"] == {"f:spec": {}}
    assert metadata.get("nothing", 5) == 5


def test_an_object_can_be_pickled() -> None:
    one = live(spec={"a": 1})

    copy = pickle.loads(pickle.dumps(one))  # noqa: S301  (our own bytes)

    assert copy == one


def test_the_body_has_what_the_server_left_out() -> None:
    assert live(spec={"a": 1}).body == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": METADATA,
        "spec": {"a": 1},
    }


def test_partial_metadata_becomes_an_object_of_its_kind() -> None:
    raw = orjson.dumps({"kind": "PartialObjectMetadata", "metadata": METADATA})

    one = read_metadata(raw, POD, REQUEST)

    assert one.body == {"apiVersion": "v1", "kind": "Pod", "metadata": METADATA}


def test_an_object_without_metadata_has_no_name() -> None:
    assert read_object(b"{}", POD, REQUEST).ref.name == ""


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"metadata": 5}', b'{"metadata":{"name":"\xff"}}']
)
def test_what_is_no_object_is_an_error(body: bytes) -> None:
    with pytest.raises(ClusterError, match="cannot be read"):
        read_object(body, POD, REQUEST)


def test_a_page_names_the_next() -> None:
    page = read_page(
        b'{"metadata":{"continue":"t","resourceVersion":"9"},"items":[{"a":1}]}', REQUEST
    )

    assert (page.metadata.token, page.metadata.resource_version) == ("t", "9")
    assert [bytes(item) for item in page.items or ()] == [b'{"a":1}']


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"kind":"Status","apiVersion":"v1"}', True),
        (b'{"kind":"Status","apiVersion":"example.com/v1"}', False),
        (b'{"kind":"Pod"}', False),
        (b"nonsense", False),
    ],
)
def test_a_status_is_told_from_an_object(raw: bytes, expected: bool) -> None:
    assert is_status(raw) is expected
