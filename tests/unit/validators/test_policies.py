from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from rollwright.errors import InvalidSpec, RenderError
from rollwright.plugins.contracts import Checkout, Kubernetes, ValidateRequest
from rollwright.plugins.registry import Registry
from rollwright.rollouts.manifest import Manifest, ManifestSet, Origin, ref_of
from rollwright.validators.deprecations import GIVEN_UP


def a_manifest(kind: str = "ConfigMap", name: str = "a", **more: Any) -> Manifest:
    version = more.pop("apiVersion", "apps/v1" if kind == "Deployment" else "v1")
    body = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **more}
    origin = Origin(file="a.yaml", line=4)
    return Manifest(body=body, ref=ref_of(body), key=name, origin=origin)


def found(validator: str, options: dict[str, Any], *manifests: Manifest, **more: Any) -> list[Any]:
    request = ValidateRequest(
        manifests=ManifestSet(manifests), rollout="shop", namespace="live", **more
    )
    return list(Registry().build("validators", validator, options).validate(request))


def told(rule: dict[str, Any], *manifests: Manifest, **more: Any) -> list[str]:
    problems = found("policies", {"rules": [{"name": "p", **rule}]}, *manifests, **more)
    return [str(one) for one in problems]


class TestPolicies:
    def test_an_object_that_breaks_a_rule_is_told_with_file_and_line(self) -> None:
        rule = {"expr": "object.data.k == 'v'", "message": "k must be v"}

        assert told(rule, a_manifest(data={"k": "w"}), a_manifest(data={"k": "v"})) == [
            "a.yaml:4: p: k must be v"
        ]

    def test_without_a_message_the_expression_is_told(self) -> None:
        assert told({"expr": "1 == 2 && has(object.data)"}, a_manifest()) == [
            "a.yaml:4: p: 1 == 2 && has(object.data) is not true"
        ]

    def test_a_message_may_be_an_expression(self) -> None:
        rule = {"expr": "!has(object.kind)", "messageExpression": "'a ' + object.kind"}

        assert told(rule, a_manifest()) == ["a.yaml:4: p: a ConfigMap"]

    def test_a_missing_field_breaks_a_rule(self) -> None:
        assert told({"expr": "object.data.k == 'v'"}, a_manifest()) == [
            "a.yaml:4: p: object.data.k == 'v' is not true (there is no field \"data\")"
        ]

    def test_a_warning_is_one(self) -> None:
        (problem,) = found(
            "policies",
            {"rules": [{"name": "p", "expr": "!has(object.kind)", "severity": "warning"}]},
            a_manifest(),
        )

        assert problem.is_warning

    def test_only_what_matches_and_is_not_excluded_is_looked_at(self) -> None:
        rule = {
            "expr": "!has(object.kind)",
            "match": [{"kind": "ConfigMap"}, {"name": "c*"}],
            "exclude": [{"name": "b"}],
        }
        manifests = [a_manifest(name=name) for name in "ab"]
        manifests += [a_manifest("Deployment", name) for name in ("c1", "d")]

        assert len(told(rule, *manifests)) == 2

    def test_a_rule_of_the_set_is_asked_once(self) -> None:
        rule = {"expr": "objects.exists(o, o.kind == 'Service')"}

        assert told(rule, a_manifest(name="a"), a_manifest(name="b")) == [
            "rollout shop: p: objects.exists(o, o.kind == 'Service') is not true"
        ]

    def test_a_rule_may_compare_an_object_with_the_set(self) -> None:
        rule = {"expr": "objects.filter(o, o.metadata.name == object.metadata.name).size() == 1"}

        assert told(rule, a_manifest(name="a"), a_manifest(name="b")) == []

    def test_a_rule_may_ask_for_the_rollout(self) -> None:
        rule = {"expr": "rollout.name == 'shop' && rollout.namespace == 'live'"}

        assert told(rule, a_manifest()) == []

    def test_values_of_secrets_are_not_told(self) -> None:
        rule = {
            "expr": "int(object.stringData.k) == 1",
            "messageExpression": "object.stringData.k",
        }

        assert "hunter2" not in str(told(rule, a_manifest("Secret", stringData={"k": "hunter2"})))

    def test_too_much_work_breaks_a_rule(self) -> None:
        deep = "[1,2,3,4,5,6,7,8,9]"
        for _ in range(9):
            deep = f"[1,2,3,4,5,6,7,8,9].map(x, {deep})"

        assert "it needs" in told({"expr": f"size({deep}) == 0"}, a_manifest())[0]

    @pytest.mark.parametrize("expr", ["", "object.", "1", "pods.size() == 0", "'text'"])
    def test_what_is_no_condition_is_refused(self, expr) -> None:
        with pytest.raises(InvalidSpec, match=r"rules\[0\]\.expr"):
            told({"expr": expr})

    def test_rules_may_stand_in_files_of_the_site(self, tmp_path: Path) -> None:
        (tmp_path / "rules.yaml").write_text("rules: [{name: kind, expr: '!has(object.kind)'}]")

        problems = found("policies", {"files": ["rules.yaml"]}, a_manifest(), site=tmp_path)

        assert [one.message for one in problems] == ["kind: !has(object.kind) is not true"]

    @pytest.mark.parametrize("name", ["none.yaml", "../rules.yaml", "/etc/passwd"])
    def test_a_file_elsewhere_is_refused(self, tmp_path: Path, name) -> None:
        with pytest.raises(RenderError, match="not in the site"):
            found("policies", {"files": [name]}, a_manifest(), site=tmp_path)

    @pytest.mark.parametrize("text", ["[]", "rules: [{name: a}]", "other: 1", "rules: 1"])
    def test_a_file_without_rules_is_refused(self, tmp_path: Path, text) -> None:
        (tmp_path / "rules.yaml").write_text(text)

        with pytest.raises(InvalidSpec, match=r"rules\.yaml"):
            found("policies", {"files": ["rules.yaml"]}, a_manifest(), site=tmp_path)


class TestDeprecated:
    OLD: ClassVar = {"kind": "CronJob", "apiVersion": "batch/v1beta1"}

    @pytest.mark.parametrize(
        ("version", "expected"),
        [("1.20", []), ("1.21", [True]), ("1.24", [True]), ("1.25", [False]), ("1.36", [False])],
    )
    def test_a_version_is_a_warning_first_and_an_error_then(self, version, expected) -> None:
        problems = found("deprecated", {"version": version}, a_manifest(**self.OLD))

        assert [one.is_warning for one in problems] == expected

    def test_the_target_s_version_counts(self) -> None:
        problems = found(
            "deprecated", {}, a_manifest(**self.OLD), kubernetes=Kubernetes(version="v1.25.3+k3s1")
        )

        assert not problems[0].is_warning

    def test_without_a_version_everything_is_a_warning(self) -> None:
        (problem,) = found("deprecated", {}, a_manifest(**self.OLD))

        assert problem.is_warning
        assert problem.message == (
            "batch/v1beta1 CronJob is deprecated since 1.21 and removed in 1.25; write batch/v1"
        )

    def test_the_same_kind_of_a_stable_version_is_good(self) -> None:
        assert found("deprecated", {}, a_manifest("CronJob", apiVersion="batch/v1")) == []

    def test_versions_come_to_their_end_in_order(self) -> None:
        def order(text: str) -> tuple[int, ...]:
            return tuple(map(int, text.split(".")))

        assert all(
            not row.removed or order(row.deprecated) < order(row.removed)
            for row in GIVEN_UP.values()
        )


class TestAmbiguous:
    @pytest.mark.parametrize(("severity", "is_warning"), [("warning", True), ("error", False)])
    def test_a_disputed_value_is_told_with_its_line(self, tmp_path, severity, is_warning) -> None:
        (tmp_path / "a.yaml").write_text("a: 1\nb: on\n")
        checkout = Checkout(root=tmp_path, revision="r@sha1:1")

        (problem,) = found("ambiguous", {"severity": severity}, a_manifest(), checkout=checkout)

        assert (problem.where, problem.path, problem.is_warning) == ("a.yaml:2", "b", is_warning)

    def test_a_source_that_is_one_file_is_looked_at(self, tmp_path) -> None:
        (tmp_path / "a.yaml").write_text("b: on\n")
        checkout = Checkout(root=tmp_path / "a.yaml", revision="r@sha1:1")

        assert len(found("ambiguous", {}, a_manifest(), checkout=checkout)) == 1

    @pytest.mark.parametrize("text", ["b: '{{ on }}'\nc: on", "b: 'on'", "b: ["])
    def test_templates_and_quoted_values_are_good(self, tmp_path, text) -> None:
        (tmp_path / "a.yaml").write_text(text)
        checkout = Checkout(root=tmp_path, revision="r@sha1:1")

        assert found("ambiguous", {}, a_manifest(), checkout=checkout) == []
