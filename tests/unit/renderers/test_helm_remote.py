"""Charts of repositories and registries, served on this machine."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import ssl
import stat
import tarfile
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from pydantic import ValidationError

from rollwright import library
from rollwright.engine import operations
from rollwright.engine.site import open_site
from rollwright.errors import NotFound, RenderError
from rollwright.plugins.contracts import Checkout, RenderRequest
from rollwright.renderers.helm import Helm
from rollwright.renderers.helm.program import find_helm
from rollwright.rollouts.manifest import ManifestSet
from rollwright.sandbox.certificates import Authority

PASSWORD = "hunter2hunter2"
TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {version: {{ .Chart.Version | quote }}, color: {{ .Values.color | quote }}}
"""


def an_archive(name: str = "web", version: str = "1.2.3", **files: str) -> bytes:
    """Return a chart as an archive."""
    texts = {
        "Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: {version}\n",
        "values.yaml": "color: blue\n",
        "templates/map.yaml": TEMPLATE,
        **files,
    }
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for path, text in texts.items():
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return stream.getvalue()


@dataclass
class Served:
    """A repository and a registry of charts, and what was asked of them."""

    url: str = ""
    charts: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    password: str = ""

    @property
    def host(self) -> str:
        return self.url.partition("://")[2]

    def oci(self, name: str = "charts/web") -> str:
        return f"oci://{self.host}/{name}"

    def index(self) -> str:
        entries: dict[str, list[Any]] = {}
        for file, content in self.charts.items():
            name, _, version = file.removesuffix(".tgz").rpartition("-")
            entry = {
                "name": name, "version": version, "apiVersion": "v2",
                "urls": [self.links.get(file, file)], "digest": sha256(content).hexdigest(),
            }  # fmt: skip
            entries.setdefault(name, []).append(entry)
        return json.dumps({"apiVersion": "v1", "entries": entries})

    def push(self, content: bytes, *, version: str = "1.2.3", name: str = "charts/web") -> None:
        """Put a chart into the registry."""
        config, parts = b"{}", []
        for blob, kind in ((config, "config.v1+json"), (content, "chart.content.v1.tar+gzip")):
            digest = f"sha256:{sha256(blob).hexdigest()}"
            self.blobs[digest] = blob
            media = f"application/vnd.cncf.helm.{kind}"
            parts.append({"mediaType": media, "digest": digest, "size": len(blob)})
        body = {"schemaVersion": 2, "config": parts[0], "layers": parts[1:]}
        text = json.dumps(body).encode()
        media = "application/vnd.oci.image.manifest.v1+json"
        for tag in (version, f"sha256:{sha256(text).hexdigest()}"):
            self.manifests[name, tag] = media, text

    def application(self) -> web.Application:
        app = web.Application(client_max_size=2**24, middlewares=[self._guarded()])
        app.router.add_get("/index.yaml", self._index)
        app.router.add_get("/{file}.tgz", self._chart)
        app.router.add_get("/v2/", self._hello)
        app.router.add_get("/v2/{name:.+}/tags/list", self._tags)
        app.router.add_get("/v2/{name:.+}/manifests/{tag}", self._manifest)
        app.router.add_put("/v2/{name:.+}/manifests/{tag}", self._put_manifest)
        app.router.add_get("/v2/{name:.+}/blobs/{digest}", self._blob)
        app.router.add_post("/v2/{name:.+}/blobs/uploads/", self._upload)
        app.router.add_put("/v2/{name:.+}/blobs/uploads/{id}", self._put_blob)
        return app

    def _guarded(self) -> Any:
        @web.middleware
        async def guarded(request: web.Request, handler: Any) -> web.StreamResponse:
            self.asked.append(f"{request.method} {request.path}")
            wanted = base64.b64encode(f"me:{self.password}".encode()).decode()
            if self.password and request.headers.get("Authorization") != f"Basic {wanted}":
                challenge = {"WWW-Authenticate": 'Basic realm="charts"'}
                return web.Response(status=401, headers=challenge)
            answer: web.StreamResponse = await handler(request)
            return answer

        return guarded

    async def _index(self, _request: web.Request) -> web.Response:
        return web.Response(text=self.index(), content_type="text/yaml")

    async def _chart(self, request: web.Request) -> web.Response:
        content = self.charts.get(f"{request.match_info['file']}.tgz")
        return web.Response(body=content, status=404 if content is None else 200)

    async def _hello(self, _request: web.Request) -> web.Response:
        return web.json_response({})

    async def _tags(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        tags = [tag for one, tag in self.manifests if one == name and ":" not in tag]
        return web.json_response({"name": name, "tags": tags})

    async def _manifest(self, request: web.Request) -> web.Response:
        found = self.manifests.get((request.match_info["name"], request.match_info["tag"]))
        if found is None:
            return web.json_response({"errors": [{"code": "MANIFEST_UNKNOWN"}]}, status=404)
        headers = {"Docker-Content-Digest": f"sha256:{sha256(found[1]).hexdigest()}"}
        return web.Response(body=found[1], content_type=found[0], headers=headers)

    async def _put_manifest(self, request: web.Request) -> web.Response:
        body = await request.read()
        digest = f"sha256:{sha256(body).hexdigest()}"
        for tag in (request.match_info["tag"], digest):
            self.manifests[request.match_info["name"], tag] = request.content_type, body
        return web.Response(status=201, headers={"Docker-Content-Digest": digest, "Location": "/"})

    async def _blob(self, request: web.Request) -> web.Response:
        found = self.blobs.get(request.match_info["digest"])
        return web.Response(body=found, status=404 if found is None else 200)

    async def _upload(self, request: web.Request) -> web.Response:
        return web.Response(status=202, headers={"Location": f"{request.path}{uuid4().hex}"})

    async def _put_blob(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.blobs[request.query["digest"]] = body
        return web.Response(status=201, headers={"Location": "/"})


@asynccontextmanager
async def serving(served: Served, tls: ssl.SSLContext | None = None) -> AsyncIterator[Served]:
    runner = web.AppRunner(served.application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    served.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield served
    finally:
        await runner.cleanup()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """A repository and registry with ``web`` in two versions, and nothing else on the way."""
    one = Served()
    for version in ("1.2.3", "1.3.0"):
        content = an_archive(version=version)
        one.charts[f"web-{version}.tgz"] = content
        one.push(content, version=version)
    async with serving(one):
        yield one


@pytest.fixture(autouse=True)
async def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own; helm itself stays where it is."""
    monkeypatch.setenv("ROLLWRIGHT_HELM", (await find_helm()).path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def own_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files, of which nothing may be left."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


async def render(
    root: Path, values: Mapping[str, Any] | None = None, *, network: bool = False, **options: Any
) -> ManifestSet:
    root.mkdir(exist_ok=True)
    request = RenderRequest(
        checkout=Checkout(root=root, revision="path@sha256:0"),
        rollout="shop",
        values=values or {},
        network_charts=network,
    )
    return await Helm.model_validate(options).render(request)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "tree"


def place_of(served: Served, *, is_oci: bool) -> Mapping[str, Any]:
    return {"chart": served.oci()} if is_oci else {"chart": "web", "repo": served.url}


def data(found: ManifestSet) -> Mapping[str, str]:
    return next(iter(found)).body["data"]  # type: ignore[no-any-return]  # of JSON


# ------------------------------------------------------------------ repositories


async def test_a_chart_of_a_repository_is_rendered(root: Path, served: Served) -> None:
    found = await render(root, {"color": "red"}, chart="web", repo=served.url, version="1.2.3")

    assert data(found) == {"version": "1.2.3", "color": "red"}
    assert [str(one.origin) for one in found] == ["web/templates/map.yaml"]


async def test_the_digest_of_what_was_fetched_is_recorded(root: Path, served: Served) -> None:
    found = await render(root, chart="web", repo=served.url, version="1.2.3")

    digest = sha256(served.charts["web-1.2.3.tgz"]).hexdigest()
    assert found.inputs == (f"web 1.2.3 of {served.url}@sha256:{digest}",)


async def test_an_exact_version_is_fetched_once(root: Path, served: Served) -> None:
    await render(root, chart="web", repo=served.url, version="1.2.3")
    before = len(served.asked)
    await render(root, chart="web", repo=served.url, version="1.2.3")

    assert len(served.asked) == before


async def test_a_cache_is_told_the_digest_as_soon_as_it_is_known(
    root: Path, served: Served
) -> None:
    exact = Helm(chart="web", repo=served.url, version="1.2.3")
    before = await exact.outside()
    await render(root, chart="web", repo=served.url, version="1.2.3")

    digest = sha256(served.charts["web-1.2.3.tgz"]).hexdigest()
    assert before is None
    assert digest in (await exact.outside() or "")
    assert await Helm(chart="web", repo=served.url, version="^1").outside() is None


async def test_versions_are_looked_up_each_time(root: Path, served: Served) -> None:
    first = await render(root, chart="web", repo=served.url, version="^1.2")
    served.charts["web-1.4.0.tgz"] = an_archive(version="1.4.0")
    again = await render(root, chart="web", repo=served.url, version="^1.2")

    assert (data(first)["version"], data(again)["version"]) == ("1.3.0", "1.4.0")
    assert first.inputs != again.inputs


async def test_a_version_that_is_not_there_is_told(root: Path, served: Served) -> None:
    with pytest.raises(RenderError, match=r'web 9\.0\.0 of .*"?9\.0\.0') as caught:
        await render(root, chart="web", repo=served.url, version="9.0.0")

    assert not caught.value.retryable


async def test_another_digest_than_the_expected_is_refused(root: Path, served: Served) -> None:
    with pytest.raises(RenderError, match="has the digest sha256:"):
        await render(
            root, chart="web", repo=served.url, version="1.2.3", digest=f"sha256:{'0' * 64}"
        )


async def test_a_known_digest_needs_no_network(root: Path, served: Served) -> None:
    digest = f"sha256:{sha256(served.charts['web-1.2.3.tgz']).hexdigest()}"
    await render(root, chart="web", repo=served.url, version="1.2.3")
    gone = "http://127.0.0.1:9"
    found = await render(root, chart="web", repo=gone, version="1.2.3", digest=digest)

    assert data(found)["version"] == "1.2.3"


async def test_a_damaged_copy_in_the_cache_is_fetched_again(
    root: Path, served: Served, cache: Path
) -> None:
    await render(root, chart="web", repo=served.url, version="1.2.3")
    for path in (cache / "rollwright/charts").glob("*.tgz"):
        path.write_bytes(b"")
    found = await render(root, chart="web", repo=served.url, version="1.2.3")

    assert data(found)["version"] == "1.2.3"


async def test_a_repository_that_is_not_there_may_be_tried_again(root: Path) -> None:
    with pytest.raises(RenderError, match="connection refused") as caught:
        await render(root, chart="web", repo="http://127.0.0.1:9", version="1.2.3")

    assert caught.value.retryable


async def test_credentials_open_a_repository(
    root: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.password = PASSWORD
    monkeypatch.setenv("CHARTS", PASSWORD)
    found = await render(
        root,
        chart="web", repo=served.url, version="1.2.3",
        username="me", password={"env": "CHARTS"},
    )  # fmt: skip

    assert data(found)["version"] == "1.2.3"


@pytest.mark.parametrize("is_oci", [False, True], ids=["repository", "registry"])
async def test_no_credentials_are_told(root: Path, served: Served, *, is_oci: bool) -> None:
    served.password = PASSWORD
    place = place_of(served, is_oci=is_oci)
    with pytest.raises(RenderError, match=r"401|[uU]nauthorized|basic credential") as caught:
        await render(root, **place, version="1.2.3")

    assert "password" in str(caught.value.hint)


@pytest.mark.parametrize("is_oci", [False, True], ids=["repository", "registry"])
async def test_a_wrong_password_is_not_quoted(
    root: Path, served: Served, monkeypatch: pytest.MonkeyPatch, *, is_oci: bool
) -> None:
    served.password = "another"
    monkeypatch.setenv("CHARTS", PASSWORD)
    place = place_of(served, is_oci=is_oci)
    with pytest.raises(RenderError) as caught:
        await render(root, **place, version="1.2.3", username="me", password={"env": "CHARTS"})

    shown = f"{caught.value}{caught.value.hint}{caught.value.__cause__}"
    assert PASSWORD not in shown
    assert base64.b64encode(f"me:{PASSWORD}".encode()).decode() not in shown


async def test_a_password_that_is_not_there_is_told(root: Path, served: Served) -> None:
    with pytest.raises(NotFound, match="helm password: variable NOBODY"):
        await render(
            root,
            chart="web", repo=served.url, version="1.2.3",
            username="me", password={"env": "NOBODY"},
        )  # fmt: skip


async def test_a_password_is_neither_an_argument_nor_in_the_environment(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy, log = tmp_path / "spy", tmp_path / "log"
    spy.write_text(
        "#!/bin/sh\nPATH=/usr/bin:/bin\n"
        "case $1 in version) echo v4.3.1; exit;; esac\n"
        f'echo "$@" >> {log}; env >> {log}; ls -l $HELM_REPOSITORY_CONFIG >> {log}; exit 1\n'
    )
    spy.chmod(0o755)
    monkeypatch.setenv("ROLLWRIGHT_HELM", str(spy))
    monkeypatch.setenv("CHARTS", PASSWORD)
    with pytest.raises(RenderError):
        await render(
            root,
            chart="web", repo="https://charts.example.com", version="1.2.3",
            username="me", password={"env": "CHARTS"},
        )  # fmt: skip

    assert PASSWORD not in log.read_text()
    assert "-rw-------" in log.read_text()


async def test_an_index_does_not_lead_to_files(root: Path, served: Served, tmp_path: Path) -> None:
    path = tmp_path / "web-1.2.3.tgz"
    path.write_bytes(an_archive())
    served.links["web-1.2.3.tgz"] = f"file://{path}"
    with pytest.raises(RenderError, match=r"web 1\.2\.3 of"):
        await render(root, chart="web", repo=served.url, version="1.2.3")


async def test_another_chart_than_the_asked_one_is_refused(root: Path, served: Served) -> None:
    served.charts["web-1.2.3.tgz"] = an_archive("other")
    with pytest.raises(RenderError, match="the archive holds the chart 'other'"):
        await render(root, chart="web", repo=served.url, version="1.2.3")


async def test_garbage_for_a_chart_is_told(root: Path, served: Served, own_tmp: Path) -> None:
    served.charts["web-1.2.3.tgz"] = b"<html>"
    with pytest.raises(RenderError, match=r"web 1\.2\.3 of"):
        await render(root, chart="web", repo=served.url, version="1.2.3")

    assert list(own_tmp.iterdir()) == []


async def test_a_server_that_never_ends_is_left(root: Path, own_tmp: Path) -> None:
    is_left = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(2**16):
            pass
        writer.close()
        await writer.wait_closed()
        is_left.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(RenderError, match="took more than"):
        await render(
            root, chart="web", repo=f"http://127.0.0.1:{port}", version="1.2.3", timeout="1s"
        )
    await asyncio.wait_for(is_left.wait(), 10)
    server.close()
    await server.wait_closed()

    assert list(own_tmp.iterdir()) == []


async def test_kept_archives_are_nobody_elses(root: Path, served: Served, cache: Path) -> None:
    await render(root, chart="web", repo=served.url, version="1.2.3")

    assert stat.S_IMODE((cache / "rollwright/charts").stat().st_mode) == 0o700


async def test_what_others_may_write_is_not_believed(
    root: Path, served: Served, cache: Path
) -> None:
    await render(root, chart="web", repo=served.url, version="1.2.3")
    (cache / "rollwright/charts").chmod(0o777)
    with pytest.raises(RenderError, match="others may write into"):
        await render(root, chart="web", repo=served.url, version="1.2.3")


# ------------------------------------------------------------------ registries


async def test_a_chart_of_a_registry_is_rendered(root: Path, served: Served) -> None:
    found = await render(root, chart=served.oci(), version="1.2.3")

    digest = sha256(served.charts["web-1.2.3.tgz"]).hexdigest()
    assert data(found)["version"] == "1.2.3"
    assert found.inputs == (f"{served.oci()} 1.2.3@sha256:{digest}",)


async def test_what_helm_pushed_is_rendered(root: Path, tmp_path: Path, served: Served) -> None:
    path = tmp_path / "api-2.0.0.tgz"
    path.write_bytes(an_archive("api", "2.0.0"))
    helm = (await find_helm()).path
    pushing = await asyncio.create_subprocess_exec(
        helm, "push", str(path), f"oci://{served.host}/mine", "--plain-http",
        env={"HOME": str(tmp_path)},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await pushing.communicate()
    found = await render(root, chart=served.oci("mine/api"), version="2.0.0")

    assert data(found)["version"] == "2.0.0"


async def test_an_exact_version_of_a_registry_is_fetched_once(root: Path, served: Served) -> None:
    await render(root, chart=served.oci(), version="1.2.3")
    before = len(served.asked)
    await render(root, chart=served.oci(), version="1.2.3")

    assert len(served.asked) == before


async def test_versions_of_a_registry_are_looked_up(root: Path, served: Served) -> None:
    found = await render(root, chart=served.oci(), version="~1")

    assert data(found)["version"] == "1.3.0"


async def test_credentials_open_a_registry(root: Path, served: Served, tmp_path: Path) -> None:
    served.password = PASSWORD
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n")
    found = await render(
        root,
        chart=served.oci(), version="1.2.3", username="me", password={"file": str(secret)},
    )  # fmt: skip

    assert data(found)["version"] == "1.2.3"


async def test_a_version_that_a_registry_lacks_is_told(root: Path, served: Served) -> None:
    with pytest.raises(RenderError, match=r"charts/web 7\.0\.0"):
        await render(root, chart=served.oci(), version="7.0.0")


async def test_a_moved_tag_is_not_followed(root: Path, served: Served) -> None:
    await render(root, chart=served.oci(), version="1.2.3")
    served.push(an_archive(**{"values.yaml": "color: evil\n"}))
    found = await render(root, chart=served.oci(), version="1.2.3")

    assert data(found)["color"] == "blue"


async def test_a_registry_on_this_machine_may_need_tls(root: Path, served: Served) -> None:
    with pytest.raises(RenderError, match="HTTP response to HTTPS client") as caught:
        await render(root, chart=served.oci(), version="1.2.3", plain_http=False)

    assert "plainHttp" in str(caught.value.hint)


# ------------------------------------------------------------------ TLS


@pytest.fixture
async def secured(root: Path, tmp_path: Path) -> AsyncIterator[Served]:
    """A repository and registry behind TLS, whose authority stands in the source."""
    authority = Authority("charts of a test")
    pair = authority.server("charts")
    root.mkdir()
    (root / "ca.pem").write_bytes(authority.pair.certificate)
    (tmp_path / "server.pem").write_bytes(pair.certificate + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    one = Served()
    one.charts["web-1.2.3.tgz"] = an_archive()
    one.push(an_archive())
    async with serving(one, context) as running:
        yield running


@pytest.mark.parametrize("is_oci", [False, True], ids=["repository", "registry"])
async def test_an_authority_of_the_source_is_trusted(
    root: Path, secured: Served, *, is_oci: bool
) -> None:
    place = place_of(secured, is_oci=is_oci)
    found = await render(root, **place, version="1.2.3", caFile="ca.pem")

    assert data(found)["version"] == "1.2.3"


@pytest.mark.parametrize("is_oci", [False, True], ids=["repository", "registry"])
async def test_an_unknown_authority_is_not_trusted(
    root: Path, secured: Served, *, is_oci: bool
) -> None:
    place = place_of(secured, is_oci=is_oci)
    with pytest.raises(RenderError, match="certificate") as caught:
        await render(root, **place, version="1.2.3", plainHttp=False)

    assert "caFile" in str(caught.value.hint)
    assert not secured.asked


@pytest.mark.parametrize("is_oci", [False, True], ids=["repository", "registry"])
async def test_whoever_wants_it_insecure_gets_it(
    root: Path, secured: Served, *, is_oci: bool
) -> None:
    place = place_of(secured, is_oci=is_oci)
    found = await render(root, **place, version="1.2.3", insecure=True)

    assert data(found)["version"] == "1.2.3"


async def test_an_authority_out_of_the_source_is_refused(root: Path, secured: Served) -> None:
    place = place_of(secured, is_oci=False)
    with pytest.raises(RenderError, match="leads out of the source"):
        await render(root, **place, version="1.2.3", caFile="/etc/hostname")


# ------------------------------------------------------------------ dependencies


def a_parent(root: Path, repository: str, version: str = "^1", name: str = "web") -> None:
    folder = root / "shop"
    folder.mkdir(parents=True)
    (folder / "Chart.yaml").write_text(
        "apiVersion: v2\nname: shop\nversion: 0.1.0\ndependencies:\n"
        f"- {{name: {name}, version: '{version}', repository: '{repository}'}}\n"
    )


@pytest.mark.parametrize("is_oci", [False, True], ids=["repository", "registry"])
async def test_dependencies_are_fetched_where_the_site_allows_it(
    root: Path, served: Served, *, is_oci: bool
) -> None:
    a_parent(root, f"oci://{served.host}/charts" if is_oci else served.url)
    found = await render(root, network=True, chart="shop", dependencies="update")

    assert data(found)["version"] == "1.3.0"
    assert any("@sha256:" in one for one in found.inputs)
    assert [str(one.origin) for one in found] == ["shop/charts/web/templates/map.yaml"]


async def test_a_site_allows_the_network_in_its_file(root: Path, served: Served) -> None:
    a_parent(root, served.url)
    use = {"use": "helm", "with": {"chart": "shop", "dependencies": "update"}}
    document = {
        "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": "mine"},
        "spec": {"source": {"path": "."}, "render": use, "target": {"namespace": "shop"}, "config": [{"values": {"web": {"color": "red"}}}]},
    }  # fmt: skip
    (root / "rollout.yaml").write_text(json.dumps(document))
    (root / "site.toml").write_text("[plugins]\nnetworkCharts = true\n")
    loaded = library.load(root)
    async with open_site(loaded) as site:
        found = await operations.render(site, loaded)

    assert data(found) == {"version": "1.3.0", "color": "red"}


async def test_the_source_is_left_as_it_was(root: Path, served: Served) -> None:
    a_parent(root, served.url)
    await render(root, network=True, chart="shop", dependencies="update")

    assert [one.name for one in (root / "shop").iterdir()] == ["Chart.yaml"]


async def test_locked_versions_are_taken(root: Path, served: Served) -> None:
    a_parent(root, served.url)
    (root / "shop/Chart.lock").write_text(
        f"dependencies:\n- {{name: web, version: 1.2.3, repository: '{served.url}'}}\n"
    )
    found = await render(root, network=True, chart="shop", dependencies="update")

    assert data(found)["version"] == "1.2.3"


async def test_two_versions_of_a_dependency_stand_side_by_side(root: Path, served: Served) -> None:
    a_parent(root, served.url, version="1.2.3")
    path = root / "shop/Chart.yaml"
    more = f"- {{name: web, version: 1.3.0, repository: '{served.url}', alias: other}}\n"
    path.write_text(path.read_text() + more)
    named = TEMPLATE.replace("{{ .Release.Name }}", "v{{ .Chart.Version }}")
    for version in ("1.2.3", "1.3.0"):
        content = an_archive(version=version, **{"templates/map.yaml": named})
        served.charts[f"web-{version}.tgz"] = content
    found = await render(root, network=True, chart="shop", dependencies="update")

    assert {one.ref.name for one in found} == {"v1.2.3", "v1.3.0"}


async def test_a_lock_that_is_out_of_date_is_told(root: Path, served: Served) -> None:
    a_parent(root, served.url)
    (root / "shop/Chart.lock").write_text("dependencies: []\n")
    with pytest.raises(RenderError, match="knows nothing of 'web'"):
        await render(root, network=True, chart="shop", dependencies="update")


async def test_a_site_that_allows_no_network_fetches_nothing(root: Path, served: Served) -> None:
    a_parent(root, served.url)
    with pytest.raises(RenderError, match=r"web \^1 of .* is not in charts/") as caught:
        await render(root, chart="shop", dependencies="update")

    assert served.asked == []
    assert "networkCharts" in str(caught.value.hint)


async def test_missing_dependencies_are_told(root: Path, served: Served) -> None:
    a_parent(root, served.url)
    with pytest.raises(RenderError, match=r"missing in charts/ directory: web") as caught:
        await render(root, network=True, chart="shop")

    assert "helm dependency build" in str(caught.value.hint)
    assert served.asked == []


@pytest.mark.parametrize(
    "repository", ["@stable", "alias:stable", "git+https://x.example.com/a", "s3://bucket", ""]
)
async def test_dependencies_of_other_kinds_are_refused(root: Path, repository: str) -> None:
    a_parent(root, repository)
    with pytest.raises(RenderError, match="which is not fetched"):
        await render(root, network=True, chart="shop", dependencies="update")


@pytest.mark.parametrize(
    "repository", ["http://charts.example.com", "https://a:b@charts.example.com", "https://-x"]
)
async def test_dependencies_of_unsafe_places_are_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    a_parent(root, repository)
    with pytest.raises(RenderError):
        await render(root, network=True, chart="shop", dependencies="update", timeout="5s")

    assert not any((tmp_path / "cache/rollwright").rglob("*.tgz"))


# ------------------------------------------------------------------ what may not be named


@pytest.mark.parametrize(
    "options",
    [
        {"chart": "web", "repo": "file:///etc", "version": "1.0.0"},
        {"chart": "web", "repo": "ext::sh -c id", "version": "1.0.0"},
        {"chart": "web", "repo": "--kubeconfig=/x", "version": "1.0.0"},
        {"chart": "web", "repo": "git+https://example.com/x", "version": "1.0.0"},
        {"chart": "web", "repo": "s3://bucket/x", "version": "1.0.0"},
        {"chart": "web", "repo": "http://charts.example.com", "version": "1.0.0"},
        {"chart": "web", "repo": "https://me:secret@charts.example.com", "version": "1.0.0"},
        {"chart": "web", "repo": "https://charts.example.com/\n--x", "version": "1.0.0"},
        {"chart": "web", "repo": "https://charts.example.com:99999", "version": "1.0.0"},
        {"chart": "web", "repo": "https://charts.example.com"},
        {"chart": "--post-renderer=/bin/sh", "repo": "https://c.example.com", "version": "1.0.0"},
        {"chart": "../web", "repo": "https://c.example.com", "version": "1.0.0"},
        {"chart": "a/b", "repo": "https://c.example.com", "version": "1.0.0"},
        {"chart": "web", "repo": "https://c.example.com", "version": "--devel"},
        {"chart": "web", "repo": "https://c.example.com", "version": "1.0.0", "digest": "md5:1"},
        {"chart": "oci://c.example.com/web:1.0", "version": "1.0.0"},
        {"chart": "oci://me:secret@c.example.com/web", "version": "1.0.0"},
        {"chart": "oci://c.example.com/../web", "version": "1.0.0"},
        {"chart": "oci://c.example.com", "version": "1.0.0"},
        {"chart": "oci://c.example.com/web"},
        {"chart": "oci://c.example.com/web", "version": "1.0.0", "plainHttp": True},
        {"chart": "oci://c.example.com/web", "version": "1.0.0", "repo": "https://c.example.com"},
        {"chart": "oci://c.example.com/web", "version": "1.0.0", "username": "me"},
        {"chart": "oci://c.example.com/web", "version": "1.0.0", "password": "secret"},
        {"chart": "https://c.example.com/web-1.0.0.tgz"},
        {"chart": "git::https://c.example.com/web"},
        {"chart": "web", "version": "1.0.0"},
        {"chart": "web", "insecure": True},
        {"chart": "web", "postRenderer": "/bin/sh"},
        {"chart": "web", "releaseName": "--help"},
        {"chart": "web", "releaseName": "x" * 54},
        {"chart": "web", "namespace": "--help"},
        {"chart": "web", "kubeVersion": "--help"},
        {"chart": "web", "apiVersions": ["--help"]},
        {"chart": "web", "apiVersions": ["v1,--help"]},
        {"chart": "web", "dependencies": "fetch"},
    ],
    ids=str,
)
def test_what_may_not_be_named_is_refused(options: Mapping[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Helm.model_validate(options)


@pytest.mark.parametrize(
    "options",
    [
        {"chart": "oci://c.example.com:5000/a/b_c/web", "version": "1.0.0-rc.1+build"},
        {
            "chart": "oci://c.example.com/web",
            "version": "1.0.0",
            "plainHttp": True,
            "insecure": True,
        },
        {"chart": "web", "repo": "http://charts.example.com", "version": "1.0.0", "insecure": True},
        {"chart": "web", "repo": "https://charts.example.com/a?b=c", "version": ">=1.0 <2.0 || ^3"},
        {"chart": "web", "repo": "http://localhost:8080", "version": "*"},
        {"chart": "web", "repo": "http://[::1]:8080", "version": "v1.0.0"},
    ],
    ids=str,
)
def test_what_may_be_named_is_taken(options: Mapping[str, Any]) -> None:
    assert Helm.model_validate(options).is_remote


def test_the_environment_is_not_changed(served: Served) -> None:
    assert "HELM_REGISTRY_CONFIG" not in os.environ
    assert served.asked == []
