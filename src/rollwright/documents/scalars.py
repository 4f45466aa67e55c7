"""What one YAML scalar means to Kubernetes.

The rules are those of go-yaml v2 behind sigs.k8s.io/yaml, followed by the JSON round trip that
every manifest takes: YAML to JSON text to ``int64`` or ``float64``. The oracle is
``kubectl annotate --local -o json`` (``tests/contract/test_documents_against_kubectl.py``).
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from decimal import Decimal
from functools import lru_cache
from math import isinf
from typing import Any, Final, TypeAlias

Number: TypeAlias = int | float

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
UINT64_MAX: Final = 2**64 - 1

TAG: Final = "tag:yaml.org,2002:"

_TRUE = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
_FALSE = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
_NULL = ("", "~", "null", "Null", "NULL")
_NO_JSON = [
    *(sign + word for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")),
    *(".nan", ".NaN", ".NAN"),
]

WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(_TRUE, True),
    **dict.fromkeys(_FALSE, False),
    **dict.fromkeys(_NULL),
}
NO_JSON: Final = frozenset(_NO_JSON)

NUMBER_STARTS: Final = frozenset("+-.0123456789")

_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_POINT_FIRST = re.compile(r"\.[0-9_]+(?:[eE][-+]?[0-9_]+)?")
_STRAY_UNDERSCORE = re.compile(r"_(?![0-9])|(?<![0-9])_")
_ODD_BINARY = re.compile(r"0b[-+][01]+")
"""go-yaml cuts the prefix ``0b`` and lets ParseInt see the sign behind it."""
_BASES = {"x": 16, "b": 2, "o": 8}
_DECIMAL_DIGITS = 25
"""More decimal digits than this lie outside every 64-bit integer."""


class ScalarError(ValueError):
    """A scalar that has no JSON value; the loader adds where it stands."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def read_plain(text: str) -> Any:
    """Return the JSON value of an unquoted, untagged scalar."""
    return _short_plain(text) if len(text) <= 64 else _read_plain(text)


def _read_plain(text: str) -> Any:
    """Return the JSON value of an unquoted, untagged scalar."""
    if text in WORDS:
        return WORDS[text]
    if text[0] in NUMBER_STARTS:
        number = parse_number(text)
        return text if number is None else narrow(number)
    return text


_short_plain = lru_cache(maxsize=8192)(_read_plain)


def parse_number(text: str) -> Number | None:
    """Read a number as Go does, before JSON narrows it; ``None`` for a string.

    Raises:
        ScalarError: An infinity or not-a-number, which JSON cannot hold.
    """
    if text in NO_JSON:
        raise ScalarError(f"JSON has no number {text}", f"quote it: '{text}'")
    if text[0] == ".":
        is_number = _POINT_FIRST.fullmatch(text) and not _STRAY_UNDERSCORE.search(text)
        return _parse_float(text.replace("_", "")) if is_number else None
    plain = text.replace("_", "")
    if _INTEGER.fullmatch(plain):
        integer = _parse_integer(plain)
        if integer is not None:
            return integer
    if _ODD_BINARY.fullmatch(plain):
        return _within_int64(int(plain.removeprefix("0b"), base=2))
    return _parse_float(plain) if _FLOAT.fullmatch(plain) else None


def _within_int64(value: int) -> int | None:
    return value if INT64_MIN <= value <= INT64_MAX else None


def _parse_integer(plain: str) -> int | None:
    digits = plain.lstrip("+-")
    if digits[0] != "0" and len(digits) > _DECIMAL_DIGITS:
        return None
    value = int(digits, 10) if digits[0] != "0" else _parse_prefixed(digits)
    if plain[0] == "-":
        value = -value
    if INT64_MIN <= value <= INT64_MAX:
        return value
    # NB: Go tries an unsigned integer next, and that one takes no sign.
    return value if plain[0] not in "+-" and value <= UINT64_MAX else None


def _parse_prefixed(digits: str) -> int:
    base = _BASES.get(digits[1:2].lower())
    return int(digits[2:], base) if base else int(digits, 8)


def _parse_float(plain: str) -> float | None:
    value = float(plain)
    return None if isinf(value) else value


def narrow(number: Number) -> Number:
    """Return the number that is left after Kubernetes wrote and read it as JSON."""
    if isinstance(number, int):
        return number if INT64_MIN <= number <= INT64_MAX else float(number)
    if abs(number) >= 1e21 or not number.is_integer():
        return number
    # Go writes the shortest digits and pads with zeros: 2.0**62 becomes 4611686018427388000.
    shortest = int(Decimal(repr(number)))
    return shortest if INT64_MIN <= shortest <= INT64_MAX else number


def read_tagged(tag: str, text: str) -> Any:
    """Return the JSON value of a scalar with an explicit tag; unknown tags are ignored."""
    value = _apply_tag(tag, text)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return narrow(value) if is_number else value


def read_key(tag: str | None, text: str, *, is_plain: bool) -> str:
    """Return the JSON key of a scalar that stands before a colon.

    Raises:
        ScalarError: ``null``, or a number that Go would print otherwise than it was meant.
    """
    if tag is not None:
        return key_text(_apply_tag(tag, text))
    return _plain_key(text) if is_plain else text


@lru_cache(maxsize=4096)
def _plain_key(text: str) -> str:
    return key_text(_raw_plain(text))


def key_text(value: Any) -> str:
    """Return the JSON text of a scalar that is used as a key."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and INT64_MIN <= value <= INT64_MAX:
        return str(value)
    if isinstance(value, float) and _is_go_key(value):
        return repr(value).removesuffix(".0")
    if value is None:
        raise ScalarError("a key must not be null", "quote the key, or name it")
    raise ScalarError(f"the key {value} is a number that Go prints otherwise", "quote the key")


def _is_go_key(value: float) -> bool:
    """Tell whether ``strconv.FormatFloat(value, 'g', -1, 32)`` gives the digits we would."""
    if value != 0 and not 1e-4 <= abs(value) < 1e6:
        return False
    packed = struct.pack("f", value)
    single = struct.unpack("f", packed)[0]
    shortest = next(
        t for p in range(1, 18) if struct.pack("f", float(t := f"{single:.{p}g}")) == packed
    )
    return float(shortest) == value


def _raw_plain(text: str) -> Any:
    if text in WORDS:
        return WORDS[text]
    if text[0] in NUMBER_STARTS:
        number = parse_number(text)
        return text if number is None else number
    return text


def _apply_tag(tag: str, text: str) -> Any:
    name = tag.removeprefix(TAG) if tag.startswith(TAG) else ""
    check = _TAGS.get(name)
    return text if check is None else check(text)


def _tag_null(text: str) -> None:
    if _raw_plain(text) is not None:
        raise ScalarError("!!null stands before a scalar that is not null", "drop the tag")


def _tag_bool(text: str) -> bool:
    value = _raw_plain(text)
    if not isinstance(value, bool):
        raise ScalarError("!!bool stands before a scalar that is no boolean", "drop the tag")
    return value


def _tag_int(text: str) -> int:
    value = _raw_plain(text)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ScalarError("!!int stands before a scalar that is no integer", "drop the tag")
    return value


def _tag_float(text: str) -> float:
    value = _raw_plain(text)
    is_integer = isinstance(value, int) and not isinstance(value, bool) and value <= INT64_MAX
    if is_integer or isinstance(value, float):
        return float(value)
    raise ScalarError("!!float stands before a scalar that is no float", "drop the tag")


def _tag_binary(text: str) -> str:
    try:
        packed = text.replace("\n", "").replace("\r", "").encode("ascii")
        return base64.b64decode(packed, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeError) as error:
        raise ScalarError(
            "!!binary does not hold base64 of UTF-8 text",
            "keep the base64 text as a string, as `data` of a Secret does",
        ) from error


_TAGS: Final[dict[str, Any]] = {
    "null": _tag_null,
    "bool": _tag_bool,
    "int": _tag_int,
    "float": _tag_float,
    "binary": _tag_binary,
}
