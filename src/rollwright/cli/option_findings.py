"""What ``lint`` finds in what options name: entries of the site, files, and secrets.

Before: the options of a plugin fit their form. After: what is not there is told.

A secret may be there where the site is at work, and not here: that is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from rollwright.cli.findings import Finding, Place, errors_of, mistakes, relocated
from rollwright.cli.lint_targets import nearby
from rollwright.documents import Document, nearest_line
from rollwright.engine.inputs.databases import options_of
from rollwright.engine.site import Site
from rollwright.engine.site_file.lines import key_lines
from rollwright.errors import Problem, RolloutError
from rollwright.plugins.contracts import Addressed, NamesEntries, SiteName
from rollwright.plugins.secret_refs import SecretSource, read_secret
from rollwright.rollouts.spec.problems import did_you_mean, path_text
from rollwright.rollouts.spec.uses import BLOCK

SHORTEST_SECRET = 16
"""Characters; what is shorter can be guessed, and an address is made of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where the options of a plugin stand."""

    file: Path
    document: Document
    at: Place

    def line_of(self, place: Place = ()) -> str:
        """Return the file and line of an option."""
        return f"{self.file}:{nearest_line(self.document, (*self.at, *place))}"

    def problem(self, message: str, *place: str | int) -> Problem:
        """Return a problem of an option."""
        path = path_text((*self.at, *place))
        return Problem(where=self.line_of(place), path=path, message=message)


def option_findings(
    site: Site, plugin: Any, spot: Spot, folders: tuple[Path, ...]
) -> Iterator[Finding]:
    """Yield what a plugin names that is not there."""
    if isinstance(plugin, NamesEntries):
        try:
            names = tuple(plugin.site_names(folders))
        except RolloutError as error:
            yield from errors_of(error, spot.line_of())
            names = ()
        for one in names:
            yield from _named(site, one, spot)
    is_address = isinstance(plugin, Addressed)
    for place, source in secrets_in(plugin):
        if words := secret_trouble(source, site.loaded.root, is_address=is_address):
            yield Finding(problem=spot.problem(words, *place), is_error=False)


def _named(site: Site, one: SiteName, spot: Spot) -> Iterator[Finding]:
    known: Mapping[str, object] = getattr(site.loaded.file, one.table)
    if one.table == "clusters" and not one.name:
        return  # the current context
    if one.name not in known:
        yield Finding(problem=spot.problem(unknown(one.table, one.name, known), one.option))
    elif one.table == "databases":
        yield from database_findings(site, one.name)


def unknown(table: str, name: str, known: Mapping[str, object]) -> str:
    """Say that the site has no entry of a name."""
    words = ", ".join(sorted(known)) or "none"
    hint = did_you_mean(name, known)
    return f"no {table.removesuffix('s')} {name!r} in site.toml; known: {words}{hint}"


def site_findings(site: Site) -> Iterator[Finding]:
    """Yield what is wrong with the stores, locks and databases of a site."""
    file = site.loaded.file
    for group, uses in (("stores", file.stores), ("locks", file.locks)):
        for name, use in uses.items():
            if use.name != BLOCK:  # only the Prefect server knows
                path = f"{group}.{name}"
                line_of = partial(_line_in_site, site, (group, name))
                for one in mistakes(site, group, use, line_of(()), f"{path}.with"):
                    yield relocated(one, path, line_of)
    for name in file.databases:
        yield from database_findings(site, name)


def _line_in_site(site: Site, entry: tuple[str, ...], place: Place) -> str:
    """Return the file and line of an option of an entry, or of what holds it."""
    path = site.loaded.path
    lines = key_lines(path.read_text(encoding="utf-8")) if path else {}
    key = (*entry, *place)
    found = (lines[key[:length]] for length in range(len(key), 0, -1) if key[:length] in lines)
    return f"{nearby(path) if path else 'site.toml'}:{next(found, 1)}"


def database_findings(site: Site, name: str) -> Iterator[Finding]:
    """Yield what is wrong with ``[databases.NAME]``."""
    path, line_of = f"databases.{name}", partial(_line_in_site, site, ("databases", name))
    try:
        options = options_of(site, name)
    except RolloutError as error:
        for one in errors_of(error, line_of(())):
            words = one.problem.message.removeprefix(f"{site.loaded.path}: {path}: ")
            problem = Problem(where=line_of(()), path=one.problem.path or path, message=words)
            yield relocated(Finding(problem=problem), path, line_of)
        return
    for place, source in secrets_in(options):
        if words := secret_trouble(source, Path()):
            shown = path_text(("databases", name, *place))
            problem = Problem(where=line_of(place), path=shown, message=words)
            yield Finding(problem=problem, is_error=False)


def secrets_in(value: Any, place: Place = ()) -> Iterator[tuple[Place, SecretSource]]:
    """Yield every secret that options name, by its place."""
    if isinstance(value, SecretSource):
        yield place, value
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from secrets_in(getattr(value, name), (*place, field.alias or name))
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from secrets_in(one, (*place, str(key)))
    elif isinstance(value, list | tuple):
        for index, one in enumerate(value):
            yield from secrets_in(one, (*place, index))


def secret_trouble(source: SecretSource, base: Path, *, is_address: bool = False) -> str:
    """Say what is wrong with a secret as it is here; empty if nothing is, or nobody can know.

    Args:
        source: Where it is.
        base: Folder that the paths of files start in.
        is_address: Whether an address is made of it, which nobody may guess.
    """
    if source.block is not None:
        return ""  # only the Prefect server knows
    if source.file is not None:
        path = str(base / Path(source.file).expanduser())
        source = source.model_copy(update={"file": path})
    try:
        text = read_secret(source, "secret")
    except RolloutError as error:
        return f"{error.message.removeprefix('secret: ')}, at least here"
    if is_address and len(text) < SHORTEST_SECRET:
        return f"the secret has {len(text)} characters, so it can be guessed; expected at least {SHORTEST_SECRET}"
    return ""
