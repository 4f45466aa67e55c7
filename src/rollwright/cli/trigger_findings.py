"""What ``lint`` finds in what starts runs: files of Triggers, and the triggers of a Rollout.

Before: ``lint`` has the files to look at. After: every finding is printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rollwright import triggers
from rollwright.cli.feedback_findings import feedback_findings
from rollwright.cli.findings import Finding, errors_of, mistakes, relocated
from rollwright.cli.option_findings import Spot, option_findings, unknown
from rollwright.cli.options import Common
from rollwright.cli.session import load, opened, site_of
from rollwright.documents import Document, load_all, nearest_line, path_text
from rollwright.engine.documents import LoadedRollout
from rollwright.engine.listening.declared import Declared, declared_in
from rollwright.engine.site import Site
from rollwright.engine.site_file import LoadedSite
from rollwright.errors import InvalidSpec, Problem, RolloutError
from rollwright.rollouts.spec.trigger import TriggerSpec, is_trigger, parse_trigger, trigger_of
from rollwright.rollouts.spec.uses import Use

_WITHOUT_VALUES = frozenset({"plain"})
"""Renderers whose objects are the same whatever somebody brings."""


@dataclass(kw_only=True)
class Neighbors:
    """What stands beside a file in its site; each site is read once."""

    common: Common
    _known: dict[Path, Declared] = field(default_factory=dict)

    def declared(self, site: LoadedSite) -> Declared | None:
        """Return what a site declares; ``None`` where there is no site."""
        if site.path is None:
            return None
        if site.path not in self._known:
            self._known[site.path] = declared_in(site)
        return self._known[site.path]

    def brought_by(self, site: Site, loaded: LoadedRollout) -> str:
        """Name the trigger that brings the data which a rollout is rendered with."""
        spec, declared = loaded.spec, self.declared(site.loaded)
        if all(one.name in _WITHOUT_VALUES for one in spec.renderers):
            return ""
        own = [trigger_of(one, spec.name) for one in spec.triggers]
        beside = declared.triggers if declared else ()
        chosen = [*own, *(one for one in beside if one.chooses(spec.name, spec.labels))]
        asks = any(entry.trigger is not None for entry in spec.config)
        found = (
            f"trigger {one.name!r} ({use.name})"
            for one in chosen
            for use in one.when
            if _brings(site, use, asks=asks)
        )
        return next(found, "")


def _brings(site: Site, use: Use, *, asks: bool) -> bool:
    """Whether a trigger brings data along; of those of others, whether somebody asks for it."""
    try:
        plugin = site.registry.find("triggers", use.name)
    except RolloutError:
        return False
    is_foreign = use.name not in triggers.BUILTIN
    return getattr(plugin, "has_instances", False) or "payload" in use.options or is_foreign & asks


def look_at_triggers(file: Path, neighbors: Neighbors) -> tuple[list[Finding], int]:
    """Return everything that is wrong with a file of triggers, and how many it holds."""
    try:
        documents = _read(file)
        site = site_of(file, neighbors.common)
    except RolloutError as error:
        return [*errors_of(error, str(file))], 1
    if not documents:
        return [_error(str(file), "", "no document; expected Triggers")], 1
    declared = neighbors.declared(site.loaded)
    found = [one for each in documents for one in _look_at_one(file, each, site, declared)]
    return found, len(documents)


def _read(file: Path) -> tuple[Document, ...]:
    try:
        return load_all(file.read_bytes(), name=str(file))
    except OSError as error:
        problem = Problem(where=str(file), path="", message=f"cannot be read: {error.strerror}")
        raise InvalidSpec([problem]) from error


def _look_at_one(
    file: Path, document: Document, site: Site, declared: Declared | None
) -> Iterator[Finding]:
    if not is_trigger(document.value):
        words = "not a Trigger; a file of triggers holds no more"
        yield _error(f"{file}:{document.line}", "", words)
        return
    line_of = partial(nearest_line, document)
    try:
        trigger = parse_trigger(document.value, name=str(file), line_of=line_of)
    except InvalidSpec as error:
        yield from (Finding(problem=problem) for problem in error.problems)
        return
    chosen = declared.chosen(trigger) if declared else ()
    folders = (site.loaded.root, *(one.base for one in chosen))
    is_list = isinstance(document.value["spec"]["when"], list)
    for index, use in enumerate(trigger.when):
        at = ("spec", "when", *((index,) if is_list else ()), "with")
        spot = Spot(file=file, document=document, at=at)
        yield from _look_at_use(site, use, spot, folders)
    if declared is not None:
        yield from _lost(trigger, declared, file, document)


def _look_at_use(site: Site, use: Use, spot: Spot, folders: tuple[Path, ...]) -> Iterator[Finding]:
    path = path_text(spot.at)
    found = list(mistakes(site, "triggers", use, spot.line_of(), path))
    yield from (relocated(one, path, spot.line_of) for one in found)
    if not found:
        plugin = site.registry.build("triggers", use.name, use.options)
        yield from option_findings(site, plugin, spot, folders)


def _lost(
    trigger: TriggerSpec, declared: Declared, file: Path, document: Document
) -> Iterator[Finding]:
    """Find rollouts that are named and not declared, and labels that nobody has."""
    for index, choice in enumerate(trigger.rollouts):
        path = f"spec.rollouts[{index}]"
        where = f"{file}:{nearest_line(document, ('spec', 'rollouts', index))}"
        if choice.name and choice.name not in declared.rollouts:
            known = ", ".join(sorted(declared.rollouts)) or "none"
            yield _error(where, path, f"no rollout {choice.name!r} in the site; known: {known}")
        elif choice.select is not None and not _chosen(trigger, index, declared):
            words = "no rollout of the site has these labels"
            yield Finding(problem=Problem(where=where, path=path, message=words), is_error=False)


def _chosen(trigger: TriggerSpec, index: int, declared: Declared) -> bool:
    alone = trigger.model_copy(update={"rollouts": (trigger.rollouts[index],)})
    return bool(declared.chosen(alone))


async def look_at_named(file: Path, common: Common) -> list[Finding]:
    """Look at what a rollout names: clusters, its own triggers, and those whom it tells."""
    try:
        loaded = load(file, common)
    except RolloutError:
        return []  # it was told already
    async with opened(common, loaded) as site:
        found = (_clusters(site, loaded, common), _own(site, loaded))
        return [*found[0], *found[1], *feedback_findings(site, loaded)]


def _clusters(site: Site, loaded: LoadedRollout, common: Common) -> Iterator[Finding]:
    """Find clusters that the site does not have; a kubeconfig that is named has them all."""
    if site.loaded.path is None or common.kubeconfig or common.context:
        return
    spec, known = loaded.spec, site.loaded.file.clusters
    entries = enumerate(spec.config)
    named = [(("spec", "target", "cluster"), spec.target.cluster)]
    named += [
        (("spec", "config", index, "objects", "cluster"), entry.objects.cluster)  # type: ignore[misc]  # a number stands in it
        for index, entry in entries
        if entry.objects and entry.objects.cluster
    ]
    for path, name in named:
        if name and name not in known:
            where = f"{loaded.path}:{nearest_line(loaded.document, path)}"
            yield _error(where, path_text(path), unknown("clusters", name, known))


def _own(site: Site, loaded: LoadedRollout) -> Iterator[Finding]:
    folders = (site.loaded.root, loaded.base)
    for index, own in enumerate(loaded.spec.triggers):
        use = Use(name=own.use, options=own.options)
        at = ("spec", "triggers", index, "with")
        spot = Spot(file=loaded.path, document=loaded.document, at=at)
        yield from _look_at_use(site, use, spot, folders)


def _error(where: str, path: str, message: str) -> Finding:
    return Finding(problem=Problem(where=where, path=path, message=message))
