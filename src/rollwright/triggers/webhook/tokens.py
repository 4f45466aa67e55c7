"""The secrets of a receiver: at most two at a time, read again now and then (WH-03).

Before: a document names them. After: ``origin`` compares with them, and the address is made of
them.

A secret that is changed in its place counts within seconds, so that nobody has to restart
anything to rotate one.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic

from rollwright.plugins.secret_refs import SecretSource, read_secret

KEPT_SECONDS = 30.0

_kept: dict[tuple[SecretSource, Path], tuple[float, str]] = {}


async def read_tokens(sources: tuple[SecretSource, ...], base: Path) -> tuple[bytes, ...]:
    """Return the secrets.

    Raises:
        NotFound: One that is named is not there.
        Unreachable: The Prefect server does not give its block.
    """
    if all(_fresh(source, base) is not None for source in sources):
        return tuple(token(source, base).encode() for source in sources)
    return tuple([(await asyncio.to_thread(token, source, base)).encode() for source in sources])


def token(source: SecretSource, base: Path) -> str:
    """Return a secret; files that are named start in ``base``."""
    kept = _fresh(source, base)
    if kept is None:
        kept = read_secret(_placed(source, base), "webhook: `secret`")
        _kept[source, base] = monotonic(), kept
    return kept


def _fresh(source: SecretSource, base: Path) -> str | None:
    read_at, text = _kept.get((source, base), (0.0, ""))
    return text if text and monotonic() - read_at < KEPT_SECONDS else None


def forget_tokens() -> None:
    """Read every secret again when it is asked for."""
    _kept.clear()


def _placed(source: SecretSource, base: Path) -> SecretSource:
    if source.file is None:
        return source
    return source.model_copy(update={"file": str(base / Path(source.file).expanduser())})
