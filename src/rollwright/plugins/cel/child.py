"""The process that evaluates expressions. It is a program of its own and imports nothing of ours.

Before: ``worker`` started it with the folder of the CEL library as its only argument.
After: it answers each request with one line, until nobody is left to ask.

A request begins with a line of JSON: ``{scope, expressions, values, large, each}``. ``values`` are
small ones; of each name in ``large`` a line of JSON follows. ``each`` names a list whose items are
looked at one after the other under ``item``; without it there is one look. The answer is one line:
for each look a list with an entry per expression, ``[kind, value]``: ``bool``, ``text``, ``other``
with the name of a type, ``error`` with the library's words, or ``limit`` with what was too much.

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
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

CPU_SECONDS = 2.0
MEMORY_BYTES = 1 << 30
MAX_TEXT = 1000
_DIGITS = 25


def make_env(scope: str = "check") -> Any:
    """Return a CEL environment: its variables with their types."""
    from cel_expr_python import cel  # noqa: PLC0415  (on the path only after main has put it there)
    from cel_expr_python.ext import ext_optional, ext_strings  # noqa: PLC0415  (as above)

    body, any_list = cel.Type.Map(cel.Type.STRING, cel.Type.DYN), cel.Type.List(cel.Type.DYN)
    scopes = {
        "check": {
            "object": body,
            "status": cel.Type.STRING,
            "pods": any_list,
            "now": cel.Type.TIMESTAMP,
        },
        "policy": {"object": body, "objects": any_list, "rollout": body},
        "rule": {"self": cel.Type.DYN},
        "config": {"values": body, "rollout": body, "target": body, "trigger": body},
        "delivery": {"body": cel.Type.DYN, "headers": body, "app": body},
    }
    return cel.NewEnv(
        variables=scopes[scope],
        extensions=[ext_strings.ExtStrings(), ext_optional.ExtOptional()],
    )


def main() -> None:
    """Answer until standard input ends."""
    sys.path.append(sys.argv[1])
    _set_limits()
    evaluator = Evaluator()
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        raw = {name: sys.stdin.buffer.readline() for name in request["large"]}
        answer = list(evaluator.answers(request, raw))
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


class Evaluator:
    """Compiles each expression once."""

    def __init__(self) -> None:
        self._envs: dict[str, Any] = {}
        self._programs: dict[tuple[str, str], Any] = {}

    def answers(self, request: dict[str, Any], raw: dict[str, bytes]) -> Iterator[list[list[Any]]]:
        """Yield what the expressions come to, for each look."""
        texts, each = request["expressions"], request["each"]
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        try:
            values = {name: json.loads(text, parse_int=_whole) for name, text in raw.items()}
        except (MemoryError, RecursionError):
            count = request["count"] if each else 1
            yield from [[["limit", "size"] for _ in texts]] * count
            return
        values |= request["values"]
        if "now" in values:
            values["now"] = datetime.fromisoformat(values["now"])
        for item in values.pop(each) if each else [None]:
            signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
            look = {**values, request["item"]: item} if each else values
            yield [self._answer(request["scope"], text, look) for text in texts]
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _answer(self, scope: str, text: str, values: dict[str, Any]) -> list[Any]:
        try:
            result = self._program(scope, text).eval(data=values)
            return _told(result.type().name(), result)
        except MemoryError:
            return ["limit", "memory"]
        except Exception as error:  # noqa: BLE001  (the library has one class for all)
            words = str(error)
            return ["limit", "steps"] if "budget exceeded" in words else ["error", words]

    def _program(self, scope: str, text: str) -> Any:
        key = scope, text
        if key not in self._programs:
            env = self._envs[scope] = self._envs.get(scope) or make_env(scope)
            self._programs[key] = env.compile(text)
        return self._programs[key]


def _whole(text: str) -> int | float:
    """Read a whole number; CEL knows 64 bits only, and one beyond would spoil all others."""
    number = int(text) if len(text) < _DIGITS else float(text)
    return number if -(2**63) <= number < 2**63 else float(number)


def _told(kind: str, result: Any) -> list[Any]:
    if kind.upper() == "BOOL":
        return ["bool", result.plain_value()]
    if kind.upper() == "STRING":
        return ["text", result.plain_value()[:MAX_TEXT]]
    if kind.upper().endswith("ERROR"):
        return ["error", str(result.plain_value())]
    return ["other", kind]


if __name__ == "__main__":
    main()
