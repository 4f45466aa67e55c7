"""Lists whose items are unique, and CEL rules of custom kinds."""

from __future__ import annotations

from typing import Any

import pytest

from rollwright.plugins.contracts import Kubernetes, ValidateRequest
from rollwright.rollouts.manifest import Manifest, ManifestSet, Origin, ref_of
from rollwright.validators.rules import as_seen
from rollwright.validators.schema import Schema


def a_manifest(body: dict[str, Any]) -> Manifest:
    origin = Origin(file="a.yaml", line=1)
    return Manifest(body=body, ref=ref_of(body), key="a.yaml", origin=origin)


def a_pod(**container: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "web", "image": "web:1", **container}]},
    }


def a_crd(spec: dict[str, Any], **whole: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"spec": {"type": "object", **spec}}, **whole}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "boxes.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"kind": "Box", "plural": "boxes"},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def a_box(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Box",
        "metadata": {"name": "one", "namespace": "shop"},
        "spec": spec,
    }


def told(*bodies: dict[str, Any], **more: Any) -> list[str]:
    request = ValidateRequest(manifests=ManifestSet(tuple(map(a_manifest, bodies))), **more)
    return [f"{one.path}: {one.message}" for one in Schema().validate(request)]


class TestBuiltInLists:
    def test_a_key_that_stands_twice_is_told(self) -> None:
        env = [{"name": "A", "value": "1"}, {"name": "B"}, {"name": "A", "value": "2"}]

        assert told(a_pod(env=env)) == [
            "spec.containers[0].env[2]: the list has this item with the same name already, at [0]"
        ]

    def test_another_protocol_is_another_port(self) -> None:
        ports = [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}]

        assert told(a_pod(ports=ports)) == []

    def test_the_default_protocol_is_the_same_port(self) -> None:
        ports = [{"containerPort": 53}, {"containerPort": 53, "protocol": "TCP"}]

        assert len(told(a_pod(ports=ports))) == 1

    def test_a_missing_key_is_told_once(self) -> None:
        assert told(a_pod(env=[{"value": "1"}])) == [
            "spec.containers[0].env[0].name: missing field 'name'"
        ]

    def test_a_member_of_a_set_that_stands_twice_is_told(self) -> None:
        body = {**a_pod(), "metadata": {"name": "web", "finalizers": ["a/a", "a/a"]}}

        assert told(body) == ["metadata.finalizers[1]: the list has this item already, at [0]"]

    def test_atomic_lists_may_repeat_themselves(self) -> None:
        assert told(a_pod(args=["-v", "-v"])) == []


class TestCustomLists:
    CRD = a_crd(
        {
            "properties": {
                "tags": {
                    "type": "array",
                    "items": {"type": "string"},
                    "x-kubernetes-list-type": "set",
                },
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["port", "kind"],
                    "items": {
                        "type": "object",
                        "properties": {
                            "port": {"type": "integer"},
                            "kind": {"type": "string", "default": "http"},
                        },
                    },
                },
            }
        }
    )

    @pytest.mark.parametrize(
        ("spec", "expected"),
        [
            ({"tags": ["a", "b"]}, []),
            ({"tags": ["a", "b", "a"]}, ["spec.tags[2]: the list has this item already, at [0]"]),
            (
                {"ports": [{"port": 1}, {"port": 1, "kind": "http"}]},
                [
                    (
                        "spec.ports[1]: the list has this item with the same port and kind already,"
                        " at [0]"
                    )
                ],
            ),
            ({"ports": [{"port": 1}, {"port": 1, "kind": "grpc"}]}, []),
            (
                {"ports": [{"kind": "grpc"}]},
                ["spec.ports[0].port: missing field 'port', a key of the list"],
            ),
        ],
    )
    def test_items_are_told_apart_by_their_keys(self, spec, expected) -> None:
        assert told(self.CRD, a_box(**spec)) == expected

    def test_a_definition_of_the_cluster_counts_as_well(self) -> None:
        found = told(a_box(tags=["a", "a"]), definitions=(a_manifest(self.CRD),))

        assert len(found) == 1

    def test_the_set_s_own_definition_wins(self) -> None:
        loose = a_crd({"x-kubernetes-preserve-unknown-fields": True})

        assert told(loose, a_box(tags=["a", "a"]), definitions=(a_manifest(self.CRD),)) == []


def with_rules(*rules: dict[str, Any], **properties: Any) -> dict[str, Any]:
    known = {"min": {"type": "integer"}, "max": {"type": "integer"}, **properties}
    return a_crd({"properties": known, "x-kubernetes-validations": list(rules)})


class TestRules:
    def test_a_rule_that_is_false_is_told_with_its_message(self) -> None:
        crd = with_rules({"rule": "self.min <= self.max", "message": "min is above max"})

        assert told(crd, a_box(min=2, max=1), a_box(min=1, max=2)) == ["spec: min is above max"]

    def test_without_a_message_the_rule_itself_is_told(self) -> None:
        crd = with_rules({"rule": "self.min <= self.max"})

        assert told(crd, a_box(min=2, max=1)) == ["spec: breaks the rule self.min <= self.max"]

    def test_a_message_may_be_an_expression(self) -> None:
        crd = with_rules(
            {"rule": "self.min > 0", "messageExpression": "'min is ' + string(self.min)"}
        )

        assert told(crd, a_box(min=-3)) == ["spec: min is -3"]

    def test_a_rule_may_name_the_field(self) -> None:
        crd = with_rules({"rule": "self.min > 0", "message": "too low", "fieldPath": ".min"})

        assert told(crd, a_box(min=-3)) == ["spec.min: too low"]

    def test_rules_of_items_are_asked_of_each(self) -> None:
        item = {
            "type": "object",
            "properties": {"n": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "self.n % 2 == 0", "message": "odd"}],
        }
        crd = with_rules(all={"type": "array", "items": item})

        assert told(crd, a_box(all=[{"n": 2}, {"n": 3}, {"n": 5}])) == [
            "spec.all[1]: odd",
            "spec.all[2]: odd",
        ]

    def test_defaults_are_seen(self) -> None:
        crd = with_rules({"rule": "self.a == 'x'"}, a={"type": "string", "default": "y"})

        assert len(told(crd, a_box())) == 1

    @pytest.mark.parametrize(
        "rule",
        [
            "self.min == oldSelf.min",
            "quantity(self.size).isLessThan(quantity('1Gi'))",
            "self.missing == 1",
            "self.since < self.until",
            "self.min",
        ],
    )
    def test_what_only_the_server_can_judge_is_left_to_it(self, rule) -> None:
        moment = {"type": "string", "format": "date-time"}
        crd = with_rules({"rule": rule}, size={"type": "string"}, since=moment, until=moment)
        box = a_box(
            min=1, size="2Gi", since="2025-01-02T00:00:00Z", until="2025-01-01T23:00:00-02:00"
        )

        assert told(crd, box) == []

    def test_names_are_escaped_as_the_server_does(self) -> None:
        crd = with_rules(
            {"rule": "self.a__dash__b == 1 && self.__namespace__ == 'x' && self.c__dot__d"},
            **{
                "a-b": {"type": "integer"},
                "namespace": {"type": "string"},
                "c.d": {"type": "boolean"},
            },
        )

        assert told(crd, a_box(**{"a-b": 1, "namespace": "x", "c.d": True})) == []
        assert len(told(crd, a_box(**{"a-b": 2, "namespace": "x", "c.d": True}))) == 1

    def test_keys_of_maps_are_not_escaped(self) -> None:
        schema = {"additionalProperties": {"type": "string"}}

        assert as_seen({"a-b": "1"}, schema) == {"a-b": "1"}

    def test_a_whole_number_may_be_a_fraction_s_field(self) -> None:
        crd = with_rules({"rule": "self.ratio / 2.0 == 0.5"}, ratio={"type": "number"})

        assert told(crd, a_box(ratio=1)) == []

    def test_an_object_that_does_not_fit_its_schema_is_asked_nothing_more(self) -> None:
        crd = with_rules({"rule": "false"})

        assert told(crd, a_box(min="one")) == ["spec.min: expected a whole number; got text"]

    def test_a_rule_that_never_ends_is_left_to_the_server(self) -> None:
        deep = "[1,2,3,4,5,6,7,8,9]"
        for _ in range(9):
            deep = f"[1,2,3,4,5,6,7,8,9].map(x, {deep})"
        crd = with_rules({"rule": f"size({deep}) == 0"}, {"rule": "self.min > 0", "message": "low"})

        assert told(crd, a_box(min=1)) == []


class TestVersions:
    def test_the_target_s_version_decides(self) -> None:
        body = {**a_pod(), "apiVersion": "batch/v1beta1", "kind": "CronJob"}
        old, new = Kubernetes(version="1.24.3"), Kubernetes(version="v1.36.1+k3s1")

        assert told(body, kubernetes=new) == []  # only the server knows groups of others
        assert told(body, kubernetes=old) == []

    def test_a_field_of_a_newer_version_is_unknown_to_an_older_one(self) -> None:
        body = a_pod(restartPolicyRules=[])

        assert told(body, kubernetes=Kubernetes(version="1.30.2")) != []
        assert told(body, kubernetes=Kubernetes(version="1.36.0")) == []

    def test_a_version_without_schemas_is_judged_by_the_nearest(self) -> None:
        assert told(a_pod(), kubernetes=Kubernetes(version="1.99.0")) == []
        assert told(a_pod(), kubernetes=Kubernetes(version="1.12.0")) == []
