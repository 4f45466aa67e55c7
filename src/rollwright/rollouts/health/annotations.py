"""What an object's own annotations say about its health: the strongest place of all (HL-140)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import orjson

from rollwright.rollouts.health.context import HealthOptions, Skip
from rollwright.rollouts.health.durations import parse_duration
from rollwright.rollouts.health.jsonpath import Path, all_equal, parse_path, printed
from rollwright.rollouts.health.subject import Finding, Subject, current, in_progress
from rollwright.rollouts.manifest import Body, ObjectRef, canonical_group_kind

HEALTH = "rollwright.dev/health"
ARGO_IGNORE = "argocd.argoproj.io/ignore-healthcheck"
WAIT_FOR = "rollwright.dev/wait-for"
SKIP_WAIT = "rollwright.dev/skip-wait"
TIMEOUT = "rollwright.dev/timeout"

_CONDITION = re.compile(r"^condition=(?P<type>[^=]+)(?:=(?P<status>.*))?$")
_JSONPATH = re.compile(r"^jsonpath=(?P<path>\{.*\})(?:=(?P<value>.*))?$", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitFor:
    """One thing to wait for: a condition's status, or the value at a path."""

    text: str
    condition: str = ""
    path: Path | None = None
    value: str | None = None

    def is_met(self, s: Subject) -> bool:
        """Whether it holds now."""
        if self.path is not None:
            return all_equal(self.path.find(s.body), self.value)
        return self._status(s).lower() == (self.value or "True").lower()

    def found(self, s: Subject) -> str:
        """Say what is there instead."""
        if self.path is None:
            return self._status(s) or "absent"
        return ", ".join(printed(value) for value in self.path.find(s.body)) or "absent"

    def _status(self, s: Subject) -> str:
        wanted = self.condition.lower()
        found = (one for name, one in s.conditions.items() if name.lower() == wanted)
        return str(next(found, {}).get("status") or "")


def parse_wait_for(text: str) -> tuple[WaitFor, ...]:
    """Read the annotation: one entry, a JSON list, or one entry a line or comma.

    Raises:
        ValueError: An entry is neither ``condition=`` nor ``jsonpath={…}``.
    """
    entries = tuple(_wait_for(entry) for entry in _entries(text.strip()))
    if not entries:
        raise ValueError(f"{WAIT_FOR} is empty")
    return entries


def _entries(text: str) -> Iterator[str]:
    if text.startswith("["):
        yield from (str(entry).strip() for entry in orjson.loads(text))
        return
    for entry in re.split(r"[\n,](?=\s*(?:condition|jsonpath)=|\s*$)", text):
        if entry.strip():
            yield entry.strip()


def _wait_for(entry: str) -> WaitFor:
    if match := _CONDITION.match(entry):
        return WaitFor(text=entry, condition=match["type"].strip(), value=match["status"])
    if match := _JSONPATH.match(entry):
        return WaitFor(text=entry, path=parse_path(match["path"]), value=_unquoted(match["value"]))
    raise ValueError(
        f"{WAIT_FOR}: got {entry!r}, expected condition=TYPE or jsonpath={{PATH}}=VALUE"
    )


def _unquoted(value: str | None) -> str | None:
    if value is None or len(value) < 2 or value[0] != value[-1] or value[0] not in "\"'":
        return value
    return value[1:-1]


def by_wait_for(s: Subject) -> Finding | None:
    """Judge an object by what its annotation waits for: all of it must hold."""
    text = s.annotations.get(WAIT_FOR)
    if text is None:
        return None
    open_ones = [one for one in parse_wait_for(text) if not one.is_met(s)]
    if not open_ones:
        return current("wait-for", f"met: {' '.join(text.split())}")
    words = "; ".join(f"{one.text} not met, it is {one.found(s)}" for one in open_ones)
    return in_progress("wait-for", "WaitingFor", words)


def is_ignored(body: Body | None, ref: ObjectRef, options: HealthOptions) -> bool:
    """Whether health leaves an object out: it passes every wait and no sum counts it (HL-07)."""
    annotations = _annotations(body)
    if annotations.get(HEALTH) == "ignore" or annotations.get(ARGO_IGNORE) == "true":
        return True
    return any(_is_skipped(ref, skip) for skip in options.skip)


def _is_skipped(ref: ObjectRef, skip: Skip) -> bool:
    group = None if skip.group is None else canonical_group_kind(skip.group, ref.kind)[0]
    return (
        skip.kind in {"", ref.kind}
        and skip.name in {"", ref.name}
        and skip.namespace in {"", ref.namespace}
        and group in {None, ref.group_kind[0]}
    )


def skips_wait(body: Body | None) -> bool:
    """Whether an object asks not to be waited for."""
    return _annotations(body).get(SKIP_WAIT) == "true"


def timeout_of(body: Body | None, options: HealthOptions) -> timedelta:
    """Return how long an object may be waited for, by its annotation or the options.

    Raises:
        ValueError: The annotation holds no duration.
    """
    text = _annotations(body).get(TIMEOUT)
    return options.timeout if text is None else parse_duration(text)


def _annotations(body: Body | None) -> Mapping[str, str]:
    return ((body or {}).get("metadata") or {}).get("annotations") or {}
