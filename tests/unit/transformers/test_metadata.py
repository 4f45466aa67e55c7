from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rollwright.plugins.contracts import TransformRequest
from rollwright.rollouts.manifest import Manifest, ManifestSet, Origin, ref_of
from rollwright.transformers.metadata import Annotations, Labels


def a_manifest(name: Any = "web", **metadata: Any) -> Manifest:
    spec = {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}},
    }
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, **metadata},
        "spec": spec,
    }
    return Manifest(body=body, ref=ref_of(body), key=name, origin=Origin(file="a.yaml"))


def changed(plugin: Labels | Annotations, *manifests: Manifest) -> list[dict[str, Any]]:
    found = plugin.transform(TransformRequest(manifests=ManifestSet(manifests)))
    return [dict(one.body) for one in found]


@pytest.mark.parametrize(
    ("field", "plugin"),
    [
        ("labels", Labels(labels={"team": "shop"})),
        ("annotations", Annotations(annotations={"team": "shop"})),
    ],
)
class TestBoth:
    def test_values_are_added(self, field: str, plugin: Any) -> None:
        assert changed(plugin, a_manifest())[0]["metadata"][field] == {"team": "shop"}

    def test_other_values_are_kept(self, field: str, plugin: Any) -> None:
        found = changed(plugin, a_manifest(**{field: {"a": "b"}}))

        assert found[0]["metadata"][field] == {"a": "b", "team": "shop"}

    def test_an_own_value_of_the_same_key_is_replaced(self, field: str, plugin: Any) -> None:
        found = changed(plugin, a_manifest(**{field: {"team": "b"}}))

        assert found[0]["metadata"][field] == {"team": "shop"}

    def test_selectors_and_templates_stay(self, field: str, plugin: Any) -> None:
        assert changed(plugin, a_manifest())[0]["spec"] == a_manifest().body["spec"]

    def test_only_the_target_is_changed(self, field: str, plugin: Any) -> None:
        target = type(plugin).model_validate({field: {"team": "shop"}, "target": {"name": "d*"}})
        found = changed(target, a_manifest("web"), a_manifest("db"))

        assert [field in one["metadata"] for one in found] == [False, True]

    def test_nothing_to_set_is_an_error(self, field: str, plugin: Any) -> None:
        with pytest.raises(ValidationError):
            type(plugin).model_validate({field: {}})

    @pytest.mark.parametrize(
        "key", ["", "a b", "/a", "a/", "A.b/c/d", "-a", "x" * 64, "EXAMPLE.com/a"]
    )
    def test_a_key_that_the_server_refuses_is_an_error(
        self, field: str, plugin: Any, key: str
    ) -> None:
        with pytest.raises(ValidationError, match="not a key"):
            type(plugin).model_validate({field: {key: "x"}})

    @pytest.mark.parametrize("value", [1, True, None, ["a"]])
    def test_a_value_that_is_no_text_is_an_error(self, field: str, plugin: Any, value: Any) -> None:
        with pytest.raises(ValidationError):
            type(plugin).model_validate({field: {"a": value}})


@pytest.mark.parametrize("value", ["a b", "-a", "a-", "x" * 64, "a/b"])
def test_a_label_s_value_that_the_server_refuses_is_an_error(value: str) -> None:
    with pytest.raises(ValidationError, match="not a label's value"):
        Labels(labels={"a": value})


@pytest.mark.parametrize("key", ["app", "app.kubernetes.io/name", "a_b", "x" * 63, "1"])
def test_good_keys_are_taken(key: str) -> None:
    assert Labels(labels={key: ""}).labels == {key: ""}


def test_an_annotation_may_hold_any_text() -> None:
    assert Annotations(annotations={"a": "x y\nz"}).annotations == {"a": "x y\nz"}
