"""What `lookup` finds in a chart: answers of whoever asks the target, or nothing (RE-15)."""

from __future__ import annotations

import asyncio
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from rollwright.errors import ClusterError, RenderError
from rollwright.plugins.contracts import Checkout, Kubernetes, Lookup, RenderRequest
from rollwright.renderers.helm import Helm
from rollwright.renderers.helm.answering import answering

SECRET = {
    "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop"},
    "data": {"password": "aHVudGVyMg=="},
}  # fmt: skip
SERVED = Kubernetes(version="1.36.3", api_versions=("apps/v1", "apps/v1/Deployment", "v1"))
FILES = {
    "Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "crds/basket.yaml": (
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"
        "metadata: {name: baskets.example.com}\n"
    ),
}
MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: found}
data:
"""


class Known:
    """Answers from a table, and counts."""

    def __init__(self, *answers, failure=None):
        self.answers, self.failure, self.asked = dict(answers), failure, []

    async def kinds(self, api_version):
        return ("ConfigMap", "Namespace", "Secret") if api_version == "v1" else ()

    async def find(self, lookup):
        self.asked.append(lookup)
        if self.failure:
            raise self.failure
        return self.answers.get(lookup)


def a_lookup(kind, namespace="", name="", api_version="v1"):
    return Lookup(api_version=api_version, kind=kind, namespace=namespace, name=name)


@pytest.fixture
def render(tmp_path):
    async def run(data, lookups=None, more=(), **options):
        for name, text in {**FILES, "templates/map.yaml": MAP + data, **dict(more)}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        request = RenderRequest(
            checkout=Checkout(root=tmp_path, revision="r"), namespace="shop", rollout="web",
            kubernetes=SERVED if lookups else Kubernetes(), lookups=lookups,
        )  # fmt: skip
        return await Helm.model_validate(options).render(request)

    return run


def data_of(found):
    return next(one.body["data"] for one in found if one.ref.name == "found")


async def test_an_object_that_is_looked_up_is_found(render):
    known = Known((a_lookup("Secret", "shop", "db"), SECRET))
    found = await render('  p: {{ (lookup "v1" "Secret" "shop" "db").data.password }}\n', known)

    assert data_of(found) == {"p": "aHVudGVyMg=="}


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ('"v1" "Secret" "shop" "db"', a_lookup("Secret", "shop", "db")),
        ('"v1" "Secret" "shop" ""', a_lookup("Secret", "shop")),
        ('"v1" "Secret" "" ""', a_lookup("Secret")),
        ('"v1" "Namespace" "" "shop"', a_lookup("Namespace", "", "shop")),
        ('"v1" "Namespace" "" ""', a_lookup("Namespace")),
        ('"apps/v1" "Deployment" "shop" "web"', a_lookup("Deployment", "shop", "web", "apps/v1")),
    ],
)
async def test_exactly_what_the_chart_names_is_asked_for(render, words, asked):
    known = Known()
    await render(f"  a: {{{{ lookup {words} | toJson | quote }}}}\n", known)

    assert known.asked == [asked]


async def test_a_kind_that_nobody_serves_is_not_found(render):
    found = await render(
        '  one: {{ lookup "x.io/v1" "Foo" "a" "b" | toJson | quote }}\n'
        '  all: {{ (lookup "x.io/v1" "Foo" "a" "").items | len | quote }}\n',
        Known(),
    )

    assert data_of(found) == {"one": "{}", "all": "0"}


async def test_order_and_objects_are_those_of_a_chart_without_lookups(render):
    more = {
        "templates/a.yaml": (
            "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n---\n"
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: space}\n---\n"
            "apiVersion: batch/v1\nkind: Job\n"
            "metadata: {name: h, annotations: {helm.sh/hook: pre-install}}\n"
        ),
        "templates/own.yaml": "apiVersion: example.com/v1\nkind: Basket\nmetadata: {name: b}\n",
    }
    data = '  a: {{ lookup "v1" "Secret" "" "x" | toJson | quote }}\n'
    plain = await render(data, None, more, lookup="off")
    answered = await render(data, Known(), more)

    assert [one.body for one in answered] == [one.body for one in plain]
    assert [str(one.origin) for one in answered] == [str(one.origin) for one in plain]
    assert [one.body for one in answered.hooks] == [one.body for one in plain.hooks]


async def test_capabilities_stay_those_of_the_target(render):
    found = await render(
        '  # {{ lookup "v1" "Secret" "" "x" }}\n'
        "  version: {{ .Capabilities.KubeVersion.Version }}\n"
        '  has: {{ .Capabilities.APIVersions.Has "apps/v1/Deployment" | quote }}\n',
        Known(),
        kubeVersion="1.29",
    )

    assert data_of(found) == {"version": "v1.29.0", "has": "true"}


@pytest.mark.parametrize("off", ["off", False])
async def test_off_asks_nobody_and_finds_nothing(render, off):
    known = Known((a_lookup("Secret", "shop", "db"), SECRET))
    data = '  a: {{ lookup "v1" "Secret" "shop" "db" | toJson | quote }}\n'
    found = await render(data, known, lookup=off)

    assert (data_of(found), known.asked, found.notes) == ({"a": "{}"}, [], ())


async def test_without_a_cluster_nothing_is_found_and_it_is_said(render):
    data = '  a: {{ lookup "v1" "Secret" "shop" "db" | toJson | quote }}\n'
    found = await render(data)

    assert data_of(found) == {"a": "{}"}
    assert [one.partition(" looks ")[2] for one in found.notes] == [
        "objects up and found none: no cluster was asked"
    ]


async def test_a_chart_that_looks_nothing_up_is_not_spoken_of(render):
    assert (await render("  a: b\n")).notes == ()


async def test_a_template_in_values_may_look_up_as_well(render):
    known = Known((a_lookup("Secret", "shop", "db"), SECRET))
    values = {"text": '{{ (lookup "v1" "Secret" "shop" "db").metadata.name }}'}
    found = await render("  a: {{ tpl .Values.text . }}\n", known, values=values)

    assert data_of(found) == {"a": "db"}


async def test_a_target_that_refuses_is_told_in_its_own_words(render):
    known = Known(failure=ClusterError("secrets is forbidden", retryable=False))
    with pytest.raises(ClusterError, match="secrets is forbidden"):
        await render('  a: {{ lookup "v1" "Secret" "shop" "db" | toJson | quote }}\n', known)


async def test_an_error_of_the_chart_names_its_template(render):
    with pytest.raises(RenderError, match=r"templates/map\.yaml"):
        await render('  a: {{ (lookup "v1" "Secret" "" "x") }}{{ fail "no" }}\n', Known())


async def test_nobody_without_the_path_is_answered_and_nothing_is_written():
    def status(url, method="GET"):
        place = urlsplit(url)
        connection = HTTPConnection(place.hostname, place.port, timeout=5)
        try:
            connection.request(method, place.path)
            return connection.getresponse().status
        except OSError:
            return None
        finally:
            connection.close()

    known = Known((a_lookup("Secret", "shop", "db"), SECRET))
    async with answering(known, SERVED) as server:
        root, path = server.url.removesuffix(server.path), "/api/v1/namespaces/shop/Secret/db"
        asked = [
            await asyncio.to_thread(status, f"{root}{path}"),
            await asyncio.to_thread(status, f"{root}/x{path}"),
            await asyncio.to_thread(status, f"{server.url}{path}", "DELETE"),
            await asyncio.to_thread(status, f"{server.url}{path}"),
        ]
    gone = await asyncio.to_thread(status, f"{server.url}{path}")

    assert (asked, gone) == ([403, 403, None, 200], None)
