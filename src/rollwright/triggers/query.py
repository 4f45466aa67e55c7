"""``query``: rows of a database, each a reason to look (DOC-52).

Before: something writes rows that stand for what is wanted, such as customers.
After: one run per row, or per key, with the row as its configuration.

The same rows are found at every poll, and every poll runs them again unless the run of their key is
still at work (DOC-54): the older system did so, rows are often a list of what is to be kept as it
is, and a run that finds nothing to do costs little. Where rows are many or rarely change,
``once: perContent`` runs one again only when what it holds has changed. What was made for a row
that is gone stays, as it did then, unless ``gone: remove`` says otherwise.

Statements are text of documents; what comes from outside is at most a bound parameter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, Field, field_validator, model_validator

from rollwright.errors import Refused, RolloutError
from rollwright.plugins.contracts import Firing, ListenRequest, SiteName
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.spec.durations import Duration
from rollwright.triggers.query_rows import Answer, Found, Row, RowQuery, keyed, read_file

RAW_CONFIG = "generic-operator/config"
"""What older sources import as the raw configuration; for grouped rows it is a list."""

LARGE_BYTES = 64 * 2**10
"""Of what a firing brings along; what is larger is asked for again when its run begins."""


class Once(StrEnum):
    """When a row that was run is run again."""

    NEVER = "never"
    """At every poll, when its run has ended."""
    PER_CONTENT = "perContent"
    """When what it holds has changed, or it was gone meanwhile."""


class Gone(StrEnum):
    """What becomes of what was made for a row that is gone."""

    KEEP = "keep"
    REMOVE = "remove"


class Query(BaseModel):
    """Asks a database again and again; its rows start runs."""

    model_config = OPTIONS

    has_instances: ClassVar[bool] = True

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
    )
    once: Once = Field(
        default=Once.NEVER,
        description="never: rows are run at every poll; perContent: when they have changed.",
    )
    gone: Gone = Field(
        default=Gone.KEEP,
        description="What becomes of what was made for a row that is gone; an answer without any"
        " row removes nothing.",
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
        queries = await self._queries(request)
        memory = dict(await request.recall()) if self.once is Once.PER_CONTENT else {}
        made = set(await request.known()) if self._removes(request) else set()
        while True:
            keys, is_whole = set[str](), True
            for place, one in enumerate(queries):
                answer = await self._answer(request, one)
                is_whole = is_whole and answer.is_whole
                keys |= answer.found.keys()
                async for firing in self._fired(request, place, one, answer, memory):
                    yield firing
            if is_whole and not self._finds_nothing(request, made, keys):
                request.recovered()
                for key in self._gone(request, made, keys):
                    yield _removal(request, key)
                made = keys or made
            await asyncio.sleep(self.interval.total_seconds())

    async def freshen(self, request: ListenRequest, firing: Firing) -> Firing | None:
        """Return a firing with what was not kept with it; with its rows, where they are large."""
        place = _place_of(firing.id)
        queries = await self._queries(request)
        if firing.is_gone or (place is not None and place >= len(queries)):
            return firing
        if place is None:
            return await self._asked_by_hand(request, queries, firing)
        return await self._with_rows(request, queries[place], firing)

    async def _asked_by_hand(
        self, request: ListenRequest, queries: tuple[RowQuery, ...], firing: Firing
    ) -> Firing | None:
        """Return a firing with the rows of its key, whichever query finds them."""
        for one in queries:
            found = await self._with_rows(request, one, firing)
            if found is not None:
                return found
        return None

    async def _with_rows(
        self, request: ListenRequest, one: RowQuery, firing: Firing
    ) -> Firing | None:
        config = firing.config
        if not config:
            found, _faults = keyed(one, await self._ask(request, one))
            rows = next((rows.rows for rows in found if rows.key == firing.key), None)
            if rows is None:
                return None
            config = _config(one, rows)
        data = {RAW_CONFIG: config["rows"]} if one.groups_rows_to_array else {}
        return replace(firing, config=config, data=data)

    async def removed(self, request: ListenRequest, firing: Firing) -> None:
        """Let go of nothing: a row is not kept from vanishing."""

    def site_names(self, folders: tuple[Path, ...]) -> tuple[SiteName, ...]:
        """Return the databases that are asked, and what they are asked."""
        queries = read_file(self.file, folders) if self.file else (self._own(),)
        option = "file" if self.file else "database"
        return tuple(
            SiteName(
                table="databases",
                name=one.database,
                option=option,
                statement=one.query,
                column=one.key,
            )
            for one in queries
        )

    async def _queries(self, request: ListenRequest) -> tuple[RowQuery, ...]:
        if self.file:
            return await asyncio.to_thread(read_file, self.file, request.folders)
        return (self._own(),)

    def _removes(self, request: ListenRequest) -> bool:
        return self.gone is Gone.REMOVE and request.is_per_key

    def _finds_nothing(self, request: ListenRequest, made: set[str], keys: set[str]) -> bool:
        """Whether no row at all was found where there were some: that is rather a mistake."""
        if not made or keys or not self._removes(request):
            return False
        words = f"trigger {request.name}: its query found no row at all, so nothing is removed"
        request.failed(Refused(words, hint="remove what is not wanted: rollwright delete"))
        return True

    def _gone(self, request: ListenRequest, made: set[str], keys: set[str]) -> list[str]:
        """Return what is to be removed."""
        return sorted(made - keys) if keys and self._removes(request) else []

    async def _ask(self, request: ListenRequest, one: RowQuery) -> tuple[Row, ...]:
        return await request.query(one.database, one.query, *self.parameters)

    async def _answer(self, request: ListenRequest, one: RowQuery) -> Answer:
        """Ask once; what goes wrong is told."""
        polled_at = datetime.now(UTC)
        try:
            found, faults = keyed(one, await self._ask(request, one))
            _refuse_several(request, one, found)
        except (RolloutError, OSError, TimeoutError) as error:
            request.failed(error)
            return Answer(polled_at=polled_at)
        for fault in faults:
            request.failed(fault)
        by_key = {rows.key: rows for rows in found}
        return Answer(polled_at=polled_at, found=by_key, is_answered=True, is_whole=not faults)

    async def _fired(
        self,
        request: ListenRequest,
        place: int,
        one: RowQuery,
        answer: Answer,
        memory: dict[str, str],
    ) -> AsyncIterator[Firing]:
        """Fire for an answer; ``memory`` is what was run last, by place of the query and key."""
        prefix = f"{place}:"
        before = {key: text for key, text in memory.items() if key.startswith(prefix)}
        now = {f"{prefix}{key}": rows.digest for key, rows in answer.found.items()}
        for key, rows in answer.found.items():
            if before.get(f"{prefix}{key}") != rows.digest:
                id_ = _id(request, place, one, rows, answer.polled_at)
                yield self._firing(request, one, rows, id_)
        if self.once is Once.PER_CONTENT and answer.is_answered and now != before:
            for key in before.keys() - now.keys():
                del memory[key]
            memory.update(now)
            await request.remember(memory)

    def _firing(self, request: ListenRequest, one: RowQuery, found: Found, id_: str) -> Firing:
        is_large = found.size > LARGE_BYTES
        return Firing(
            id=id_,
            key=found.key,
            actor=f"trigger {request.name}",
            config={} if is_large else _config(one, found.rows),
            # What is fired once for a change must not be lost while the run before is at work.
            when_active="queue" if self.once is Once.PER_CONTENT else "drop",
        )


def _refuse_several(request: ListenRequest, one: RowQuery, found: Collection[Found]) -> None:
    if len(found) > 1 and not request.is_per_key:
        raise Refused(
            f"{one.what}: {len(found)} keys are for one rollout, and each run would remove"
            " what the others made",
            hint="leave out `instances: one` in the trigger, or select one row",
        )


def _config(one: RowQuery, rows: Sequence[Row]) -> Mapping[str, Any]:
    found = [dict(row) for row in rows]
    return {"rows": found} if one.groups_rows_to_array else found[0]


def _id(
    request: ListenRequest, place: int, one: RowQuery, found: Found, polled_at: datetime
) -> str:
    """Return what names a firing; a poll of its own makes it another one."""
    parts = (request.name, one.name, found.key, found.digest, polled_at.isoformat())
    return f"{request.name}:{place}:{sha256(repr(parts).encode()).hexdigest()[:32]}"


def _place_of(id_: str) -> int | None:
    """Return the place of the query that fired."""
    [_name, place, *_] = [*id_.rsplit(":", 2), ""]
    return int(place) if place.isdigit() else None


def _removal(request: ListenRequest, key: str) -> Firing:
    digest = sha256(key.encode()).hexdigest()[:32]
    return Firing(
        id=f"{request.name}:gone:{digest}",
        key=key,
        actor=f"trigger {request.name}",
        is_gone=True,
    )
