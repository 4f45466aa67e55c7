"""The process that evaluates expressions. It is a program of its own and imports nothing of ours.

Before: ``cel_worker`` started it with the folder of the CEL library as its only argument.
After: it answers each request with one line, until nobody is left to ask.

A request is three lines of JSON: ``{expressions, status, now}``, the object, and its pods. The
answer is one line with an entry per expression, ``[kind, value]``: ``bool``, ``other`` with the
name of a type, ``error`` with the library's words, or ``limit`` with what was too much.

An expression is short, but what it builds may be huge, and the library cannot be interrupted.
So the kernel ends this process when one request takes too much processor time, and refuses
memory beyond a limit.
"""

# It is started without site-packages, so that it is there within milliseconds.

from __future__ import annotations

import json
import resource
import signal
import sys
from contextlib import suppress
from datetime import datetime
from typing import Any

CPU_SECONDS = 2.0
MEMORY_BYTES = 1 << 30
_DIGITS = 25


def make_env() -> Any:
    """Return the CEL environment: its variables with their types."""
    from cel_expr_python import cel  # noqa: PLC0415  (on the path only after main has put it there)
    from cel_expr_python.ext import ext_optional, ext_strings  # noqa: PLC0415  (as above)

    return cel.NewEnv(
        variables={
            "object": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
            "status": cel.Type.STRING,
            "pods": cel.Type.List(cel.Type.DYN),
            "now": cel.Type.TIMESTAMP,
        },
        extensions=[ext_strings.ExtStrings(), ext_optional.ExtOptional()],
    )


def main() -> None:
    """Answer until standard input ends."""
    sys.path.append(sys.argv[1])
    _set_limits()
    env = make_env()
    programs: dict[str, Any] = {}
    while line := sys.stdin.buffer.readline():
        body, pods = sys.stdin.buffer.readline(), sys.stdin.buffer.readline()
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        answer = _answers(env, programs, json.loads(line), (body, pods))
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


def _set_limits() -> None:
    # NB: SIGPROF's default is to end the process. A handler of Python would have to wait until
    # the library comes back.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF})
    for kind, limit in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CORE, 0)):
        with suppress(ValueError, OSError):  # not every system has the limit
            resource.setrlimit(kind, (limit, limit))


def _answers(
    env: Any, programs: dict[str, Any], request: dict[str, Any], raw: tuple[bytes, bytes]
) -> list[list[Any]]:
    try:
        body, pods = (json.loads(text, parse_int=_whole) for text in raw)
    except (MemoryError, RecursionError):
        return [["limit", "size"] for _ in request["expressions"]]
    now = datetime.fromisoformat(request["now"])
    values = {"object": body, "pods": pods, "status": request["status"], "now": now}
    return [_answer(env, programs, text, values) for text in request["expressions"]]


def _whole(text: str) -> int | float:
    """Read a whole number; CEL knows 64 bits only, and one beyond would spoil all others."""
    number = int(text) if len(text) < _DIGITS else float(text)
    return number if -(2**63) <= number < 2**63 else float(number)


def _answer(env: Any, programs: dict[str, Any], text: str, values: dict[str, Any]) -> list[Any]:
    try:
        if text not in programs:
            programs[text] = env.compile(text)
        result = programs[text].eval(data=values)
        return _told(result.type().name(), result)
    except MemoryError:
        return ["limit", "memory"]
    except Exception as error:  # noqa: BLE001  (the library has one class for all)
        words = str(error)
        return ["limit", "steps"] if "budget exceeded" in words else ["error", words]


def _told(kind: str, result: Any) -> list[Any]:
    if kind.upper() == "BOOL":
        return ["bool", result.plain_value()]
    if kind.upper().endswith("ERROR"):
        return ["error", str(result.plain_value())]
    return ["other", kind]


if __name__ == "__main__":
    main()
