"""Asking a child for pages: a request in a file, an answer on its output.

Before: a renderer chose the files. After: ``output`` makes objects of the pages.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from rollwright.errors import RenderError, excerpt
from rollwright.renderers import child
from rollwright.renderers.quotes import without_secrets
from rollwright.renderers.secret_values import secret_texts, without

_MOST_FAILURES = 20
_EARLY_PART, _EARLY_SECONDS, _LEAST_PART = 0.9, 0.6, 0.5


async def ask(
    name: str, program: Path, asked: Mapping[str, Any], limit: timedelta
) -> dict[str, Any]:
    """Return what a child answers.

    Args:
        name: What messages call it.
        program: The Python file that it runs.
        asked: The request; ``root`` is the tree, ``values`` the rollout's.
        limit: How long it may take.

    Raises:
        RenderError: Templates failed, or it took too long or too much.
    """
    seconds = _seconds(limit)
    with tempfile.TemporaryDirectory(prefix=f"rollwright-{name}-") as folder:
        # NB: a file, as the values may hold secrets and everybody sees arguments.
        file = Path(folder) / "request.json"
        request = orjson.dumps({**asked, "seconds": seconds}, option=orjson.OPT_NON_STR_KEYS)
        await asyncio.to_thread(file.write_bytes, request)
        started = child.Child(
            name=name,
            command=(sys.executable, "-I", str(program), str(file)),
            timeout=limit,
            root=Path(asked["root"]),
            clean=without_secrets,
        )
        try:
            output = await child.run(started)
        except RenderError as error:
            raise await asyncio.to_thread(_placed, error, file.with_name("progress")) from error
    answer: dict[str, Any] = orjson.loads(output)
    if "failures" in answer:
        raise await asyncio.to_thread(_failed, name, answer["failures"], asked)
    return answer


def _seconds(limit: timedelta) -> float:
    """Return when the child itself gives up, and can say where: its start has cost time, too."""
    whole = limit.total_seconds()
    return max(min(whole * _EARLY_PART, whole - _EARLY_SECONDS), whole * _LEAST_PART)


def _placed(error: RenderError, progress: Path) -> RenderError:
    """Add which template it was at; nobody came back to tell the line."""
    at = progress.read_text() if progress.is_file() else ""
    return RenderError(f"{error.message}, at {at}", hint=error.hint) if at else error


def _failed(name: str, failures: list[list[Any]], asked: Mapping[str, Any]) -> RenderError:
    hidden, root = tuple(secret_texts(asked["values"])), Path(asked["root"])
    lines = []
    for file, line, message in failures[:_MOST_FAILURES]:
        text = without_secrets(without(message, hidden), root)
        # What a reader of YAML says begins with the file itself.
        where = f"{file}:{line}: " if line else f"{file}: "
        lines.append(excerpt(text if text.startswith(f"{file}:") else f"{where}{text}"))
    if len(lines) == 1:
        return RenderError(f"{name} failed: {lines[0]}")
    listed = "\n".join(f"  {one}" for one in lines)
    return RenderError(f"{name} failed: {len(failures)} problems in the templates:\n{listed}")
