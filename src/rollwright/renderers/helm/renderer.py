"""Charts: from the source, from a repository, or from a registry.

Before: ``fetch`` gave a tree at an immutable revision; the engine asked what the target serves.
After: objects, hooks among them, each with the template that made it.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, model_validator

from rollwright.errors import RenderError, RolloutError
from rollwright.plugins import tree
from rollwright.plugins.contracts import Checkout, Kubernetes, RenderRequest
from rollwright.plugins.options import OPTIONS
from rollwright.plugins.secret_refs import NamedSecret, read_secret
from rollwright.renderers.bounds import reach
from rollwright.renderers.helm import archives
from rollwright.renderers.helm.chart import check_archive, check_folder, mapping_of
from rollwright.renderers.helm.dependencies import Assembly
from rollwright.renderers.helm.looking import looks_up
from rollwright.renderers.helm.messages import Cleaner
from rollwright.renderers.helm.output import manifests_of
from rollwright.renderers.helm.program import Program, find_helm
from rollwright.renderers.helm.pulling import pull
from rollwright.renderers.helm.remote import OCI, Credentials, Remote, problem_of
from rollwright.renderers.helm.running import Run
from rollwright.renderers.helm.values import Values, write_values
from rollwright.renderers.quotes import secret_texts
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.spec import PositiveDuration

_LONGEST_NAME = 53
_RELEASE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(//|:)")

KubeVersion = Annotated[str, Field(pattern=r"^(v?\d+\.\d+[0-9A-Za-z.+-]*)?$")]
ApiVersion = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9./-]*$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chart:
    """What helm is to render: where it lies, its name, what it was made of, what it asks for."""

    path: Path
    name: str
    inputs: tuple[str, ...]
    values: Mapping[str, Any]
    looks_up: bool = False


class Helm(BaseModel):
    """Render a chart with helm 3 or 4.

    An object's key is its identity, such as ``Deployment/shop/web``; its origin is the template
    that made it. Hooks become steps of the plan, CRDs in ``crds/`` are ordinary objects. NOTES.txt
    is not rendered. ``.Release.IsInstall`` is always true.

    ``lookup`` finds what the target has when the plan is made; the answers are part of a saved
    plan. Without a cluster it finds nothing. A value of a Secret that it found may stand in
    Secrets alone, unless ``lookup`` is ``reveal``.

    Values, later ones win and maps are merged: the chart's own, ``valuesFiles``, ``values``, the
    rollout's ``config``. They are checked against the chart's ``values.schema.json``.

    ``.Capabilities`` are the target's; helm adds the API versions that it knows itself. Without a
    cluster (``rollwright render``, ``lint``) they are helm's own.

    A chart elsewhere is fetched before, once for each exact version, into the user's cache folder;
    versions such as ``^1.2`` are looked up at every rendering. Rendering itself has no network.

    Attributes:
        chart: Folder or archive in the source; name in ``repo``; or ``oci://host/path/chart``.
        repo: URL of a chart repository.
        version: Version of a chart elsewhere, best an exact one.
        digest: SHA-256 of the archive of a chart elsewhere, as ``sha256:…``.
        username: Who asks the repository or registry.
        password: Where the password is read from.
        ca_file: File of the source with the authorities to trust.
        insecure: Take any certificate, and plain HTTP from anywhere.
        plain_http: Whether the registry speaks plain HTTP; by itself one on this machine does.
        release_name: Name of the release; the rollout's by itself.
        namespace: Namespace of the release; the target's by itself.
        values: Values, written here.
        values_files: Files of the source that hold values.
        kube_version: Version of Kubernetes to render for, instead of the target's.
        api_versions: API versions to render for, instead of the target's.
        include_crds: Whether the CRDs in ``crds/`` count.
        skip_tests: Leave tests out; otherwise they are hooks that run only when asked for.
        dependencies: ``vendored`` takes them from ``charts/``; ``update`` fetches what is missing
            there, from the source, or elsewhere if ``[plugins] networkCharts`` allows it.
        lookup: Whether ``lookup`` finds anything; ``off`` answers as ``helm template`` does.
        timeout: How long a rendering or a fetch may take, where the usual minute is not enough.
    """

    model_config = OPTIONS
    asks_kubernetes: ClassVar[bool] = True

    chart: str = "."
    repo: str = ""
    version: str = ""
    digest: str = ""
    username: str = ""
    password: NamedSecret | None = None
    ca_file: str = ""
    insecure: bool = False
    plain_http: bool | None = None
    release_name: str = ""
    namespace: str = Field(default="", pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$")
    values: Mapping[str, Any] = Field(default={}, repr=False)
    values_files: tuple[str, ...] = ()
    kube_version: KubeVersion = ""
    api_versions: tuple[ApiVersion, ...] = ()
    include_crds: bool = Field(default=True, alias="includeCRDs")
    skip_tests: bool = False
    dependencies: Literal["vendored", "update"] = "vendored"
    lookup: Literal["reveal"] | bool = True
    timeout: PositiveDuration | None = None

    @model_validator(mode="after")
    def _is_one_chart(self) -> Self:
        if problem := self._problem():
            raise ValueError(problem)
        return self

    def _problem(self) -> str:
        """Say what of the options cannot be; empty if they can."""
        if self.release_name and (problem := release_problem(self.release_name)):
            return problem
        if self.is_remote:
            if self.repo and self.chart.startswith(OCI):
                return "repo and an oci:// chart exclude one another"
            if bool(self.username) != bool(self.password):
                return "username and password belong together"
            return problem_of(self._remote(None))
        if _SCHEME.match(self.chart):
            return f"expected a path, a name in repo, or oci://…; got {self.chart[:120]!r}"
        names = ("version", "digest", "username", "password", "ca_file", "insecure", "plain_http")
        if given := [name for name in names if getattr(self, name)]:
            return f"{', '.join(given)}: only for a chart of a repository or a registry"
        return ""

    @property
    def is_remote(self) -> bool:
        """Whether the chart comes from a repository or registry."""
        return bool(self.repo) or self.chart.startswith(OCI)

    @property
    def asks_lookups(self) -> bool:
        """Whether the target is asked for what templates look up (RE-15)."""
        return self.lookup is not False

    @property
    def reveals_lookups(self) -> bool:
        """Whether values of Secrets that were looked up may stand anywhere."""
        return self.lookup == "reveal"

    async def engine_version(self) -> str:
        """Return the version of the helm that would render."""
        return f"helm {(await find_helm()).version}"

    async def outside(self) -> str | None:
        """Return helm's version and the fetched chart's digest, for a cache's key (RE-03).

        ``None`` where only a rendering can tell what is used: a chart that is not fetched yet,
        versions that are looked up, dependencies from elsewhere.
        """
        engine = await self.engine_version()
        if not self.is_remote:
            return engine if self.dependencies == "vendored" else None
        archive = await asyncio.to_thread(archives.find, self._remote(None))
        return f"{engine} {archive.digest}" if archive else None

    async def render(self, request: RenderRequest) -> ManifestSet:
        """Return the objects of the chart, hooks and CRDs among them.

        Raises:
            RenderError: The chart cannot be had or rendered, or leads out of the source.
            InvalidDocument: A values file or what a template gave cannot be read.
            InvalidManifests: A template gave no objects, or two gave the same one.
        """
        helm = await find_helm()
        with tempfile.TemporaryDirectory(prefix="rollwright-helm-") as name:
            folder = _real(name)
            chart = await self._chart(request, helm, folder)
            values = await asyncio.to_thread(self._values, request, folder)
            chart = await asyncio.to_thread(self._looked_over, chart, values)
            run = self._run(request, helm, chart, values, folder)
            output = await self._output(request, chart, run)
        source = request.checkout.revision
        found = await asyncio.to_thread(manifests_of, output, chart.name, source)
        inputs = tuple(dict.fromkeys((*chart.inputs, *values.read)))
        return replace(found, inputs=inputs, notes=tuple(self._notes(request, helm, chart)))

    def _notes(self, request: RenderRequest, helm: Program, chart: _Chart) -> Iterator[str]:
        """Yield what people should know although everything went well."""
        if note := helm.note or (archives.note() if self.is_remote else ""):
            yield note
        if chart.looks_up and request.lookups is None:
            yield f"the chart {chart.name} looks objects up and found none: no cluster was asked"

    def _looked_over(self, chart: _Chart, values: Values) -> _Chart:
        """Return the chart with whether it looks objects up, if they are to be found."""
        if not self.asks_lookups:
            return chart
        texts = [one.read_bytes() for one in values.files]
        return replace(chart, looks_up=looks_up(chart.path, texts))

    async def _chart(self, request: RenderRequest, helm: Program, folder: Path) -> _Chart:
        root, path = reach(request.checkout, self.chart)
        timeout = self.timeout or request.timeout
        if self.is_remote:
            remote = self._remote(request.checkout)
            credentials = await asyncio.to_thread(self._credentials)
            archive = await pull(remote, credentials, helm, timeout)
            made_of = (f"{remote.title}@{archive.digest}",)
            return _Chart(path=archive.path, name=remote.title, inputs=made_of, values={})
        place = tree.inside(root, path)
        if self.dependencies == "vendored" or not place.is_dir():
            return await asyncio.to_thread(_in_source, root, place)
        assembly = Assembly(
            root=root,
            helm=helm,
            timeout=timeout,
            may_fetch=request.network_charts,
            fetched=[],
            read=[],
        )
        await assembly.copy(place, folder / "chart")
        chart = await asyncio.to_thread(_in_source, root, place)
        files = tuple(tree.name_in(root, one) for one in assembly.read)
        return replace(chart, path=folder / "chart", inputs=(*files, *assembly.fetched))

    def _remote(self, checkout: Checkout | None) -> Remote:
        ca_file = tree.inside(*reach(checkout, self.ca_file)) if checkout and self.ca_file else None
        return Remote(
            chart=self.chart,
            repo=self.repo,
            version=self.version,
            digest=self.digest,
            ca_file=ca_file or (Path(self.ca_file) if self.ca_file else None),
            insecure=self.insecure,
            plain_http=self.plain_http,
        )

    def _credentials(self) -> Credentials:
        if self.password is None:
            return Credentials()
        password = read_secret(self.password, "helm password")
        return Credentials(username=self.username, password=password)

    def _values(self, request: RenderRequest, folder: Path) -> Values:
        given = {"values": self.values, "config": request.values}
        files = [reach(request.checkout, one)[1] for one in self.values_files]
        return write_values(request.checkout.bounds, files, given, folder / "values")

    async def _output(self, request: RenderRequest, chart: _Chart, run: Run) -> bytes:
        """Return what helm prints, with answers where the chart asks and somebody knows."""
        if not chart.looks_up or request.lookups is None:
            return await run.alone()
        given = request.kubernetes
        served = tuple(dict.fromkeys((*given.api_versions, *self.api_versions)))
        version = self.kube_version or given.version
        return await run.answered(request.lookups, Kubernetes(version=version, api_versions=served))

    def _run(
        self, request: RenderRequest, helm: Program, chart: _Chart, values: Values, folder: Path
    ) -> Run:
        hidden = (*values.hidden, *secret_texts(chart.values))
        names = {**values.names, str(chart.path): chart.name}
        return Run(
            command=(helm.path, "template"),
            words=tuple(self._words(request, chart, values.files)),
            folder=folder,
            timeout=self.timeout or request.timeout,
            clean=Cleaner(hidden=tuple(hidden), names=names),
        )

    def _words(self, request: RenderRequest, chart: _Chart, files: Sequence[Path]) -> list[str]:
        release = self.release_name or request.rollout or "release"
        if problem := release_problem(release):
            raise RenderError(problem, hint="set releaseName")
        version = self.kube_version or request.kubernetes.version
        served = self.api_versions or request.kubernetes.api_versions
        return [
            f"--namespace={self.namespace or request.namespace or 'default'}",
            *(["--include-crds"] if self.include_crds else []),
            *(["--skip-tests"] if self.skip_tests else []),
            *([f"--kube-version={version}"] if version else []),
            *([f"--api-versions={','.join(served)}"] if served else []),
            *(f"--values={file}" for file in files),
            "--",
            release,
            str(chart.path),
        ]


def _real(path: str) -> Path:
    return Path(path).resolve()


def release_problem(name: str) -> str:
    """Say why helm would take no release of that name; empty if it would."""
    if len(name) > _LONGEST_NAME:
        return f"the release name {name!r} has {len(name)} characters; helm takes {_LONGEST_NAME}"
    return "" if _RELEASE.fullmatch(name) else f"{name[:60]!r} is no name of a release"


def _in_source(root: Path, place: Path) -> _Chart:
    """Look over a chart of the source: a folder or an archive."""
    name = tree.name_in(root, place)
    if place.is_file():
        check_archive(tree.read(root, place), name)
        return _Chart(path=place, name=name, inputs=(name,), values={})
    files = check_folder(root, place)
    if not (place / "Chart.yaml").is_file():
        raise RenderError(f"no Chart.yaml in {name}", hint="set chart to the chart's folder")
    values = _defaults(root, place / "values.yaml")
    inputs = tuple(tree.name_in(root, one) for one in files)
    return _Chart(path=place, name=name, inputs=inputs, values=values)


def _defaults(root: Path, path: Path) -> Mapping[str, Any]:
    """Return a chart's own values, for what nobody may read; helm says what is wrong with them."""
    try:
        return mapping_of(tree.read(root, path.resolve()), "values.yaml")
    except RolloutError:
        return {}
