"""The text of a delivery, as JSON within limits (WH-04).

Before: ``origin`` showed who sent it. After: ``kinds`` says what it means.

It is untrusted all the same: who knows a secret may still send what is made to hurt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import orjson

from rollwright.errors import InvalidDocument

MAX_DEPTH = 100
MAX_NODES = 2_000_000
FORM = "application/x-www-form-urlencoded"
_MARK = b"\xef\xbb\xbf"
"""Of the order of bytes; some senders begin with it, and UTF-8 has none."""
_HEAD = 1024


def read_body(body: bytes, headers: Mapping[str, str]) -> Any:
    """Return the value of a body; ``None`` for an empty one.

    Raises:
        InvalidDocument: It is no JSON, is nested too deeply, or has too many values.
    """
    if headers.get("content-encoding", "identity") != "identity":
        raise InvalidDocument("the body is compressed; expected plain JSON")
    if not body.strip():
        return None
    text = _of_form(body) if _is_form(body, headers) else body.removeprefix(_MARK)
    # Counted before anything is made of it: a value takes much more room than its text.
    if sum(text.count(mark) for mark in (b",", b"[", b"{")) > MAX_NODES:
        raise InvalidDocument(f"the body has more than {MAX_NODES:,} values")
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidDocument(f"the body is no JSON: line {error.lineno}") from None
    if _is_deeper(value, MAX_DEPTH):
        raise InvalidDocument(f"the body is nested deeper than {MAX_DEPTH} levels")
    return value


def payload_of(body: bytes, headers: Mapping[str, str]) -> bytes:
    """Return the text that a form holds; the body itself if it is none, or cannot be read."""
    if not _is_form(body, headers):
        return body
    try:
        return _of_form(body)
    except InvalidDocument:
        return body


def _is_form(body: bytes, headers: Mapping[str, str]) -> bool:
    return _kind(headers) == FORM and not _looks_like_json(body)


def _kind(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _looks_like_json(body: bytes) -> bool:
    return body[:_HEAD].removeprefix(_MARK).lstrip()[:1] in (b"{", b"[")


def _of_form(body: bytes) -> bytes:
    """Return the field ``payload`` of a form, which some forges send instead of JSON."""
    try:
        fields = parse_qs(body.decode(), max_num_fields=10, errors="strict")
    except ValueError:
        raise InvalidDocument("the body is no form") from None
    found = fields.get("payload", [])
    if len(found) != 1:
        raise InvalidDocument("the form has no field 'payload'")
    return found[0].encode()


def _is_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most + 1):
        parts = [one for one in level if isinstance(one, dict | list)]
        if not parts:
            return False
        level = [
            inner for one in parts for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return True
