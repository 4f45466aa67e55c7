"""``query``: rows of a database, each a reason to look (DOC-52).

Before: something writes rows that stand for what is wanted, such as customers.
After: one run per row, or per key, with the row as its configuration.

The same rows are found at every poll, and every poll runs them again unless the run of their key is
still at work (DOC-54): the older system did so, rows are often a list of what is to be kept as it
is, and a run that finds nothing to do costs little. Where rows are many or rarely change,
``once: perContent`` runs one again only when what it holds has changed.

Statements are text of documents; what comes from outside is at most a bound parameter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from rollwright.documents import load_all
from rollwright.errors import InvalidDocument, InvalidSpec, NotFound, Refused, RolloutError
from rollwright.plugins.contracts import Firing, ListenRequest
from rollwright.plugins.options import OPTIONS, problems_of
from rollwright.rollouts.spec.durations import Duration

RAW_CONFIG = "generic-operator/config"
"""What older sources import as the raw configuration; for grouped rows it is a list."""

Row = Mapping[str, Any]


class Once(StrEnum):
    """When a row that was run is run again."""

    NEVER = "never"
    """At every poll, when its run has ended."""
    PER_CONTENT = "perContent"
    """When what it holds has changed, or it was gone meanwhile."""


class RowQuery(BaseModel):
    """One statement whose rows are runs; an entry of a file of the older form has no more."""

    model_config = OPTIONS

    name: str = Field(default="", description="What messages call it.")
    database: str = Field(
        min_length=1, description="A database of the site.", validation_alias="databaseName"
    )
    query: str = Field(min_length=1, description="One SQL statement that reads.")
    key: str = Field(min_length=1, description="The column whose value tells instances apart.")
    groups_rows_to_array: bool = Field(
        default=False, strict=True, description="One run for all rows of a key."
    )

    @property
    def what(self) -> str:
        """What messages call it."""
        return f"query {self.name!r}" if self.name else f"query of database {self.database!r}"


class _OlderFile(BaseModel):
    model_config = OPTIONS

    triggers: tuple[RowQuery, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The rows of one key."""

    key: str
    rows: tuple[Row, ...]
    digest: str


class Query(BaseModel):
    """Asks a database again and again; its rows start runs."""

    model_config = OPTIONS

    database: str = Field(default="", description="A database of the site.")
    query: str = Field(default="", description="One SQL statement that reads.")
    statement: str = Field(default="", description="The same, by the name that the site uses.")
    key: str = Field(default="", description="The column whose value tells instances apart.")
    group_rows: bool = Field(
        default=False,
        strict=True,
        description="One run for all rows of a key, with the rows as {rows: […]}.",
    )
    groups_rows_to_array: bool = Field(
        default=False, strict=True, description="The same, by its older name."
    )
    parameters: tuple[str | int | float | bool | None, ...] = Field(
        default=(), description="Values for $1, $2, … of the statement."
    )
    interval: Duration = Field(
        default=timedelta(seconds=10),
        description="From one poll to the next.",
        json_schema_extra={"default": "10s"},
    )
    once: Once = Field(
        default=Once.NEVER,
        description="never: rows are run at every poll; perContent: when they have changed.",
    )
    file: str = Field(
        default="", description="A file of the older form that holds all this: {triggers: […]}."
    )

    @field_validator("interval")
    @classmethod
    def _is_no_busy_loop(cls, interval: timedelta) -> timedelta:
        if interval < timedelta(seconds=1):
            raise ValueError("expected at least 1s")
        return interval

    @model_validator(mode="after")
    def _asks_something(self) -> Query:
        given = (self.database, self.query, self.statement, self.key)
        if self.file:
            if any(given) or self.parameters or self._is_grouped:
                raise ValueError("file holds the queries; nothing of them stands beside it")
            return self
        if bool(self.query) is bool(self.statement):
            raise ValueError("expected either query or statement, or file")
        if not self.database or not self.key:
            raise ValueError("expected database and key")
        return self

    @property
    def _is_grouped(self) -> bool:
        return self.group_rows or self.groups_rows_to_array

    def _own(self) -> RowQuery:
        return RowQuery.model_validate(
            {
                "databaseName": self.database,
                "query": self.query or self.statement,
                "key": self.key,
                "groupsRowsToArray": self._is_grouped,
            }
        )

    async def listen(self, request: ListenRequest) -> AsyncIterator[Firing]:
        """Poll for ever; a database that is away is asked again at the next poll."""
        queries: tuple[RowQuery, ...] = () if self.file else (self._own(),)
        if self.file:
            queries = await asyncio.to_thread(read_file, self.file, request.folders)
        memory = dict(await request.recall()) if self.once is Once.PER_CONTENT else {}
        while True:
            for place, one in enumerate(queries):
                async for firing in self._poll(request, one, f"{place}:", memory):
                    yield firing
            await asyncio.sleep(self.interval.total_seconds())

    async def _poll(
        self, request: ListenRequest, one: RowQuery, prefix: str, memory: dict[str, str]
    ) -> AsyncIterator[Firing]:
        """Ask once; ``memory`` is what was run last, by place of the query and key."""
        polled_at = datetime.now(UTC)
        try:
            found = await self._ask(request, one)
        except (RolloutError, OSError, TimeoutError) as error:
            request.failed(error)
            return
        fresh = {f"{prefix}{rows.key}": rows for rows in found}
        before = {key: text for key, text in memory.items() if key.startswith(prefix)}
        for key, rows in fresh.items():
            if before.get(key) != rows.digest:
                yield self._firing(request, one, rows, polled_at)
        now = {key: rows.digest for key, rows in fresh.items()}
        if self.once is Once.PER_CONTENT and now != before:
            for key in before.keys() - now.keys():
                del memory[key]
            memory.update(now)
            await request.remember(memory)

    async def _ask(self, request: ListenRequest, one: RowQuery) -> tuple[_Found, ...]:
        rows = await request.query(one.database, one.query, *self.parameters)
        found, faults = keyed(one, rows)
        for fault in faults:
            request.failed(fault)
        if len({rows.key for rows in found}) > 1 and not request.is_per_key:
            raise Refused(
                f"{one.what}: {len(found)} keys are for one rollout, and each run would remove"
                " what the others made",
                hint="write `instances: perKey` in the trigger, or select one row",
            )
        return found

    def _firing(
        self, request: ListenRequest, one: RowQuery, found: _Found, polled_at: datetime
    ) -> Firing:
        """Return what one key fires; a poll of its own makes it another firing."""
        parts = (request.name, one.name, found.key, found.digest, polled_at.isoformat())
        rows = [dict(row) for row in found.rows]
        return Firing(
            id=f"{request.name}:{sha256(repr(parts).encode()).hexdigest()[:32]}",
            key=found.key,
            actor=f"trigger {request.name}",
            config={"rows": rows} if one.groups_rows_to_array else rows[0],
            data={RAW_CONFIG: rows} if one.groups_rows_to_array else {},
            when_active="drop",
        )


def keyed(
    one: RowQuery, rows: Iterable[Row]
) -> tuple[tuple[_Found, ...], tuple[InvalidDocument, ...]]:
    """Return rows by their keys in the order they came, and what is wrong with others.

    Without grouping a second row of a key is left out: its run would be at work (DOC-54).
    """
    by_key: dict[str, list[Row]] = {}
    faults: list[InvalidDocument] = []
    for row in rows:
        if one.key not in row:
            known = ", ".join(sorted(row))
            faults.append(InvalidDocument(f"{one.what}: no column {one.key!r}; known: {known}"))
            break  # the others have the same columns
        if row[one.key] is None or row[one.key] == "":
            faults.append(InvalidDocument(f"{one.what}: a row has no key: {one.key} is empty"))
            continue
        mine = by_key.setdefault(key_text(row[one.key]), [])
        if one.groups_rows_to_array or not mine:
            mine.append(row)
    return tuple(_found(by_key)), tuple(dict.fromkeys(faults))


def _found(by_key: Mapping[str, Sequence[Row]]) -> Iterator[_Found]:
    for key, rows in by_key.items():
        content = orjson.dumps(rows, option=orjson.OPT_SORT_KEYS, default=str)
        yield _Found(key=key, rows=tuple(rows), digest=sha256(content).hexdigest()[:24])


def key_text(value: Any) -> str:
    """Return a key for the value of a column (DOC-53).

    A string is what it is; bytes arrive as hex already; anything else is as it is printed.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=str).decode()


def read_file(name: str, folders: tuple[Path, ...]) -> tuple[RowQuery, ...]:
    """Read a file of the older form.

    Raises:
        NotFound: It is in none of the folders.
        InvalidDocument: It is no YAML or JSON.
        InvalidSpec: It holds no queries; every problem is in it.
    """
    places = [folder / Path(name).expanduser() for folder in folders]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        where = ", ".join(map(str, folders)) or "no folder"
        raise NotFound(f"no file {name!r}; looked in {where}")
    documents = load_all(file.read_bytes(), name=str(file))
    value = documents[0].value if len(documents) == 1 else None
    try:
        return _OlderFile.model_validate(value).triggers
    except ValidationError as error:
        raise InvalidSpec(problems_of(error, where=str(file), path="")) from error
