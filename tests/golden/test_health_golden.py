"""Every file below ``golden/health`` is one object, what is around it, and its verdict."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rollwright import documents
from rollwright.rollouts.health import (
    AddressPolicy,
    Goal,
    HealthContext,
    HealthOptions,
    Skip,
    SuspendedPolicy,
    Windows,
    compute,
    judge_wait,
    parse_duration,
    parse_rule,
    to_argo,
    to_kstatus,
)
from rollwright.rollouts.manifest import ObjectRef, ref_of
from rollwright.rollouts.status import ObjectStatus

CASES = Path(__file__).parent / "health"
FILES = sorted(CASES.rglob("*.yaml"))


def name_of(file: Path) -> str:
    return str(file.relative_to(CASES).with_suffix(""))


def with_key(key: str) -> list[Path]:
    return [file for file in FILES if f"\n{key}:" in f"\n{file.read_text('utf-8')}"]


def read(file: Path) -> dict[str, Any]:
    case: dict[str, Any] = documents.load(file.read_text(encoding="utf-8"), name=file.name)
    return case


def snake(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {re.sub(r"(?=[A-Z])", "_", key).lower(): value for key, value in fields.items()}


def moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def windows(fields: Mapping[str, Any]) -> Windows:
    plain: dict[str, Any] = {
        key: parse_duration(value) if isinstance(value, str) else value
        for key, value in snake(fields).items()
    }
    return Windows(**plain)


def policies(fields: Mapping[str, str]) -> dict[str, AddressPolicy]:
    return {name: AddressPolicy(word) for name, word in fields.items()}


OPTION: dict[str, Callable[[Any], Any]] = {
    "windows": windows,
    "timeout": parse_duration,
    "progress_timeout": parse_duration,
    "load_balancer_address": AddressPolicy,
    "load_balancer_classes": policies,
    "ingress_address": AddressPolicy,
    "ingress_classes": policies,
    "suspended": SuspendedPolicy,
    "skip": lambda entries: tuple(Skip(**entry) for entry in entries),
}


def options(fields: Mapping[str, Any]) -> HealthOptions:
    plain: dict[str, Any] = {
        key: OPTION[key](value) if key in OPTION else value for key, value in snake(fields).items()
    }
    return HealthOptions(**plain)


CONTEXT: dict[str, Callable[[Any], Any]] = {
    "options": options,
    "rules": lambda entries: tuple(parse_rule(entry) for entry in entries),
    "applied_at": moment,
    "target_rolled_out_at": moment,
    "endpoints_changed_at": moment,
    "first_seen": lambda seen: {key: moment(value) for key, value in seen.items()},
    "secret_values": frozenset,
}


def context(fields: Mapping[str, Any]) -> HealthContext:
    plain: dict[str, Any] = {
        key: CONTEXT[key](value)
        if key in CONTEXT
        else tuple(value)
        if isinstance(value, list)
        else value
        for key, value in snake(fields).items()
    }
    return HealthContext(**plain)


def described(status: ObjectStatus) -> dict[str, Any]:
    return {
        "status": status.status.value,
        "reason": status.reason,
        "message": status.message,
        "rule": status.rule,
        "since": status.since,
        "warnings": [warning.code for warning in status.warnings],
        "warningTexts": [warning.text for warning in status.warnings],
        "evidence": [f"{one.kind}/{one.name}" for one in status.evidence],
        "recheckAt": status.recheck_at,
        "unblocks": status.unblocks,
        "argo": to_argo(status),
        "kstatus": to_kstatus(status),
    }


TIMES = ("since", "recheckAt")


def expected(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: moment(value) if key in TIMES else value for key, value in fields.items()}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_verdict_is_as_recorded(file: Path) -> None:
    case = read(file)
    body = case["object"]
    ref = ObjectRef(**case["ref"]) if "ref" in case else ref_of(body)
    around = context(case.get("context", {}))

    found = described(compute(body, around, moment(case.get("now")), ref=ref))

    wanted = expected(case["expect"])
    assert {key: found[key] for key in wanted} == wanted


@pytest.mark.parametrize("file", with_key("wait"), ids=name_of)
def test_wait_is_as_recorded(file: Path) -> None:
    case = read(file)
    body, now = case["object"], moment(case["now"])
    ref = ObjectRef(**case["ref"]) if "ref" in case else ref_of(body)
    around, wait = context(case.get("context", {})), dict(case["wait"])
    progressed_at = moment(wait.pop("progressedAt", None))
    goal = Goal(wait.pop("goal", "ready"))
    assert now is not None

    status = compute(body, around, now, ref=ref)
    verdict = judge_wait(status, body, around, now=now, progressed_at=progressed_at, goal=goal)

    found = {
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "message": verdict.message,
        "recheckAt": verdict.recheck_at,
        "unblocks": verdict.unblocks,
    }
    wanted = expected(wait)
    assert {key: found[key] for key in wanted} == wanted


@pytest.mark.parametrize("file", with_key("now"), ids=name_of)
def test_recheck_lies_ahead_and_nothing_changes_before_it(file: Path) -> None:
    case = read(file)
    now = moment(case.get("now"))
    assert now is not None
    body = case["object"]
    ref = ObjectRef(**case["ref"]) if "ref" in case else ref_of(body)
    around = context(case.get("context", {}))

    status = compute(body, around, now, ref=ref)
    if status.recheck_at is None:
        later = now + timedelta(days=1000)
    else:
        assert status.recheck_at > now
        later = status.recheck_at - timedelta(microseconds=1)
    again = compute(body, around, later, ref=ref)

    assert dataclasses.replace(again, recheck_at=status.recheck_at) == status
