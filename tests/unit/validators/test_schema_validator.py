from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rollwright.documents import load_all
from rollwright.errors import RenderError
from rollwright.plugins.contracts import ValidateRequest
from rollwright.rollouts.body import sendable
from rollwright.rollouts.manifest import Manifest, ManifestSet, Origin, ref_of
from rollwright.validators.builtin_kinds import versions
from rollwright.validators.schema import MAX_PROBLEMS_OF_OBJECT, Schema

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: web:1
        ports: [{containerPort: 80, name: http}]
        livenessProbe: {httpGet: {path: /, port: http}, periodSeconds: 5}
        readinessProbe: {httpGet: {path: /, port: 80}}
        resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 0.5, memory: "1e3"}}
"""
CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boxes.example.com}
spec:
  group: example.com
  names: {kind: Box, plural: boxes}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        required: [spec, status]
        properties:
          spec:
            type: object
            required: [size, mode, name]
            properties:
              size: {type: integer, minimum: 0, exclusiveMinimum: true, maximum: 9}
              name: {type: string, pattern: '^[a-z]+$', maxLength: 8}
              mode: {type: string, enum: [Fast, Slow], default: Fast}
              port: {x-kubernetes-int-or-string: true}
              cpu:
                anyOf: [{type: integer}, {type: string}]
                pattern: '^[0-9]+m?$'
                x-kubernetes-int-or-string: true
              maybe: {type: array, nullable: true, items: {type: string, nullable: true}}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {fixed: {type: object, properties: {a: {type: string}}}}}
              any: {x-kubernetes-preserve-unknown-fields: true}
              labels: {type: object, additionalProperties: {type: string}}
              template: {type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}
              closed: {type: object}
              one:
                type: object
                properties: {a: {type: string}, b: {type: string}}
                oneOf: [{required: [a]}, {required: [b]}]
              nested:
                type: object
                default: {}
                required: [deep]
                properties: {deep: {type: string, default: x}}
          status: {type: object, properties: {ready: {type: boolean}}}
  - {name: v0, served: false, storage: false, schema: {openAPIV3Schema: {type: object}}}
  - {name: v2, served: true, storage: false}
"""


def manifests(*texts: str, line: int = 3) -> ManifestSet:
    bodies = [sendable(one.value) for text in texts for one in load_all(text)]
    origin = Origin(file="a.yaml", line=line)
    return ManifestSet(
        tuple(Manifest(body=one, ref=ref_of(one), key="a", origin=origin) for one in bodies)
    )


def problems(*texts: str, **options: Any) -> list[str]:
    found = Schema(**options).validate(ValidateRequest(manifests=manifests(*texts)))
    return [str(one).removeprefix("a.yaml:3 ") for one in found]


def deployment(old: str, new: str) -> list[str]:
    assert old in DEPLOYMENT
    return problems(DEPLOYMENT.replace(old, new))


def box(fields: str, *, version: str = "v1", more: str = "") -> list[str]:
    spec = f"{{size: 1, name: a, {fields}}}" if fields else "{size: 1, name: a}"
    meta = "metadata: {name: x}"
    return problems(
        CRD, f"apiVersion: example.com/{version}\nkind: Box\n{meta}\nspec: {spec}\n{more}"
    )


def test_good_objects_have_no_problem() -> None:
    assert problems(DEPLOYMENT) == []


@pytest.mark.parametrize("version", ["", *versions()])
def test_every_installed_version_knows_the_common_kinds(version: str) -> None:
    assert problems(DEPLOYMENT, version=version) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "  selector:",
            "  replica: 3\n  selector:",
            "spec.replica: unknown field 'replica'; did you mean 'replicas'?",
        ),
        (
            "image: web:1",
            "Image: web:1",
            "spec.template.spec.containers[0].Image: unknown field 'Image'; did you mean 'image'?",
        ),
        ("  selector:", "  xyzzy: 3\n  selector:", "spec.xyzzy: unknown field 'xyzzy'"),
        ("  selector: {matchLabels: {app: web}}\n", "", "spec.selector: missing field 'selector'"),
        (
            "periodSeconds: 5",
            "periodSeconds: 5s",
            ("spec.template.spec.containers[0].livenessProbe.periodSeconds:"
            " expected a whole number; got text"),
        ),
        (
            "image: web:1",
            "image: 1",
            "spec.template.spec.containers[0].image: expected text; got a number, quote it",
        ),
        (
            "labels: {app: web}",
            "labels: {app: yes}",
            "spec.template.metadata.labels.app: expected text; got a boolean, quote it",
        ),
        (
            "memory: 1Gi",
            "memory: [1]",
            ("spec.template.spec.containers[0].resources.limits.memory:"
            " expected a number or text; got a list"),
        ),
        (
            "port: 80}",
            "port: {a: b}}",
            ("spec.template.spec.containers[0].readinessProbe.httpGet.port:"
            " expected a whole number or text; got a mapping"),
        ),
        ("metadata: {name: web}", "metadata: {name: web, lables: {}}", "metadata.lables: unknown field 'lables'; did you mean 'labels'?"),
        ("{name: web}\n", "{name: web, annotations: {a.b/c: 5}}\n", "metadata.annotations['a.b/c']: expected text; got a number, quote it"),
        ("kind: Deployment", "kind: Deploymnet", "kind: apps/v1 has no kind 'Deploymnet'; did you mean 'Deployment'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(old: str, new: str, expected: str) -> None:
    assert deployment(old, new) == [expected]


def test_every_mistake_of_every_object_is_told() -> None:
    found = problems(
        DEPLOYMENT.replace("containers:", "container:"),
        DEPLOYMENT.replace("image:", "imge:").replace("- name: web", "- nme: web"),
    )

    assert len(found) == 5


def test_the_number_of_problems_of_one_object_is_bounded() -> None:
    labels = ", ".join(f"l{number}: {number}" for number in range(500))

    assert len(deployment("labels: {app: web}", f"labels: {{{labels}}}")) == MAX_PROBLEMS_OF_OBJECT


def test_without_a_line_the_object_is_named() -> None:
    built = manifests(DEPLOYMENT.replace("image:", "imge:"), line=0)
    found = Schema().validate(ValidateRequest(manifests=built))

    assert found[0].where == "a.yaml Deployment/web"


@pytest.mark.parametrize(
    "text",
    [
        "stringData: {password: [hunter2]}",
        "data: {password: hunter2!}",
        "type: [hunter2]",
        "immutable: hunter2",
    ],
)
def test_values_of_a_secret_are_never_quoted(text: str) -> None:
    found = problems(f"apiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\n{text}\n")

    assert len(found) == 1
    assert "hunter2" not in found[0]


def test_data_of_a_secret_must_be_base64() -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\ndata: {{a: {}}}\n"

    assert problems(secret.format("aGk=")) == []
    assert problems(secret.format('"aGk=\\n"')) == []
    assert problems(secret.format("hi")) == ["data.a: not base64"]


def test_kinds_that_nobody_defines_are_checked_for_their_metadata_only() -> None:
    unknown = (
        "apiVersion: example.com/v1\nkind: Box\nmetadata: {name: x, lables: {}}\nanything: 1\n"
    )

    assert problems(unknown) == ["metadata.lables: unknown field 'lables'; did you mean 'labels'?"]


@pytest.mark.parametrize("api_version", ["policy/v1beta1", "extensions/v1beta1", "apps/v9"])
def test_versions_that_the_schemas_do_not_have_are_left_to_the_server(api_version: str) -> None:
    assert problems(f"apiVersion: {api_version}\nkind: Thing\nmetadata: {{name: x}}\n") == []


@pytest.mark.parametrize(
    "fields",
    [
        "",
        "mode: Slow",
        "port: 80",
        "port: http",
        "cpu: 5",
        "cpu: 5m",
        "maybe: [a, null]",
        "free: {a: {b: 1}, fixed: {a: x}}",
        "any: [1, {a: b}]",
        "any: text",
        "labels: {a: b}",
        "template: {apiVersion: v1, kind: A, metadata: {name: x}, more: 1}",
        "closed: {}",
        "one: {a: x}",
        "nested: {}",
        "nested: {deep: z}",
    ],
)
def test_good_custom_objects_have_no_problem(fields: str) -> None:
    assert box(fields) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("siez: 1", "spec.siez: unknown field 'siez'; did you mean 'size'?"),
        ("size: 0", "spec.size: breaks the rule exclusiveMinimum of 0"),
        ("size: 10", "spec.size: breaks the rule maximum of 9"),
        ("size: '1'", "spec.size: expected a whole number; got text"),
        ("name: A", "spec.name: does not match ^[a-z]+$"),
        ("name: abcdefghi", "spec.name: breaks the rule maxLength of 8"),
        ("mode: fast", "spec.mode: expected one of Fast, Slow; got 'fast'"),
        ("port: [1]", "spec.port: expected a whole number or text; got a list"),
        ("cpu: fast", "spec.cpu: does not match ^[0-9]+m?$"),
        ("maybe: [1]", "spec.maybe[0]: expected text; got a number, quote it"),
        ("free: {fixed: {b: x}}", "spec.free.fixed.b: unknown field 'b'"),
        ("labels: {a: 1}", "spec.labels.a: expected text; got a number, quote it"),
        ("template: {kind: A}", "spec.template.apiVersion: missing field 'apiVersion'"),
        ("closed: {a: 1}", "spec.closed.a: unknown field 'a'"),
        ("one: {a: x, b: z}", "spec.one: fits none of the allowed forms"),
        ("one: {}", "spec.one: fits none of the allowed forms"),
    ],
)
def test_custom_objects_are_checked_against_a_definition_beside_them(
    fields: str, expected: str
) -> None:
    key = fields.partition(":")[0]
    spec = ", ".join(
        one
        for one in ("size: 1", "name: a", fields)
        if one == fields or not one.startswith(f"{key}:")
    )
    text = f"apiVersion: example.com/v1\nkind: Box\nmetadata: {{name: x}}\nspec: {{{spec}}}\n"

    assert problems(CRD, text) == [expected]


def test_a_required_field_of_a_custom_object_is_told() -> None:
    text = "apiVersion: example.com/v1\nkind: Box\nmetadata: {name: x}\nspec: {size: 1}\n"

    assert problems(text, CRD) == ["spec.name: missing field 'name'"]


def test_unknown_fields_at_the_top_of_a_custom_object_are_told() -> None:
    assert box("", more="specs: {}") == ["specs: unknown field 'specs'; did you mean 'spec'?"]


def test_metadata_of_a_custom_object_is_checked() -> None:
    text = "apiVersion: example.com/v1\nkind: Box\nmetadata: {name: x, labels: {a: 1}}\nspec: {size: 1, name: a}\n"

    assert problems(CRD, text) == ["metadata.labels.a: expected text; got a number, quote it"]


@pytest.mark.parametrize("version", ["v0", "v3"])
def test_a_version_that_the_definition_does_not_serve_is_told(version: str) -> None:
    assert box("", version=version) == [
        f"apiVersion: a.yaml:3 does not serve {version!r}; served: v1, v2"
    ]


def test_a_version_without_a_schema_is_left_to_the_server() -> None:
    assert box("anything: 1", version="v2") == []


def test_a_definition_that_keeps_unknown_fields_is_left_to_the_server() -> None:
    lax = CRD.replace("scope: Namespaced", "scope: Namespaced\n  preserveUnknownFields: true")
    text = "apiVersion: example.com/v1\nkind: Box\nmetadata: {name: x}\nmore: 1\n"

    assert problems(lax, text) == []


def test_a_pattern_that_cannot_be_compiled_is_left_to_the_server() -> None:
    text = "apiVersion: example.com/v1\nkind: Box\nmetadata: {name: x}\nspec: {size: 1, name: a}\n"

    assert problems(CRD.replace("^[a-z]+$", "(?<!a)b"), text) == []


def test_a_pattern_that_would_backtrack_for_ever_does_not() -> None:
    slow = CRD.replace("^[a-z]+$", "^(a+)+$").replace("maxLength: 8", "maxLength: 100000")
    text = f"apiVersion: example.com/v1\nkind: Box\nmetadata: {{name: x}}\nspec: {{size: 1, name: {'a' * 50000}b}}\n"

    assert problems(slow, text) == ["spec.name: does not match ^(a+)+$"]


@pytest.mark.parametrize(
    "spec",
    [
        "{}",
        "text",
        "{group: example.com, names: [], versions: [1]}",
        "{group: example.com, names: {kind: Box}, versions: {}}",
        "{group: example.com, names: {kind: Box}, versions: [{name: v1, schema: {openAPIV3Schema: {properties: [], items: 1, anyOf: 2, required: x}}}]}",
    ],
)
def test_a_broken_definition_is_told_and_breaks_nothing(spec: str) -> None:
    head = (
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\n"
    )
    text = "apiVersion: example.com/v1\nkind: Box\nmetadata: {name: x}\nspec: {}\n"

    assert problems(f"{head}spec: {spec}\n", text)


def test_a_version_that_is_not_installed_is_told() -> None:
    with pytest.raises(RenderError, match=r"no schemas of Kubernetes 1\.2"):
        problems(DEPLOYMENT, version="1.2")


@pytest.mark.parametrize("version", ["newest", "1", "../1.30", "1.36.2"])
def test_a_version_of_another_form_is_an_error(version: str) -> None:
    with pytest.raises(ValidationError):
        Schema(version=version)
