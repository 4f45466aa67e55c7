from __future__ import annotations

import pytest

from rollwright.rollouts.manifest import Manifest, ObjectRef, Origin, ref_of
from rollwright.rollouts.selection import is_any_selected, is_selected
from rollwright.rollouts.spec import Selector

REF = ObjectRef("apps", "Deployment", "shop", "web-1")
LABELS = {"app": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"kind": "Deployment"}, True),
        ({"kind": "deployment"}, False),
        ({"kind": "Deploy*"}, False),
        ({"group": "apps"}, True),
        ({"group": ""}, False),
        ({"group": "extensions"}, False),
        ({"namespace": "shop"}, True),
        ({"namespace": "sh*"}, True),
        ({"namespace": "web"}, False),
        ({"name": "web-?"}, True),
        ({"name": "web-[12]"}, True),
        ({"name": "Web-1"}, False),
        ({"name": "web"}, False),
        ({"labels": {"app": "web"}}, True),
        ({"labels": {"app": "web", "tier": "front"}}, True),
        ({"labels": {"app": "web", "tier": "back"}}, False),
        ({"labels": {"gone": "x"}}, False),
        ({"kind": "Deployment", "name": "api-*"}, False),
        ({"kind": "Deployment", "name": "web-*", "namespace": "*", "labels": {"app": "web"}}, True),
    ],
)
def test_every_field_that_is_given_must_match(fields, expected):
    assert is_selected(Selector.model_validate(fields), REF, LABELS) is expected


def test_an_object_is_selected_by_any_of_several():
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web-1", "labels": LABELS},
    }
    manifest = Manifest(body=body, ref=ref_of(body), key="k", origin=Origin(file="f"))
    other, one = Selector(kind="Job"), Selector(labels={"app": "web"})

    assert [is_any_selected(some, manifest) for some in ([], [other], [other, one])] == [
        False, False, True
    ]  # fmt: skip
