"""From bytes to text, and from a parser's complaint to an ``InvalidDocument``."""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from typing import Final

import yaml

from rollwright.documents.loader import KubeError, Limits
from rollwright.errors import InvalidDocument

_BOM: Final = "\ufeff"
_BOM_AFTER_SEPARATOR = re.compile(rf"(?m)^(---[ \t]*(?:#[^\n]*)?\r?\n){_BOM}")
_SECRET = re.compile(r"""(?:^|[{,-])\s*["']?kind["']?\s*:\s*["']?Secret(?:List)?\b""", re.MULTILINE)
"""A text that may hold a Secret; nothing of what cannot be read in it is repeated."""
_UTF8_MAX_BYTES: Final = 4

_HINTS: Final = {
    "found undefined alias": "check the spelling of the anchor",
    "mapping values are not allowed in this context": "quote a value that holds ': '",
    "did not find expected ',' or ']'": "close the list with ]",
    "did not find expected ',' or '}'": "close the mapping with }",
    "found unexpected end of stream": "close the quotes",
    "did not find expected <document start>": "separate documents by a line that is only ---",
}


def decode(text: str | bytes, name: str, limits: Limits) -> str:
    """Return the text without byte order marks.

    kubectl takes UTF-8, and UTF-16 with a byte order mark.

    Raises:
        InvalidDocument: It is larger than allowed or not in such an encoding.
    """
    if _size(text, limits.size) > limits.size:
        raise InvalidDocument(f"{name}: larger than {limits.size:,} bytes", hint="split the file")
    plain = text if isinstance(text, str) else _decode_bytes(text, name)
    if _BOM not in plain:
        return plain
    # Files that were joined bring a mark for each part.
    return _BOM_AFTER_SEPARATOR.sub(r"\1", plain.removeprefix(_BOM))


def _size(text: str | bytes, limit: int) -> int:
    if isinstance(text, bytes) or text.isascii() or len(text) * _UTF8_MAX_BYTES <= limit:
        return len(text)
    return len(text) if len(text) > limit else len(text.encode("utf-8", "surrogatepass"))


def _decode_bytes(data: bytes, name: str) -> str:
    is_utf16 = data.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if is_utf16 else "utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        hint = "save the file as UTF-8; bytes go base64-encoded into `data` or `binaryData`"
        raise InvalidDocument(f"{name}:{line}: not UTF-8", hint=hint) from error


def place(text: str, offset: int) -> str:
    """Return ``line:column`` of an offset, both counted from 1."""
    line = text.count("\n", 0, offset) + 1
    return f"{line}:{offset - text.rfind(chr(10), 0, offset)}"


def cause_of(error: yaml.YAMLError | UnicodeEncodeError, text: str) -> Exception | None:
    """Return what a traceback may show as the cause: nothing that quotes a text with a Secret."""
    return None if _SECRET.search(text) else error


def explain(error: yaml.YAMLError | UnicodeEncodeError, text: str, name: str) -> InvalidDocument:
    """Say for a person what the YAML parser did not like, and where."""
    if isinstance(error, UnicodeEncodeError):
        where = f"{name}:{place(text, error.start)}"
        message = "half of a surrogate pair is not a character"
        return InvalidDocument(f"{where}: {message}", hint="write the character itself")
    if isinstance(error, yaml.reader.ReaderError):
        return _explain_character(error, text, name)
    if isinstance(error, yaml.MarkedYAMLError):
        return _explain_marked(error, text, name)
    return InvalidDocument(f"{name}: not YAML")


def _explain_character(error: yaml.reader.ReaderError, text: str, name: str) -> InvalidDocument:
    number = error.character
    offset = text.find(chr(number)) if isinstance(number, int) else -1
    where = f"{name}:{place(text, offset)}" if offset >= 0 else name
    code = f"U+{number:04X}" if isinstance(number, int) else "a character"
    hint = 'write it as an escape in double quotes, such as "\\x01"'
    return InvalidDocument(f"{where}: {code} must not stand in YAML", hint=hint)


def _explain_marked(error: yaml.MarkedYAMLError, text: str, name: str) -> InvalidDocument:
    mark = error.problem_mark or error.context_mark
    where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
    problem = error.problem
    if isinstance(error, KubeError) and _SECRET.search(text):
        problem = error.bare
    why = ", ".join(part for part in (error.context, problem) if part)
    hint = error.note or _hint(error.problem or "", text, mark.index if mark else len(text))
    return InvalidDocument(f"{where}: {why}", hint=hint)


def _hint(problem: str, text: str, offset: int) -> str | None:
    if problem == "found character that cannot start any token":
        is_tab = text[offset : offset + 1] == "\t"
        return "indent with spaces, not tabs" if is_tab else "quote the text"
    return _HINTS.get(problem)
