from __future__ import annotations

from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from rollwright.errors import InvalidManifests, InvalidSpec, RenderError
from rollwright.plugins.contracts import TransformRequest
from rollwright.plugins.registry import Registry
from rollwright.rollouts.manifest import Manifest, ManifestSet, Origin, ref_of
from rollwright.transformers.fields import Drop, Set
from rollwright.transformers.images import split


def a_manifest(name: str = "web", kind: str = "Deployment", **more: Any) -> Manifest:
    versions = {"Deployment": "apps/v1", "ConfigMap": "v1", "Thing": "b.c/v1"}
    body = {"apiVersion": versions[kind], "kind": kind, "metadata": {"name": name}, **more}
    origin = Origin(file="a.yaml", line=3)
    return Manifest(body=body, ref=ref_of(body), key=f"{name}.yaml", origin=origin)


def changed(plugin: str, *manifests: Manifest, **options: Any) -> list[dict[str, Any]]:
    request = TransformRequest(manifests=ManifestSet(manifests), namespace="shop")
    found = Registry().build("transformers", plugin, options).transform(request)
    return [dict(one.body) for one in found]


class TestSet:
    def test_a_field_is_set(self) -> None:
        containers = [{"name": "web", "image": "a"}, {"name": "side", "image": "b"}]

        (body,) = changed(
            "set", a_manifest(spec={"containers": containers}),
            path="spec.containers[name=side].image", value="c",
        )  # fmt: skip

        assert [one["image"] for one in body["spec"]["containers"]] == ["a", "c"]

    def test_mappings_on_the_way_are_made(self) -> None:
        assert changed("set", a_manifest(), path="/spec/replicas", value=3)[0]["spec"] == {
            "replicas": 3
        }

    def test_an_item_that_is_not_there_is_an_error_with_object_and_file(self) -> None:
        with pytest.raises(RenderError, match=r"set: Deployment/web: spec\.c\[name=x\]") as caught:
            changed("set", a_manifest(spec={"c": []}), path="spec.c[name=x].y", value=1)

        assert caught.value.hint is not None
        assert "a.yaml:3" in caught.value.hint

    def test_a_target_without_objects_is_an_error(self) -> None:
        with pytest.raises(RenderError, match="no object matches kind 'Job'"):
            changed("set", a_manifest(), path="a", value=1, target={"kind": "Job"})

    def test_optional_lets_both_pass(self) -> None:
        path = "spec.c[name=x].y"
        body: dict[str, Any] = {"c": []}

        assert changed("set", a_manifest(spec=body), path=path, value=1, optional=True)[0][
            "spec"
        ] == {"c": []}

    def test_a_new_name_is_a_new_identity(self) -> None:
        request = TransformRequest(manifests=ManifestSet((a_manifest(),)))

        (one,) = Set(path="metadata.name", value="other").transform(request)

        assert one.ref.name == "other"

    def test_two_objects_of_one_identity_are_refused(self) -> None:
        with pytest.raises(InvalidManifests):
            changed("set", a_manifest("a"), a_manifest("b"), path="metadata.name", value="c")

    def test_what_is_no_object_afterwards_is_refused(self) -> None:
        with pytest.raises(RenderError, match="no object afterwards"):
            changed("set", a_manifest(), path="metadata", value=1)

    def test_a_path_that_is_none_is_told_with_the_options(self) -> None:
        with pytest.raises(InvalidSpec, match=r"with\.path"):
            Registry().build("transformers", "set", {"path": "a[", "value": 1})


class TestDrop:
    def test_objects_go(self) -> None:
        found = changed("drop", a_manifest("a"), a_manifest("b"), target={"name": "a"})

        assert [one["metadata"]["name"] for one in found] == ["b"]

    def test_fields_go(self) -> None:
        (body,) = changed(
            "drop", a_manifest(spec={"replicas": 1, "paused": True}),
            target={}, fields=["/spec/replicas"],
        )  # fmt: skip

        assert body["spec"] == {"paused": True}

    def test_a_field_that_is_not_there_is_an_error(self) -> None:
        with pytest.raises(RenderError, match="/spec/replicas: there is no such place"):
            changed("drop", a_manifest(), target={}, fields=["/spec/replicas"])

    def test_optional_lets_it_pass(self) -> None:
        found = changed("drop", a_manifest(), target={}, fields=["/spec/replicas"], optional=True)

        assert len(found) == 1

    def test_a_target_has_to_be_named(self) -> None:
        with pytest.raises(ValidationError):
            Drop.model_validate({})


class TestImages:
    def test_custom_kinds_stay_unless_they_are_named(self) -> None:
        thing = a_manifest(kind="Thing", spec={"image": "nginx:1"})

        (body,) = changed("images", thing, images=[{"name": "nginx", "newTag": "2"}])

        assert body["spec"] == {"image": "nginx:1"}

    def test_named_paths_of_custom_kinds_change(self) -> None:
        thing = a_manifest(kind="Thing", spec={"image": "nginx:1", "all": [{"image": "nginx"}]})
        paths = [{"kind": "Thing", "path": "spec.image"}, {"group": "b.c", "path": "spec.all"}]

        (body,) = changed("images", thing, images=[{"name": "nginx", "newTag": "2"}], paths=paths)

        assert body["spec"] == {"image": "nginx:2", "all": [{"image": "nginx:2"}]}

    def test_a_suffix_is_put_behind_the_tag(self) -> None:
        pod = {"template": {"spec": {"containers": [{"name": "a", "image": "nginx:1"}]}}}

        (body,) = changed(
            "images", a_manifest(spec=pod), images=[{"name": "nginx", "tagSuffix": "-alpine"}]
        )

        assert body["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1-alpine"

    def test_a_longer_name_is_another_image(self) -> None:
        pod = {"template": {"spec": {"containers": [{"name": "a", "image": "my/nginx:1"}]}}}

        (body,) = changed("images", a_manifest(spec=pod), images=[{"name": "nginx", "newTag": "2"}])

        assert body["spec"] == pod

    @pytest.mark.parametrize("one", [{"name": "a"}, {"name": "a", "digest": "sha256:x"}])
    def test_an_image_that_says_nothing_is_refused(self, one) -> None:
        with pytest.raises(InvalidSpec):
            Registry().build("transformers", "images", {"images": [one]})

    @pytest.mark.parametrize(
        ("image", "parts"),
        [
            ("a", ("a", "", "")),
            ("a:1", ("a", "1", "")),
            ("r:5000/a", ("r:5000/a", "", "")),
            ("r:5000/a:1@sha256:ff", ("r:5000/a", "1", "sha256:ff")),
        ],
    )
    def test_an_image_has_a_name_a_tag_and_a_digest(self, image, parts) -> None:
        assert split(image) == parts


class TestNames:
    def test_references_of_custom_kinds_follow_where_they_are_named(self) -> None:
        thing = a_manifest("t", kind="Thing", spec={"config": "conf", "other": "conf"})
        link = {"kind": "Thing", "path": "spec.config", "to": {"kind": "ConfigMap"}}

        found = changed(
            "names", a_manifest("conf", kind="ConfigMap"), thing, prefix="a-", references=[link]
        )

        assert found[1]["spec"] == {"config": "a-conf", "other": "conf"}

    def test_only_what_the_target_means_is_renamed(self) -> None:
        configs = [a_manifest(name, kind="ConfigMap") for name in ("a", "b")]
        refs = [{"configMapRef": {"name": name}} for name in ("a", "b")]
        pod = {"template": {"spec": {"containers": [{"name": "w", "envFrom": refs}]}}}

        found = changed("names", *configs, a_manifest(spec=pod), prefix="x-", target={"name": "a"})

        container = found[2]["spec"]["template"]["spec"]["containers"][0]
        assert [one["configMapRef"]["name"] for one in container["envFrom"]] == ["x-a", "b"]

    def test_an_object_of_another_namespace_is_no_match(self) -> None:
        config = a_manifest("conf", kind="ConfigMap")
        elsewhere = config.with_body(
            {**config.body, "metadata": {"name": "conf", "namespace": "o"}}
        )
        refs = [{"configMapRef": {"name": "conf"}}]
        pod = {"template": {"spec": {"containers": [{"name": "w", "envFrom": refs}]}}}

        found = changed("names", elsewhere, a_manifest(spec=pod), prefix="x-")

        assert found[1]["spec"] == pod

    def test_a_default_namespace_and_a_written_one_are_the_same(self) -> None:
        config = a_manifest("conf", kind="ConfigMap")
        written = config.with_body(
            {**config.body, "metadata": {"name": "conf", "namespace": "shop"}}
        )
        refs = [{"configMapRef": {"name": "conf"}}]
        pod = {"template": {"spec": {"containers": [{"name": "w", "envFrom": refs}]}}}

        found = changed("names", written, a_manifest(spec=pod), suffix="-x")

        container = found[1]["spec"]["template"]["spec"]["containers"][0]
        assert container["envFrom"] == [{"configMapRef": {"name": "conf-x"}}]

    def test_saying_nothing_is_refused(self) -> None:
        with pytest.raises(InvalidSpec, match="prefix or suffix"):
            Registry().build("transformers", "names", {})


class TestNamespace:
    BINDING: ClassVar = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "b"},
        "subjects": [
            {"kind": "ServiceAccount", "name": "default"},
            {"kind": "ServiceAccount", "name": "web", "namespace": "old"},
        ],
    }

    @pytest.mark.parametrize(
        ("policy", "expected"),
        [
            ("defaultOnly", ["new", "old"]),
            ("allServiceAccounts", ["new", "new"]),
            ("none", [None, "old"]),
        ],
    )
    def test_accounts_follow_as_asked(self, policy, expected) -> None:
        binding = a_manifest().with_body(self.BINDING)

        (body,) = changed("namespace", binding, namespace="new", setRoleBindingSubjects=policy)

        assert [one.get("namespace") for one in body["subjects"]] == expected

    def test_what_names_a_namespace_may_keep_it(self) -> None:
        one = a_manifest("a")
        kept = one.with_body({**one.body, "metadata": {"name": "b", "namespace": "old"}})

        found = changed("namespace", one, kept, namespace="new", unsetOnly=True)

        assert [body["metadata"]["namespace"] for body in found] == ["new", "old"]

    def test_cluster_wide_kinds_stay(self) -> None:
        body = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                "metadata": {"name": "r"}}  # fmt: skip

        assert changed("namespace", a_manifest().with_body(body), namespace="new") == [body]


class TestStrategic:
    def test_an_unknown_kind_has_its_lists_replaced(self) -> None:
        thing = a_manifest(kind="Thing", spec={"items": [{"name": "a"}], "x": 1})

        (body,) = changed(
            "patch", thing, target={}, type="strategic", patch={"spec": {"items": [{"name": "b"}]}}
        )

        assert body["spec"] == {"items": [{"name": "b"}], "x": 1}

    def test_a_kind_that_the_set_defines_is_merged_by_its_schema(self) -> None:
        items = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"],
                 "items": {"type": "object"}}  # fmt: skip
        schema = {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": {"items": items}}},
        }
        crd = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.b.c"},
            "spec": {
                "group": "b.c",
                "names": {"kind": "Thing", "plural": "things"},
                "versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}],
            },
        }
        thing = a_manifest(kind="Thing", spec={"items": [{"id": "a", "x": 1}]})

        found = changed(
            "patch", thing, a_manifest().with_body(crd),
            target={"kind": "Thing"}, type="strategic",
            patch={"spec": {"items": [{"id": "a", "y": 2}, {"id": "b"}]}},
        )  # fmt: skip

        assert {one["id"]: one for one in found[0]["spec"]["items"]} == {
            "a": {"id": "a", "x": 1, "y": 2},
            "b": {"id": "b"},
        }

    def test_a_directive_that_is_none_is_told_with_the_object(self) -> None:
        with pytest.raises(RenderError, match=r"Deployment/web: \$patch is none of"):
            changed("patch", a_manifest(), target={}, type="strategic", patch={"$patch": "burn"})

    def test_the_type_has_to_fit(self) -> None:
        with pytest.raises(InvalidSpec, match="of type json is a list"):
            Registry().build("transformers", "patch", {"target": {}, "type": "json", "patch": {}})
