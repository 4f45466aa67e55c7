"""Which plugins there are, and how one is made from a name and its options.

Before: the site said which distributions and files of its own may bring plugins.
After: ``engine.site`` builds what a document names.

Three places in one order: the ``BUILTIN`` tables of our own packages, entry points of allowed
distributions, files of the site. A name that stands in two of them is an error. A document can
only ask for a name; what that name imports is decided here. Nothing is imported before its
group is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path
from typing import Any

from rollwright.errors import InvalidSpec, PluginNotFound, Problem
from rollwright.plugins.blocks import BLOCK, named_by_block
from rollwright.plugins.blocks import GROUPS as BLOCK_GROUPS
from rollwright.plugins.site_files import SiteFiles

METHODS: Mapping[str, tuple[str, ...]] = {
    "sources": ("fetch",),
    "renderers": ("render",),
    "transformers": ("transform",),
    "validators": ("validate",),
    "actions": ("run",),
    "checks": ("evaluate",),
    "triggers": ("read", "listen"),
    "stores": ("bind",),
    "locks": ("bind",),
    "feedback": ("tell", "bind"),
}
"""Every kind of plugin, with the methods of which it has one."""

GROUPS = tuple(METHODS)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """One registered plugin, for people.

    Attributes:
        group: Kind of plugin, such as ``renderers``.
        name: What documents call it.
        where: What is imported for it: ``module:Name``, or ``file.py:Name`` in the site.
        distribution: The installed distribution that brings it; empty for a file of the site.
        version: Version of the distribution.
        schema: Imports the plugin and returns the JSON Schema of its options.
    """

    group: str
    name: str
    where: str
    distribution: str
    version: str
    schema: Callable[[], Mapping[str, Any]] = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    group: str
    name: str
    where: str
    load: Callable[[], Any]
    distribution: str = ""
    version: str = ""

    @property
    def place(self) -> str:
        brought_by = f"{self.distribution} {self.version}".strip()
        return f"{self.where} ({brought_by})" if brought_by else self.where


class Registry:
    """The plugins of one site.

    Args:
        allow: Globs of distribution names whose entry points count; none by default.
        site: Folder of the site.
        files: Plugins in files of the site: group, name, ``file.py:Name`` below ``site``.
        where: What messages call the document that holds ``files``.

    Raises:
        InvalidSpec: ``files`` names a group that does not exist, or is not of that form.
    """

    def __init__(
        self,
        *,
        allow: Iterable[str] = (),
        site: Path | None = None,
        files: Mapping[str, Mapping[str, str]] | None = None,
        where: str = "site.toml",
    ) -> None:
        self._allow = tuple(_normalized(glob) for glob in allow)
        self._files = {group: dict(table) for group, table in (files or {}).items()}
        self._where = where
        self._site_files = SiteFiles(site or Path())
        self._tables: dict[str, Mapping[str, _Entry]] = {}
        self._types: dict[tuple[str, str], type[Any]] = {}
        self._blocks: dict[tuple[str, str], tuple[str, Mapping[str, Any]]] = {}
        problems = tuple(self._site_problems())
        if problems:
            raise InvalidSpec(problems)

    def find(self, group: str, name: str) -> type[Any]:
        """Return the type of a plugin.

        Raises:
            PluginNotFound: Nothing is registered under that name.
            InvalidSpec: It cannot be loaded, or a name of its group stands twice.
        """
        key = (group, name)
        if key not in self._types:
            self._types[key] = self._load(self._entry(group, name))
        return self._types[key]

    def build(
        self,
        group: str,
        name: str,
        options: Mapping[str, Any] | None = None,
        *,
        where: str = "",
        path: str = "with",
    ) -> Any:
        """Make a plugin of its options.

        Args:
            group: Kind of plugin, such as ``renderers``.
            name: A registered name.
            options: What stands under ``with``.
            where: File and line of the options, for messages.
            path: Place of the options in their document, for messages.

        Raises:
            PluginNotFound: Nothing is registered under that name.
            InvalidSpec: Options do not fit; every problem at once.
        """
        from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415  (0.1 s; help needs none)

        from rollwright.plugins.options import problems_of  # noqa: PLC0415  (imports pydantic)

        if name == BLOCK and group in BLOCK_GROUPS:
            path = f"block {(options or {}).get('name')}"
            name, options = self._by_block(group, options or {})
        plugin = self.find(group, name)
        try:
            return TypeAdapter(plugin).validate_python(dict(options or {}))
        except ValidationError as error:
            problems = problems_of(error, where=where, path=path, form=plugin)
            raise InvalidSpec(problems) from error

    def _by_block(self, group: str, options: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """Return what a block says, asked for once."""
        key = (group, repr(options))
        if key not in self._blocks:
            self._blocks[key] = named_by_block(group, options)
        return self._blocks[key]

    def names(self, group: str) -> tuple[str, ...]:
        """Return the registered names of a group, sorted."""
        return tuple(sorted(self._table(group)))

    def listing(self) -> tuple[PluginInfo, ...]:
        """Return every plugin by group and name; loads none of them.

        Raises:
            InvalidSpec: A name stands twice.
        """
        return tuple(
            self._info(self._table(group)[name]) for group in GROUPS for name in self.names(group)
        )

    def _info(self, entry: _Entry) -> PluginInfo:
        def schema() -> Mapping[str, Any]:
            from rollwright.plugins.option_schemas import (  # noqa: PLC0415  (imports pydantic)
                schema_of_options,
            )

            return schema_of_options(self.find(entry.group, entry.name))

        return PluginInfo(
            group=entry.group,
            name=entry.name,
            where=entry.where,
            distribution=entry.distribution,
            version=entry.version,
            schema=schema,
        )

    def _entry(self, group: str, name: str) -> _Entry:
        table = self._table(group)
        if name in table:
            return table[name]
        error = PluginNotFound(group, name, known=table)
        offered = [point for point in _points(group) if point.name == name]
        if offered:
            error.hint = f"{_brought_by(offered[0])} has it: add it to [plugins] allow"
        raise error

    def _table(self, group: str) -> Mapping[str, _Entry]:
        if group not in METHODS:
            raise PluginNotFound("groups", group, known=GROUPS)
        if group not in self._tables:
            self._tables[group] = self._joined(group)
        return self._tables[group]

    def _joined(self, group: str) -> Mapping[str, _Entry]:
        table: dict[str, _Entry] = {}
        problems = []
        for entry in (*self._builtin(group), *self._installed(group), *self._of_site(group)):
            first = table.setdefault(entry.name, entry)
            if first is not entry:
                message = f"registered twice: {first.place} and {entry.place}"
                path = f"plugins.{group}.{entry.name}"
                problems.append(Problem(where=self._where, path=path, message=message))
        if problems:
            raise InvalidSpec(problems, hint="rename the plugin, or drop one of the two")
        return table

    def _builtin(self, group: str) -> Iterator[_Entry]:
        for name, where in _builtin_table(group).items():
            yield _Entry(
                group=group,
                name=name,
                where=where,
                load=lambda where=where: _imported(where),  # type: ignore[misc]  # bound now
                distribution="rollwright",
                version=self._own_version,
            )

    def _installed(self, group: str) -> Iterator[_Entry]:
        for point in _points(group) if self._allow else ():
            distribution = _brought_by(point)
            if any(fnmatchcase(_normalized(distribution), glob) for glob in self._allow):
                yield _Entry(
                    group=group,
                    name=point.name,
                    where=point.value,
                    load=point.load,
                    distribution=distribution,
                    version=point.dist.version if point.dist else "",
                )

    def _of_site(self, group: str) -> Iterator[_Entry]:
        for name, where in self._files.get(group, {}).items():
            yield _Entry(
                group=group,
                name=name,
                where=where,
                load=lambda where=where: self._site_files.load(where),  # type: ignore[misc]  # bound now
            )

    def _load(self, entry: _Entry) -> type[Any]:
        path = f"plugins.{entry.group}.{entry.name}"
        try:
            found = entry.load()
        except Exception as error:
            message = f"cannot load {entry.place}: {type(error).__name__}: {error}"
            raise InvalidSpec([self._problem(path, message)]) from error
        if not isinstance(found, type) or not any(
            callable(getattr(found, method, None)) for method in METHODS[entry.group]
        ):
            wanted = " or ".join(METHODS[entry.group])
            message = f"{entry.place} is not a class with a method {wanted}"
            raise InvalidSpec([self._problem(path, message)])
        return found

    def _site_problems(self) -> Iterator[Problem]:
        for group, table in self._files.items():
            if group not in METHODS:
                close = get_close_matches(group, GROUPS, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                yield self._problem(f"plugins.{group}", f"no such kind of plugin{hint}")
                continue
            for name, where in table.items():
                path = f"plugins.{group}.{name}"
                if not _NAME.fullmatch(name):
                    yield self._problem(path, "not a name: letters, digits, '_', '.' and '-'")
                why = self._site_files.refusal(where)
                if why:
                    yield self._problem(path, why)

    def _problem(self, path: str, message: str) -> Problem:
        return Problem(where=self._where, path=path, message=message)

    @cached_property
    def _own_version(self) -> str:
        return version("rollwright")


def _builtin_table(group: str) -> Mapping[str, str]:
    package = f"rollwright.{group}"
    try:
        module = import_module(package)
    except ModuleNotFoundError as error:
        if error.name == package:
            return {}
        raise
    table: Mapping[str, str] = getattr(module, "BUILTIN", {})
    return table


def _imported(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)


def _points(group: str) -> tuple[EntryPoint, ...]:
    points = entry_points(group=f"rollwright.{group}")
    return tuple(sorted(points, key=lambda point: (_brought_by(point), point.name)))


def _brought_by(point: EntryPoint) -> str:
    return point.dist.name if point.dist else ""


def _normalized(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()
