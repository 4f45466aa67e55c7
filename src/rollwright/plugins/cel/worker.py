"""Has expressions evaluated by a child process that may be killed without harm.

Before: a check has an object and its expressions; a validator has many.
After: an ``Answer`` per expression, whatever the expression wanted to do to us.

One child serves the whole process: it starts with the first expression and ends with us. It has
processor time and memory for each request (``child``); when it dies of that, the next request
starts another one.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from threading import Lock, Timer
from typing import IO, Any, cast

import orjson

from rollwright.errors import RolloutError
from rollwright.plugins.cel import child

MAX_BYTES = 32 * 2**20
"""Of an object and its pods as JSON."""

PATIENCE_SECONDS = 60.0
"""Wall time for one request: only a machine that stands still needs it."""


@dataclass(frozen=True, slots=True)
class Request:
    """Expressions, and what they may look at; ``body`` and ``pods`` are JSON on one line."""

    expressions: tuple[str, ...]
    body: bytes
    pods: bytes
    status: str
    now: str

    def lines(self) -> bytes:
        """Return the request as the child reads it."""
        head = {
            "scope": "check",
            "expressions": self.expressions,
            "values": {"status": self.status, "now": self.now},
            "large": ("object", "pods"),
            "each": "",
        }
        return b"".join(line + b"\n" for line in (orjson.dumps(head), self.body, self.pods))


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Expressions, and the many things that each of them looks at, one after the other.

    Attributes:
        scope: Whose variables they use: ``policy``, ``rule``, ``config`` or ``delivery``.
        expressions: What is asked of each item.
        item: The variable that is an item.
        items: JSON values.
        values: Further variables that are the same for all items.
    """

    scope: str
    expressions: tuple[str, ...]
    item: str
    items: tuple[Any, ...]
    values: Mapping[str, Any] = field(default_factory=dict)

    def lines(self) -> bytes:
        """Return the request as the child reads it."""
        each = f"{self.item}\0each"
        head = {
            "scope": self.scope,
            "expressions": self.expressions,
            "values": {},
            "large": (each, *self.values),
            "each": each,
            "item": self.item,
            "count": len(self.items),
        }
        parts = (head, self.items, *self.values.values())
        return b"".join(orjson.dumps(one) + b"\n" for one in parts)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an expression came to.

    Attributes:
        value: True or false; ``None`` for anything else.
        error: Why it has no value: a missing field, a text that is no number.
        kind: The type of a value that is neither true nor false.
        text: The value, if it is text.
        limit: What it wanted too much of; it will want that again.
    """

    value: bool | None = None
    error: str = ""
    kind: str = ""
    limit: str = ""
    text: str = ""


_DIED = "the process that evaluates expressions ended with"
_CODE = re.compile(r"^[A-Z_]+: ")
_NO_FIELD = re.compile(r'Key not found in map : ("[^"]*")')
_ENVIRONMENT = ("LD_LIBRARY_PATH",)
"""What a Python of this machine may need to start."""

_LIMITS = {
    "memory": f"more than {child.MEMORY_BYTES >> 20} MiB of memory",
    "steps": "too many steps",
    "size": "an object of a reasonable size",
    "time": f"more than {child.CPU_SECONDS:g} s of processor time",
}


_TOO_LARGE = Answer(limit=f"more than {MAX_BYTES >> 20} MiB of objects")


def _are_all_lost(answers: tuple[tuple[Answer, ...], ...]) -> bool:
    """Tell whether the child died over a batch: then every answer is the same excuse."""
    first = answers[0][0]
    is_excuse = first.limit == _LIMITS["time"] or first.error.startswith(_DIED)
    return is_excuse and all(one == first for look in answers for one in look)


class Worker:
    """The child process and the way to it; one request at a time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    async def ask(self, request: Request) -> tuple[Answer, ...]:
        """Return one answer per expression.

        Raises:
            RolloutError: No child can be started.
        """
        lines = request.lines()
        if len(lines) > MAX_BYTES:
            return (_TOO_LARGE,) * len(request.expressions)
        return (await asyncio.to_thread(self._ask, lines, len(request.expressions), 1))[0]

    def ask_each(self, batch: Batch) -> tuple[tuple[Answer, ...], ...]:
        """Return for each item one answer per expression; waits for them.

        What one item makes the child do does not harm the others.

        Raises:
            RolloutError: No child can be started.
        """
        lines, count, width = batch.lines(), len(batch.items), len(batch.expressions)
        is_small = len(lines) <= MAX_BYTES
        answers = self._ask(lines, width, count) if is_small else ((_TOO_LARGE,) * width,) * count
        if count <= 1 or (is_small and not _are_all_lost(answers)):
            return answers
        half = count // 2
        parts = batch.items[:half], batch.items[half:]
        return tuple(found for part in parts for found in self.ask_each(replace(batch, items=part)))

    def close(self) -> None:
        """End the child, if it is ours."""
        process, self._process = self._process, None
        if process is not None and self._owner == os.getpid():
            _end(process)

    def _ask(self, lines: bytes, width: int, count: int) -> tuple[tuple[Answer, ...], ...]:
        with self._lock:
            process = self._running()
            answer = _exchange(process, lines)
            if not answer:
                self._process = None
                return ((_post_mortem(_end(process)),) * width,) * count
            answers = tuple(tuple(map(_read, look)) for look in orjson.loads(answer))
            if any(one.limit == _LIMITS["memory"] for look in answers for one in look):
                self._process = None  # what it took it would not give back
                _end(process)
            return answers

    def _running(self) -> subprocess.Popen[bytes]:
        process = self._process
        if process is not None and self._owner == os.getpid() and process.poll() is None:
            return process
        if process is not None:  # it died, or is the child of the process that we were forked from
            _close(process)
        process = _start()
        self._process, self._owner = process, os.getpid()
        return process


def _start() -> subprocess.Popen[bytes]:
    spec = find_spec("cel_expr_python")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise RolloutError(
            "cannot evaluate expressions: the CEL library is not installed",
            hint="install cel-expr-python",
        )
    program = str(Path(child.__file__).resolve())
    command = [sys.executable, "-I", "-S", program, str(Path(folders[0]).parent)]
    try:
        # Its own session: Ctrl-C is for the run, which decides itself what to stop.
        return subprocess.Popen(  # noqa: S603  (our own program)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={key: os.environ[key] for key in _ENVIRONMENT if key in os.environ},
            start_new_session=True,
        )
    except OSError as error:
        raise RolloutError(
            f"cannot start the process that evaluates expressions: {error.strerror}",
            retryable=True,
        ) from error


def _exchange(process: subprocess.Popen[bytes], lines: bytes) -> bytes:
    """Send a request and return the answer; nothing if the child did not survive it."""
    to_child, from_child = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
    timer = Timer(PATIENCE_SECONDS, process.kill)
    timer.start()
    try:
        to_child.write(lines)
        to_child.flush()
        answer = from_child.readline()
    except BrokenPipeError:
        return b""
    finally:
        timer.cancel()
    return answer if answer.endswith(b"\n") else b""


def _end(process: subprocess.Popen[bytes]) -> int:
    """End a child and return how it ended."""
    _close(process)
    try:
        return process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):
            cast("IO[bytes]", pipe).close()


def _post_mortem(code: int) -> Answer:
    if code == -signal.SIGPROF:
        return Answer(limit=_LIMITS["time"])
    return Answer(error=f"{_DIED} {code}")


def _read(told: list[Any]) -> Answer:
    kind, value = told
    if kind == "bool":
        return Answer(value=value)
    if kind == "text":
        return Answer(kind="STRING", text=value)
    if kind == "error":
        return Answer(error=_in_words(value))
    return Answer(kind=value) if kind == "other" else Answer(limit=_LIMITS[value])


def _in_words(said: str) -> str:
    words = _CODE.sub("", said)
    return _NO_FIELD.sub(r"there is no field \1", words)


WORKER = Worker()
atexit.register(WORKER.close)
