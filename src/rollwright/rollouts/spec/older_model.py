"""What a document of the older format may hold, field by field.

Before: YAML, JSON or a renderer gave values. After: ``older`` makes groups of ours of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    Strict,
    model_validator,
)

from rollwright.rollouts.spec.durations import format_duration
from rollwright.rollouts.spec.part import Flag, Name, Part, Shorthand, Text, expect, refuse
from rollwright.rollouts.spec.uses import COMPARISONS, Use

_UNITS: Mapping[str, Decimal] = {
    "ns": Decimal(1),
    "us": Decimal(10**3),
    "µs": Decimal(10**3),
    "μs": Decimal(10**3),
    "ms": Decimal(10**6),
    "s": Decimal(10**9),
    "m": Decimal(60 * 10**9),
    "h": Decimal(3600 * 10**9),
}
"""Go's units, in nanoseconds; microseconds have two signs that look alike."""

_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_LONGEST = 2**63 - 1
_FORM = "a duration such as '90s' or '1h30m', or whole nanoseconds"


def parse_go_duration(value: str | int) -> timedelta:
    """Read a duration as Go does: ``1h30m``, or whole nanoseconds (DOC-33).

    What is not zero is at least a microsecond, as zero may mean that there is no limit.

    Raises:
        ValueError: It is none, or below zero.
    """
    nanoseconds = Decimal(value) if isinstance(value, int) else _go_nanoseconds(value)
    if nanoseconds < 0:
        raise ValueError(f"a duration is not negative; got {value!r}")
    if nanoseconds > _LONGEST:
        raise ValueError(f"duration {value!r} is too long")
    microseconds = int(nanoseconds / 1000)
    return timedelta(microseconds=microseconds or (1 if nanoseconds else 0))


def _go_nanoseconds(text: str) -> Decimal:
    sign = -1 if text.startswith("-") else 1
    bare = text[1:] if text[:1] in {"+", "-"} else text
    if bare == "0":
        return Decimal(0)
    parts = _PART.findall(bare)
    if not parts or "".join(number + unit for number, unit in parts) != bare:
        raise ValueError(f"expected {_FORM}; got {text!r}")
    return sign * sum((Decimal(number) * _UNITS[unit] for number, unit in parts), Decimal(0))


def _read_duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # jsonnet and JSON know no whole numbers
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise expect(_FORM)
    try:
        return parse_go_duration(value)
    except ValueError as error:
        raise refuse(str(error)) from error


def _not_zero(value: timedelta) -> timedelta:
    if not value:
        raise refuse("must be more than 0")
    return value


GoDuration = Annotated[timedelta, BeforeValidator(_read_duration), PlainSerializer(format_duration)]


def _as_integer(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Integer = Annotated[int, BeforeValidator(_as_integer), Strict(), Field(ge=-(2**63), le=_LONGEST)]


class Query(Part):
    """An SQL statement."""

    stmt: Name
    """The statement."""


class Database(Part):
    """A database of the site, and what it is told."""

    name: Name
    """Name of the connection."""
    query: Query | None = None
    """The statement; it may also stand beside the database."""


class SqlReport(Part):
    """What is written into a database when a check ends badly."""

    database: Database
    """Where."""
    query: Query | None = None
    """The statement, where it does not stand in the database."""

    @model_validator(mode="after")
    def _one_query(self) -> Self:
        given = [one for one in (self.query, self.database.query) if one is not None]
        if len(given) != 1:
            raise refuse("expected one statement, database.query.stmt")
        return self

    def form(self) -> dict[str, Any]:
        """Return the report in its one form, ``{database: {name, query: {stmt}}}``."""
        query = self.query or self.database.query
        statement = query.stmt if query else ""
        return {"database": {"name": self.database.name, "query": {"stmt": statement}}}


class Failure(Part):
    """A check that ends the wait early."""

    check_name: Name
    """Name of the check."""
    report: SqlReport | None = None
    """What is written when it finds a failure; the rollout goes on then (DOC-37)."""


class Expected(Part):
    """The right side of a comparison: exactly one of its fields (DOC-25, DOC-N13)."""

    path: Text | None = None
    """Another path of the same object."""
    static: Any = None
    """A value."""
    static_int64: Integer | None = None
    """A whole number."""

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        given = [name for name, value in self._sides() if value is not None]
        if len(given) != 1:
            got = ", ".join(given) or "none"
            raise refuse(f"expected one of path, static, staticInt64; got {got}")
        return self

    def _sides(self) -> tuple[tuple[str, Any], ...]:
        whole = self.static_int64
        return (("path", self.path or None), ("static", self.static), ("staticInt64", whole))

    def form(self) -> dict[str, Any]:
        """Return the side as our comparisons write it: ``path`` or ``static``."""
        if self.path:
            return {"path": self.path}
        return {"static": self.static if self.static_int64 is None else self.static_int64}


class Comparison(Part):
    """A live field that must have an expected value."""

    name: Text = ""
    """What messages call it."""
    path: Name
    """The field, a JSONPath."""
    default: Any = None
    """Its value where it is missing."""
    value: Expected
    """What it must be equal to."""

    def form(self) -> dict[str, Any]:
        """Return the comparison as our documents write it."""
        form: dict[str, Any] = {"name": self.name or self.path, "path": self.path}
        if self.default is not None:
            form["default"] = self.default
        return {**form, "value": self.value.form()}


class Comparisons(Part):
    """Comparisons that must hold at the same time, and how long they may take."""

    expected_values: tuple[Comparison, ...] = Field(min_length=1)
    """The comparisons."""
    timeout: GoDuration | None = None
    """How long they may take; zero for ever."""
    progress_timeout: GoDuration | None = None
    """How long none of the compared values may move."""
    poll_interval: Annotated[GoDuration, AfterValidator(_not_zero)] | None = None
    """How often the object is read."""
    report_timeout: SqlReport | None = None
    """What is written when time runs out; the step counts as done then (DOC-34)."""
    failure: tuple[Failure, ...] = ()
    """Checks that end the wait early."""


def _from_list(value: Any) -> Any:
    """Make the object form of the list form; refuse one that compares nothing (DOC-N6)."""
    form = {"expectedValues": value} if isinstance(value, list | tuple) else value
    if isinstance(form, Mapping) and not form.get("expectedValues"):
        raise refuse("compares nothing; expected a list of comparisons")
    return form


class Success(Part):
    """When a step counts as done."""

    field_comparisons: Annotated[Comparisons, Shorthand(_from_list)]
    """Live fields, as a list or as an object with times around the list."""
    failure: tuple[Failure, ...] = ()
    """Checks that end the wait early."""

    def comparisons(self) -> Use:
        """Return the check as our documents name it."""
        given = self.field_comparisons
        options: dict[str, Any] = {"expectedValues": [one.form() for one in given.expected_values]}
        times = {
            "timeout": given.timeout,
            "progressTimeout": given.progress_timeout,
            "pollInterval": given.poll_interval,
        }
        for key, value in times.items():
            if value is not None:
                options[key] = format_duration(value)
        if given.report_timeout is not None:
            options["reportTimeout"] = given.report_timeout.form()
        return Use(name=COMPARISONS, options=options)


class OlderStep(Part):
    """One object, its action, and when it counts as done."""

    name: Text = ""
    """What it is called."""
    object: Name
    """Key of a rendered object."""
    action: Name
    """What to do with it."""
    continue_on_error: Flag = False
    """Go on although the step failed."""
    success: tuple[Success, ...] = ()
    """What must hold, in order."""


class OlderGroup(Part):
    """Steps that belong together."""

    name: Text = ""
    """What it is called."""
    parallel: Flag | None = None
    """Run the steps together."""
    steps: tuple[OlderStep, ...] = ()
    """The steps."""


class OlderSpec(Part):
    """What a rollout of the older format declares."""

    groups: tuple[OlderGroup, ...] = ()
    """The groups."""
    parallel: Flag = False
    """Run the groups side by side."""


class OlderMetadata(Part):
    """What a document is called."""

    name: Text = ""
    """Its name."""
    namespace: Text = ""
    """Its namespace."""
    labels: Mapping[Text, Text] = Field(default={})
    """Its labels."""
    annotations: Mapping[Text, Text] = Field(default={})
    """Notes of other tools."""
    creation_timestamp: None = None
    """What Go writes of an object that was never created."""


class OlderDocument(Part):
    """A rollout of the older format."""

    api_version: Literal["workflow.kubernetes.io/v1alpha1"]
    """Version of the form."""
    kind: Literal["Rollout"]
    """Kind of the document."""
    metadata: OlderMetadata = OlderMetadata()
    """What it is called."""
    spec: OlderSpec
    """What it declares."""
