"""Files of values that ``config`` names: where they may lie, and what they hold.

Before: an entry of a document names a file.
After: ``configuration`` lays its values over those of the entries before.

A document may come from anywhere, so a file that it names must lie beside it, in the site or in
the source; links are followed before that is looked at. A file that SOPS encrypted is opened in
memory, and the texts that were encrypted are known for secrets.
"""

from __future__ import annotations

import asyncio
import os.path
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from rollwright.documents import load_all, nearest_line
from rollwright.errors import InvalidDocument, NotFound, Refused, excerpt
from rollwright.plugins import sops
from rollwright.rollouts.hiding import SHORTEST

MAX_BYTES = 16 * 2**20

_ENCRYPTED = "ENC["

LineOf = Callable[[tuple[str | int, ...]], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuesFile:
    """What a file of values holds.

    Attributes:
        values: Its mapping; empty if there is nothing in it.
        name: What messages call it.
        line_of: Finds the line of a value; 0 where lines are not known.
        hidden: Texts in it that were encrypted.
    """

    values: Mapping[str, Any] = field(repr=False)
    name: str
    line_of: LineOf = field(repr=False)
    hidden: frozenset[str] = field(default=frozenset(), repr=False)


def nearby(path: Path) -> str:
    """Return what the folder of a missing file has instead."""
    if not path.parent.is_dir():
        return f"there is no folder {str(path.parent)!r}"
    suffixes = {".yaml", ".yml", ".json", ".toml", ".env"}
    names = sorted(one.name for one in path.parent.iterdir() if one.suffix in suffixes)[:5]
    return f"the folder has {', '.join(names)}" if names else "the folder has no file of values"


def find_file(named: str, base: Path, fences: tuple[Path, ...]) -> Path:
    """Return the file that an entry means.

    Args:
        named: As the document names it.
        base: Where relative paths start; then in the last of the fences, the source.
        fences: Folders that it may lie in.

    Raises:
        NotFound: There is no such file.
        Refused: It lies elsewhere, or is no file.
    """
    if "\0" in named or len(named) > 4096:
        raise NotFound(f"no file {excerpt(named, 80)!r}")
    try:
        relative = Path(named).expanduser()
    except RuntimeError as error:  # ~nobody
        raise NotFound(f"no file {excerpt(named, 80)!r}: {error}") from None
    places: list[Path] = [base / relative, *(one / relative for one in fences[-1:])]
    path: Path = next((one for one in places if one.exists()), places[0])
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        _refuse_outside(path.absolute(), fences, named)
        raise NotFound(f"no file {str(path)!r}", hint=nearby(path)) from None
    _refuse_outside(real, fences, named)
    if real.is_dir():
        raise NotFound(f"{excerpt(named, 80)!r} is a folder; expected a file of values")
    if not real.is_file():
        raise Refused(f"{excerpt(named, 80)!r} is no regular file")
    return path


def _refuse_outside(path: Path, fences: tuple[Path, ...], named: str) -> None:
    plain = Path(os.path.normpath(path))
    around = [one for fence in fences for one in (fence.absolute(), fence.resolve())]
    if not any(plain.is_relative_to(one) for one in around):
        raise Refused(
            f"{excerpt(named, 80)!r} leads out of the document's folder, the site and the source",
            hint="put a copy beside the document, or into the site",
        )


async def read_file(path: Path) -> ValuesFile:
    """Return what a file of values holds; by its suffix YAML, JSON, TOML or .env.

    Raises:
        NotFound: It cannot be read.
        InvalidDocument: It does not hold one mapping.
        RenderError: It is encrypted and cannot be opened.
    """
    name = str(path)
    text = await asyncio.to_thread(_text_of, path)
    if not sops.is_encrypted_text(text, name):
        return _parsed(text, name)
    clear = _parsed(await sops.decrypted(text, name), name)
    closed = _parsed(text, name).values
    return ValuesFile(
        values=clear.values,
        name=name,
        line_of=clear.line_of,
        hidden=frozenset(_opened(closed, clear.values)),
    )


def _text_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NotFound(f"cannot read {str(path)!r}: {error.strerror}") from error
    if len(text) > MAX_BYTES:
        raise InvalidDocument(f"{path}: larger than {MAX_BYTES:,} bytes", hint="split it")
    return text


def _parsed(text: bytes, name: str) -> ValuesFile:
    lower = name.lower().rpartition("/")[2]
    if lower.endswith(".toml"):
        return ValuesFile(values=_toml(text, name), name=name, line_of=lambda _: 0)
    if lower.endswith(".env") or lower.startswith(".env"):
        return ValuesFile(values=_dotenv(text, name), name=name, line_of=lambda _: 0)
    return _documents(text, name)


def _documents(text: bytes, name: str) -> ValuesFile:
    documents = load_all(text, name=name)
    if not documents:
        return ValuesFile(values={}, name=name, line_of=lambda _: 0)
    first, *others = documents
    if others:
        where = f"{name}:{others[0].line}"
        raise InvalidDocument(f"{where}: expected one document; got {len(documents)}")
    if not isinstance(first.value, Mapping):
        raise InvalidDocument(f"{name}:{first.line}: expected a mapping of values")
    return ValuesFile(values=first.value, name=name, line_of=lambda path: nearest_line(first, path))


def _toml(text: bytes, name: str) -> Mapping[str, Any]:
    try:
        return {key: _plain(one) for key, one in tomllib.loads(_decoded(text, name)).items()}
    except tomllib.TOMLDecodeError as error:
        raise InvalidDocument(f"{name}: not TOML: {error}") from None
    except RecursionError:
        raise InvalidDocument(f"{name}: not TOML: nested too deeply") from None


def _plain(value: Any) -> Any:
    """Return a value of TOML as JSON has it: instants and dates are their text."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def _dotenv(text: bytes, name: str) -> Mapping[str, Any]:
    from dotenv import dotenv_values  # noqa: PLC0415  (slow; few documents name such a file)

    # Without interpolation: no variable of this process belongs into a rollout.
    found = dotenv_values(stream=StringIO(_decoded(text, name)), interpolate=False)
    bare = [key for key, value in found.items() if value is None]
    if bare:
        raise InvalidDocument(f"{name}: {excerpt(bare[0], 40)!r} has no value; expected NAME=VALUE")
    return dict(found)


def _decoded(text: bytes, name: str) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidDocument(f"{name}: not UTF-8") from None


def _opened(closed: Any, clear: Any) -> Iterator[str]:
    """Give the texts that were encrypted, as they are in clear text."""
    if isinstance(clear, Mapping):
        for key, value in clear.items():
            yield from _opened(closed.get(key) if isinstance(closed, Mapping) else None, value)
    elif isinstance(clear, list):
        inner = closed if isinstance(closed, list) and len(closed) == len(clear) else ()
        for one, value in zip(inner, clear, strict=False):
            yield from _opened(one, value)
    elif isinstance(closed, str) and closed.startswith(_ENCRYPTED) and _is_telling(clear):
        yield str(clear)


def _is_telling(value: Any) -> bool:
    return not isinstance(value, bool) and value is not None and len(str(value)) >= SHORTEST
