"""Rows of an answer by their keys, and the queries that a file of the older form holds.

Before: ``query`` asked a database. After: it fires for each key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, Field, ValidationError

from rollwright.documents import load_all
from rollwright.errors import InvalidDocument, InvalidSpec, NotFound
from rollwright.plugins.options import OPTIONS, problems_of

Row = Mapping[str, Any]


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
class Found:
    """The rows of one key.

    Attributes:
        key: What tells instances apart.
        rows: One, or all of the key where they are grouped.
        digest: Tells whether they have changed.
        size: Of all of them, as JSON.
    """

    key: str
    rows: tuple[Row, ...]
    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one poll of one query found.

    Attributes:
        polled_at: When it was asked.
        found: By their keys.
        is_answered: Whether the database answered.
        is_whole: Whether every row that it has is found, so that what is not there is gone.
    """

    polled_at: datetime
    found: Mapping[str, Found] = field(default_factory=dict)
    is_answered: bool = False
    is_whole: bool = False


def keyed(
    one: RowQuery, rows: Iterable[Row]
) -> tuple[tuple[Found, ...], tuple[InvalidDocument, ...]]:
    """Return rows by their keys in the order they came, and what is wrong with others.

    Without grouping a second row of a key is left out: its run would be at work (DOC-54).
    """
    by_key: dict[str, list[Row]] = {}
    nameless = twice = 0
    for row in rows:
        if one.key not in row:
            known = ", ".join(sorted(row))
            # The others have the same columns.
            return (), (InvalidDocument(f"{one.what}: no column {one.key!r}; known: {known}"),)
        if row[one.key] is None or row[one.key] == "":
            nameless += 1
            continue
        mine = by_key.setdefault(key_text(row[one.key]), [])
        if one.groups_rows_to_array or not mine:
            mine.append(row)
        else:
            twice += 1
    return tuple(_found(by_key)), tuple(_faults(one, nameless, twice))


def _faults(one: RowQuery, nameless: int, twice: int) -> Iterator[InvalidDocument]:
    if nameless:
        yield InvalidDocument(f"{one.what}: {nameless} rows have no key: {one.key} is empty")
    if twice:
        yield InvalidDocument(
            f"{one.what}: {twice} rows have the key of another one; the first of each counts",
            hint="select one row of each key, or take all of a key: groupRows: true",
        )


def _found(by_key: Mapping[str, Sequence[Row]]) -> Iterator[Found]:
    for key, rows in by_key.items():
        content = orjson.dumps(rows, option=orjson.OPT_SORT_KEYS, default=str)
        digest = sha256(content).hexdigest()[:24]
        yield Found(key=key, rows=tuple(rows), digest=digest, size=len(content))


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
        raise InvalidSpec(problems_of(error, where=str(file), path="", form=_OlderFile)) from error
