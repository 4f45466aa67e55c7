"""Custom objects against definitions that only the cluster has, on a real API server."""

from __future__ import annotations

import pytest

from rollwright.errors import InvalidManifests
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster

SPEC = {
    "type": "object",
    "properties": {
        "size": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
    },
    "x-kubernetes-validations": [{"rule": "self.size > 0", "message": "size must be positive"}],
}


@pytest.fixture
def group(shop):
    return f"{shop.name}.example.com"


@pytest.fixture
async def installed(shop, make, group, kubectl):
    """A definition that an earlier rollout brought, and that this one does not hold."""
    body = make.crd(group)
    schema = {"type": "object", "properties": {"spec": SPEC}}
    body["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema
    shop.declare(prune={"enabled": False})
    shop.write(body)
    report = await shop.rollout()
    assert report.outcome is Outcome.SUCCEEDED, report.message
    shop.drop("customresourcedefinition")
    yield
    kubectl("delete", "crd", f"baskets.{group}", "--ignore-not-found")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"size": "many"}, "spec.size: expected a whole number"),
        ({"size": 1, "sise": 2}, "unknown field 'sise'"),
        ({"size": 1, "tags": ["a", "a"]}, "spec.tags[1]: the list has this item already"),
        ({"size": 0}, "spec: size must be positive"),
    ],
)
async def test_an_object_is_checked_before_anything_is_asked(shop, installed, group, spec, words):
    metadata = {"name": "a"}
    shop.write({"apiVersion": f"{group}/v1", "kind": "Basket", "metadata": metadata, "spec": spec})

    with pytest.raises(InvalidManifests) as caught:
        await shop.plan()

    assert words in caught.value.message
    assert "basket-a.yaml:1" in caught.value.message


async def test_a_good_object_is_applied(shop, installed, group):
    metadata = {"name": "a"}
    shop.write(
        {"apiVersion": f"{group}/v1", "kind": "Basket", "metadata": metadata, "spec": {"size": 1}}
    )

    report = await shop.rollout()

    assert report.outcome is Outcome.SUCCEEDED, report.message
