"""The values that a renderer gets, and where each of them came from.

Before: ``fetch`` gave the source's tree; a document lists entries of ``config``.
After: ``rendering`` hands the values to renderers.

Entries are laid over one another in their order: maps are merged, everything else is replaced.
Live objects and rows are read anew for each rendering, once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

from rollwright.documents import nearest_line
from rollwright.engine.documents import merge
from rollwright.engine.inputs.conditions import holds
from rollwright.engine.inputs.config_files import find_file, read_file
from rollwright.engine.inputs.config_lookups import Looked, look_up_objects, look_up_rows
from rollwright.engine.inputs.config_variables import read_variables
from rollwright.engine.inputs.configured import Configured, Layer
from rollwright.engine.inputs.databases import query
from rollwright.engine.site import Site
from rollwright.errors import (
    ClusterError,
    InvalidDocument,
    InvalidSpec,
    NotFound,
    Problem,
    Refused,
    RenderError,
    RolloutError,
)
from rollwright.plugins import tree
from rollwright.plugins.contracts import Checkout
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.spec.configuration import ConfigEntry, TriggerValues

T = TypeVar("T")

_MISTAKES = (ClusterError, InvalidDocument, InvalidSpec, NotFound, Refused, RenderError)
"""What is told with its place in the document, beside the others."""

_RAW_CONFIGS = ("rollwright/config", "generic-operator/config")
"""What jsonnet imports as the raw configuration, by its name and by its older one."""

_SEARCHED_BYTES = 2**20
"""Of one file of the source, for the names of queries."""


async def configure(
    site: Site, spec: RolloutSpec, checkout: Checkout, *, may_ask: bool = True
) -> Configured:
    """Return what renderers get; live objects and rows are read now.

    Args:
        site: Names files, clusters and databases.
        spec: What was declared.
        checkout: The source's tree.
        may_ask: Whether a cluster may be asked.

    Raises:
        InvalidSpec: Entries cannot be read; every problem of the document is in it.
        RolloutError: A cluster or database does not answer.
    """
    values: dict[str, Any] = {}
    layers, problems = [], []
    reader = _Reader(site, spec, checkout, may_ask=may_ask)
    for index, entry in enumerate(spec.config):
        try:
            if not await holds(entry.when, values, site, spec):
                continue
            layer = await reader.read(index, entry)
        except _MISTAKES as error:
            if error.retryable:
                raise
            problems.append(reader.problem(index, entry, error))
        else:
            layers.append(layer)
            values = merge(values, layer.values)
    if problems:
        raise InvalidSpec(problems)
    return Configured(
        values=values,
        data={**({} if spec.config else _raw(site)), **await _data(site, checkout)},
        layers=tuple(layers),
        premises=dict(layer.premise for layer in layers if layer.premise),
    )


def _given(value: T | None) -> T:
    """Return what the source of an entry is known to have."""
    if value is None:
        raise LookupError("an entry without the source that it names")
    return value


class _Reader:
    """Reads the entries of one document."""

    def __init__(self, site: Site, spec: RolloutSpec, checkout: Checkout, *, may_ask: bool) -> None:
        self._site = site
        self._spec = spec
        self._may_ask = may_ask
        loaded = site.loaded
        roots = (site.base, *((loaded.root,) if loaded.path else ()), checkout.bounds)
        self._fences = tuple(one if one.is_dir() else one.parent for one in roots)

    async def read(self, index: int, entry: ConfigEntry) -> Layer:
        """Return what an entry gives."""
        read = getattr(self, f"_read_{entry.source}")
        layer: Layer = await read(self._where(index, entry), entry)
        return layer

    def problem(self, index: int, entry: ConfigEntry, error: RolloutError) -> Problem:
        """Return a mistake with its place in the document."""
        where, _, path = self._where(index, entry).rpartition(" ")
        hint = f" ({error.hint})" if error.hint else ""
        return Problem(where=where, path=path, message=f"{error.message}{hint}")

    def _where(self, index: int, entry: ConfigEntry) -> str:
        path = f"spec.config[{index}].{entry.source}"
        rollout = self._site.rollout
        if rollout is None:
            return f"{self._spec.name} {path}"
        line = nearest_line(rollout.document, ("spec", "config", index, entry.source))
        return f"{rollout.path}:{line} {path}"

    async def _read_values(self, where: str, entry: ConfigEntry) -> Layer:
        return Layer(values=_put(entry.place, entry.values or {}), origin=where)

    async def _read_file(self, _where: str, entry: ConfigEntry) -> Layer:
        path = find_file(entry.file or "", self._site.base, self._fences)
        found = await read_file(path)
        depth = len(entry.place)
        return Layer(
            values=_put(entry.place, found.values),
            origin=found.name,
            line_of=lambda path: found.line_of(path[depth:]),
            hidden=frozenset() if entry.reveal else found.hidden,
        )

    async def _read_environment(self, where: str, entry: ConfigEntry) -> Layer:
        allowed = self._site.loaded.file.rendering.environment
        found = read_variables(_given(entry.environment), allowed, os.environ)
        values: Mapping[str, Any] = {}
        for place, value in found.values.items():
            values = merge(values, _put(tuple(place.split(".")), value))
        return Layer(
            values=_put(entry.place, values),
            origin=where,
            hidden=frozenset() if entry.reveal else found.hidden,
        )

    async def _read_trigger(self, where: str, entry: ConfigEntry) -> Layer:
        trigger, wanted = self._site.trigger, entry.trigger or TriggerValues()
        brought: Any = trigger.config if trigger else {}
        for key in wanted.path.split(".") if wanted.path else ():
            brought = brought.get(key, {}) if isinstance(brought, Mapping) else {}
        if not entry.place and not isinstance(brought, Mapping):
            raise InvalidDocument(
                f"the trigger brought no mapping at {wanted.path or 'its top'}",
                hint="write `as`, the key that it is put under",
            )
        kind = f" (trigger {trigger.kind})" if trigger else ""
        return Layer(values=_put(entry.place, brought), origin=f"{where}{kind}")

    async def _read_objects(self, where: str, entry: ConfigEntry) -> Layer:
        if not self._may_ask:
            raise Refused(
                "live objects are read from the cluster, and this command asks none",
                hint="name one: --cluster, --context or --kubeconfig; or make a plan",
            )
        found = await look_up_objects(self._site, self._spec, _given(entry.objects))
        return _of_looked(where, entry, found)

    async def _read_query(self, where: str, entry: ConfigEntry) -> Layer:
        return _of_looked(where, entry, await look_up_rows(self._site, _given(entry.query)))


def _of_looked(where: str, entry: ConfigEntry, found: Looked) -> Layer:
    path = where.rpartition(" ")[2]
    return Layer(
        values=_put(entry.place, found.value),
        origin=f"{where} ({found.what})",
        hidden=frozenset() if entry.reveal else found.hidden,
        premise=(f"{path} ({found.what})", found.digest),
    )


def _put(place: tuple[str, ...], value: Any) -> Mapping[str, Any]:
    for key in reversed(place):
        value = {key: value}
    put: Mapping[str, Any] = value
    return put


def _raw(site: Site) -> Mapping[str, Any]:
    """Return what sources import as the configuration where the document names none (DOC-1)."""
    brought = site.trigger.config if site.trigger else {}
    return dict.fromkeys(_RAW_CONFIGS, brought) if brought else {}


async def _data(site: Site, checkout: Checkout) -> Mapping[str, Any]:
    """Return what renderers may import: the trigger's data, and queries that the source names."""
    brought = dict(site.trigger.data) if site.trigger else {}
    queries = {name: one for name, one in site.loaded.file.queries.items() if name not in brought}
    named = await asyncio.to_thread(_named, frozenset(queries), checkout) if queries else ()
    for name in sorted(named):
        wanted = queries[name]
        rows = await query(site, wanted.database, wanted.statement)
        brought[name] = [dict(row) for row in rows]
    return brought


def _named(names: frozenset[str], checkout: Checkout) -> frozenset[str]:
    """Return the queries whose names stand in files of the source: nobody else could import them."""
    found: set[str] = set()
    for path in tree.files(checkout.bounds, checkout.bounds):
        text = b""
        with suppress(OSError):
            text = path.read_bytes() if path.stat().st_size <= _SEARCHED_BYTES else b""
        found |= {name for name in names - found if name.encode() in text}
    return frozenset(found)
