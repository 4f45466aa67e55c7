"""What ``doctor`` says of a site's triggers: whether they can fire, and whether somebody listens.

Before: ``doctor`` looked at clusters and databases. After: it prints the findings.

Whoever listens is another process, and keeps to itself what goes wrong there; so what a trigger
asks is asked from here, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from rollwright.cli.diagnosis import Finding, Level
from rollwright.cli.option_findings import secret_trouble, secrets_in, unknown
from rollwright.engine.inputs.databases import columns_of
from rollwright.engine.listening.declared import Declared, declared_in
from rollwright.engine.listening.leaving_out import in_a_line
from rollwright.engine.listening.listener import Listened
from rollwright.engine.listening.readiness import Verdict, listened_to
from rollwright.engine.listening.service import Service, make_service
from rollwright.engine.site import Site
from rollwright.errors import RolloutError
from rollwright.plugins.contracts import Addressed, NamesEntries, SiteName
from rollwright.rollouts.spec.problems import path_text
from rollwright.rollouts.spec.trigger import TriggerSpec

_SHOWN = 20
_SOURCES_ASKED = 5
_LISTEN = "run `rollwright listen`, as a service for example"


async def trigger_checkup(site: Site) -> list[Finding]:
    """Look at every declared trigger; nothing is said of a site that declares none."""
    declared = declared_in(site.loaded)
    found = [
        _finding("declared", fault, "`rollwright lint` says more")
        for fault in declared.faults[:_SHOWN]
    ]
    try:
        service = make_service(site)
    except RolloutError as error:
        return [_finding("triggers", error.message, "`rollwright lint` says where", Level.FAIL)]
    found += _left_out(service)
    if not service.listening.all():
        return found
    verdicts = {one.subject: one for one in await listened_to(service)}
    if (whole := verdicts.pop("triggers", None)) is not None:
        found.append(_finding("triggers", whole.words, ""))
        return [*found, *[one async for one in _cannot_work(service)]]
    return [*found, *[one async for one in _of_each(service, verdicts)]]


def _left_out(service: Service) -> Iterable[Finding]:
    """Find triggers that cannot even be made: a listener goes on without them."""
    service.listening.all()
    for name, error in service.listening.left_out.items():
        text = f"{in_a_line(error)}; it is left out"
        yield _finding(f"trigger {name}", text, "mend the document", Level.FAIL)


async def _cannot_work(service: Service) -> AsyncIterator[Finding]:
    for one in service.listening.all():
        async for trouble in _Look(service, one).troubles():
            yield trouble


async def _of_each(service: Service, verdicts: dict[str, Verdict]) -> AsyncIterator[Finding]:
    for one in service.listening.all():
        troubles = [trouble async for trouble in _Look(service, one).troubles()]
        for trouble in troubles:
            yield trouble
        verdict = verdicts.get(f"trigger {one.name}")
        finding = _of_one(service.declared, one, verdict)
        # What cannot work is not good because somebody waits for it.
        if finding.level is not Level.OK or not troubles:
            yield finding


def _of_one(declared: Declared, one: Listened, verdict: Verdict | None) -> Finding:
    subject = f"trigger {one.name}"
    count = len(declared.chosen(one.trigger))
    what = f"{one.use.name} for {_rollouts(declared, one.trigger)}"
    if one.trigger.suspend:
        return _finding(subject, f"{what}, suspended", "", Level.OK)
    if not count:
        return _finding(subject, f"{what}: it can start nothing", "`rollwright lint` says why")
    if verdict is None:
        words = f"{what}; deliveries come in where somebody listens"
        return _finding(subject, words, "", Level.OK)
    if verdict.is_good:
        return _finding(subject, f"{what}; {verdict.words}", "", Level.OK)
    return _finding(subject, f"{what}; {verdict.words}", _LISTEN)


def _rollouts(declared: Declared, trigger: TriggerSpec) -> str:
    chosen = declared.chosen(trigger)
    words = "1 rollout" if len(chosen) == 1 else f"{len(chosen)} rollouts"
    suspended = [one.spec.name for one in chosen if one.spec.suspend]
    if not suspended:
        return words
    which = "suspended" if len(suspended) == len(chosen) else f"{len(suspended)} suspended"
    return f"{words} ({which})"


@dataclass(frozen=True, slots=True)
class _Look:
    """One trigger, and what keeps it from its work."""

    service: Service
    one: Listened

    async def troubles(self) -> AsyncIterator[Finding]:
        """Yield what is not there, or does not answer, that the trigger needs."""
        if self.one.trigger.suspend:
            return
        for words in self._secrets():
            yield self._finding(words)
        try:
            names = self._names()
        except RolloutError as error:
            yield self._finding(error.message, Level.FAIL)
            return
        for name in names:
            if words := await self._missing(name):
                yield self._finding(words, Level.FAIL)
        async for words in self._sources():
            yield self._finding(words)

    def _finding(self, words: str, level: Level = Level.WARN) -> Finding:
        return _finding(f"trigger {self.one.name}", f"{self.one.use.name}: {words}", "", level)

    def _secrets(self) -> Iterable[str]:
        plugin, root = self.one.plugin, self.service.site.loaded.root
        is_address = isinstance(plugin, Addressed)
        for place, source in secrets_in(plugin):
            if words := secret_trouble(source, root, is_address=is_address):
                yield f"{path_text(place)}: {words}"

    def _names(self) -> tuple[SiteName, ...]:
        plugin, site = self.one.plugin, self.service.site
        if not isinstance(plugin, NamesEntries):
            return ()
        chosen = self.service.declared.chosen(self.one.trigger)
        return tuple(plugin.site_names((site.loaded.root, *(one.base for one in chosen))))

    async def _missing(self, name: SiteName) -> str:
        """Say what is wrong with an entry of the site, and with what is asked there."""
        site = self.service.site
        known = getattr(site.loaded.file, name.table)
        if name.name and name.name not in known:
            return unknown(name.table, name.name, known)
        try:
            if name.table == "clusters":
                await site.cluster_named(name.name)
            elif name.statement:
                columns = await columns_of(site, name.name, name.statement)
                return _without(name, columns)
        except RolloutError as error:
            return error.message
        return ""

    async def _sources(self) -> AsyncIterator[str]:
        """Ask a few of the sources that the trigger looks at."""
        if not getattr(self.one.plugin, "asks_sources", False):
            return
        sources = self.service.listening.sources
        asked: set[str] = set()
        for loaded in self.service.declared.chosen(self.one.trigger):
            name = loaded.spec.name
            try:
                place = sources.place(name)
                if place not in asked and len(asked) < _SOURCES_ASKED:
                    asked.add(place)
                    await sources.resolve(name)
            except RolloutError as error:
                yield f"{name}: {error.message}"


def _without(name: SiteName, columns: tuple[str, ...]) -> str:
    if name.column and name.column not in columns:
        known = ", ".join(columns) or "none"
        return f"database {name.name!r}: no column {name.column!r}; known: {known}"
    return ""


def _finding(subject: str, text: str, advice: str, level: Level = Level.WARN) -> Finding:
    return Finding(level=level, subject=subject, text=text, advice=advice)
