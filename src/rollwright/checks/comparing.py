"""One comparison of a live field with a value: what is found, whether it holds, in words.

Before: ``field_comparisons`` was asked about a live object.
After: it joins the readings into a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BaseModel, Field, StrictInt, model_validator

from rollwright.checks.paths import Trail, read_trail
from rollwright.errors import excerpt
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.spec.part import refuse

SEVERAL = "Expected 1 result but found different amount."
"""What the older format says about a path with several results; kept for those who look for it."""

_INT64 = 2**63
_SIDES = ("path", "static", "static_int64")


@lru_cache(maxsize=512)
def read_path(text: str) -> Trail:
    """Read a path once.

    Raises:
        ValueError: It is none.
    """
    return read_trail(text)


def _is_path(text: str) -> str:
    try:
        read_path(text)
    except ValueError as error:
        raise refuse(str(error)) from error
    return text


def _is_finite(value: Any) -> Any:
    if any(isinstance(one, float) and not math.isfinite(one) for one in _leaves(value)):
        raise refuse("no number of JSON: nothing equals it")
    return value


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [leaf for one in value.values() for leaf in _leaves(one)]
    if isinstance(value, list | tuple):
        return [leaf for one in value for leaf in _leaves(one)]
    return [value]


FieldPath = Annotated[str, AfterValidator(_is_path), Field(examples=["{.status.readyReplicas}"])]


class ExpectedValue(BaseModel):
    """The right side of a comparison: exactly one of the three.

    Attributes:
        path: A path of the same object.
        static: A value; numbers of equal value are equal however they are written.
        static_int64: A whole number.
    """

    model_config = OPTIONS

    path: FieldPath | None = None
    static: Annotated[Any, AfterValidator(_is_finite)] = None
    static_int64: Annotated[StrictInt, Field(ge=-_INT64, lt=_INT64)] | None = Field(
        default=None, alias="staticInt64"
    )

    @model_validator(mode="after")
    def _is_one(self) -> ExpectedValue:
        given = [name for name in _SIDES if getattr(self, name) is not None]
        if len(given) != 1:
            got = ", ".join(given).replace("static_int64", "staticInt64") or "none"
            raise refuse(f"expected exactly one of path, static and staticInt64; got {got}")
        return self

    @property
    def constant(self) -> Any:
        """The value that stands in the document."""
        return self.static if self.static_int64 is None else self.static_int64


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look at one comparison found.

    Attributes:
        found: The compared values as far as they are there, to see whether anything moves.
        unmet: Why it does not hold; empty if it does.
        is_ambiguous: Whether a path has several results, so that it can never hold.
    """

    found: tuple[tuple[Any, ...], ...]
    unmet: str = ""
    is_ambiguous: bool = False


class Comparison(BaseModel):
    """A field of the live object that must equal a value.

    Attributes:
        name: What messages call it.
        path: The field, as a JSONPath such as ``{.status.unavailableReplicas}``.
        default: Its value while it is missing; without one a missing field is waited for.
        value: What it must equal.
    """

    model_config = OPTIONS

    name: str = ""
    path: FieldPath
    default: Annotated[Any, AfterValidator(_is_finite)] = None
    value: ExpectedValue

    def __str__(self) -> str:
        other = self.value.path or printed(self.value.constant)
        return f"{self.path} = {other}"

    def read(self, body: Mapping[str, Any], *, hides_values: bool = False) -> Reading:
        """Look at both sides of one object at one moment.

        Args:
            body: The live object.
            hides_values: Whether the words may not quote values: the object is a Secret.
        """
        left, right = _results(self.path, body), self._right(body)
        found = (left, right)
        for path, results in ((self.path, left), (self.value.path, right)):
            if len(results) > 1:
                words = f"{path}: {SEVERAL} There are {len(results)}"
                return Reading(found, self._named(words), is_ambiguous=True)
        left = left or (() if self.default is None else (self.default,))
        if left and right and same(left[0], right[0]):
            return Reading(found)
        return Reading(found, self._named(self._words(left, right, hides_values)))

    def _right(self, body: Mapping[str, Any]) -> tuple[Any, ...]:
        if self.value.path is not None:
            return _results(self.value.path, body)
        return (self.value.constant,)

    def _words(self, left: tuple[Any, ...], right: tuple[Any, ...], hides_values: bool) -> str:  # noqa: FBT001  (private, always passed on)
        if not left:
            return f"{self.path} is missing"
        if not right:
            return f"{self.value.path} is missing"
        other = f" ({self.value.path})" if self.value.path else ""
        if hides_values:
            return f"{self.path} is not as expected{other}"
        return f"{self.path} is {printed(left[0])}, expected {printed(right[0])}{other}"

    def _named(self, words: str) -> str:
        return f"{self.name}: {words}" if self.name else words


def _results(path: str, body: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what a path leads to; a null counts as missing, as the API server has it."""
    return tuple(value for value in read_path(path).find(body) if value is not None)


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal: numbers by value (DOC-30), a boolean is no number."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def printed(value: Any) -> str:
    """Write a value as JSON, cut."""
    try:
        return excerpt(orjson.dumps(value).decode())
    except (TypeError, ValueError):  # an integer beyond 64 bits
        return excerpt(str(value))
