"""Fields that other managers own with other values, and what becomes of each (AP-31 to AP-37).

Before: the server refused an apply without force, and named fields and managers.
After: the body is adjusted; the plan shows every conflict with what is done about it.

What decides about a field, the first that says anything: the object's annotation for that field,
its annotation for all, the rules of ``apply.conflicts``; else it is taken, or refused if
``apply.force`` is false.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from rollwright.errors import Cause
from rollwright.rollouts.diff import ABSENT, Conflict, mask
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body, Manifest, ObjectRef, is_secret
from rollwright.rollouts.ownership.fieldsets import (
    Path,
    find_path,
    members,
    shown,
    stripped,
    value_at,
    with_value,
)
from rollwright.rollouts.ownership.migration import is_person
from rollwright.rollouts.spec.ownership import ConflictAction, ConflictRule

ANNOTATION = "rollwright.dev/conflicts"
FIELD_ANNOTATION = "rollwright.dev/conflicts-field."

_MESSAGE = re.compile(
    r'conflict with (?P<manager>"(?:[^"\\]|\\.)*")'
    r'(?: with subresource "(?P<subresource>[^"]*)")?'
    r"(?: using (?P<version>\S+))?(?: at (?P<time>\S+))?"
)
_ACTIONS = {one.value: one for one in ConflictAction}
_ACTION_NAMES = ", ".join(_ACTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictPolicy:
    """What decides about the conflicts of one object.

    Attributes:
        fields: From its annotations: path and action, in their order.
        whole: From its annotation for all fields.
        rules: Those of the document that mean this object.
        is_forced: ``apply.force``.
    """

    fields: tuple[tuple[str, ConflictAction], ...] = ()
    whole: ConflictAction | None = None
    rules: tuple[ConflictRule, ...] = ()
    is_forced: bool = True

    def judge(self, path: str, manager: str) -> ConflictAction:
        """Return what becomes of a field."""
        for field, action in self.fields:
            if is_within(path, field):
                return action
        if self.whole is not None:
            return self.whole
        for rule in self.rules:
            if _matches(rule, path, manager):
                return rule.action
        return ConflictAction.TAKE if self.is_forced else ConflictAction.FAIL


_BY_DEFAULT = {is_forced: ConflictPolicy(is_forced=is_forced) for is_forced in (True, False)}


def policy_for(
    manifest: Manifest, rules: Collection[ConflictRule], *, is_forced: bool
) -> ConflictPolicy:
    """Return what decides about the conflicts of one object."""
    if not rules and not manifest.annotations:
        return _BY_DEFAULT[is_forced]
    annotated = [_read_field(value) for _, value in _field_annotations(manifest)]
    return ConflictPolicy(
        fields=tuple(one for one in annotated if one is not None),
        whole=_ACTIONS.get(str(manifest.annotations.get(ANNOTATION, "")).strip()),
        rules=tuple(rule for rule in rules if _means(rule, manifest.ref)),
        is_forced=is_forced,
    )


def annotation_problems(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Yield annotation and mistake of what the object says about its conflicts."""
    whole = manifest.annotations.get(ANNOTATION)
    if whole is not None and str(whole).strip() not in _ACTIONS:
        yield ANNOTATION, f"expected one of {_ACTION_NAMES}; got {whole!r}"
    for name, value in _field_annotations(manifest):
        if _read_field(value) is None:
            message = f"expected '<action> <field>' with one of {_ACTION_NAMES}; got {value!r}"
            yield name, message


def _field_annotations(manifest: Manifest) -> list[tuple[str, str]]:
    found = [
        (name, str(value))
        for name, value in manifest.annotations.items()
        if name.startswith(FIELD_ANNOTATION)
    ]
    return sorted(found, key=lambda one: _number(one[0].removeprefix(FIELD_ANNOTATION)))


def _number(text: str) -> tuple[int, str]:
    return (int(text), "") if text.isdecimal() else (0, text)


def _read_field(value: str) -> tuple[str, ConflictAction] | None:
    word, _, field = value.strip().partition(" ")
    action = _ACTIONS.get(word)
    return (field.strip(), action) if action is not None and field.strip() else None


def _means(rule: ConflictRule, ref: ObjectRef) -> bool:
    pairs = ((rule.name, ref.name), (rule.namespace, ref.namespace))
    if rule.group is not None and rule.group != ref.group:
        return False
    if rule.kind is not None and rule.kind != ref.kind:
        return False
    return all(pattern is None or fnmatchcase(text, pattern) for pattern, text in pairs)


def _matches(rule: ConflictRule, path: str, manager: str) -> bool:
    if rule.manager is not None and not fnmatchcase(manager, rule.manager):
        return False
    if rule.field is not None and not is_within(path, rule.field):
        return False
    return rule.field_regex is None or bool(re.search(rule.field_regex, path))


def is_within(path: str, field: str) -> bool:
    """Whether a path is the field, or stands below it; both as the plan shows them."""
    wanted, found = normal(field), normal(path)
    rest = found.removeprefix(wanted)
    return found.startswith(wanted) and (not rest or rest[0] in ".[")


def normal(path: str) -> str:
    """Return a path in one form: ``[name="web"]``, ``['a.b/c']`` and JSON pointers become plain."""
    text = path.strip()
    if text.startswith("/"):
        text = ".".join(text[1:].replace("~1", "\\1").replace("~0", "~").split("/"))
        text = text.replace("\\1", "/")
    text = re.sub(r"\['([^']*)'\]", r".\1", text)
    text = re.sub(r"\[([^\]]*)\]", lambda found: f"[{_label(found[1])}]", text)
    return text.strip(".")


def _label(inside: str) -> str:
    values = re.findall(r'(?:^|,)\s*[^=,"]*=("(?:[^"\\]|\\.)*"|[^,]*)', inside)
    return "/".join(one.strip('"') for one in values) if values else inside.strip('"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A conflict with its place, while the body that is sent is made."""

    conflict: Conflict
    place: Path | None


def meet(
    causes: Iterable[Cause], sent: Body, live: LiveObject | None, policy: ConflictPolicy
) -> tuple[Met, ...]:
    """Return the conflicts that the server told, with what becomes of each.

    Args:
        causes: ``details.causes`` of its answer.
        sent: The body that it refused.
        live: The object, for the values of others.
        policy: What decides.
    """
    return tuple(
        _met(cause, found, sent, live, policy)
        for cause in causes
        if (found := _MESSAGE.search(cause.message))
    )


def _met(
    cause: Cause,
    found: re.Match[str],
    sent: Body,
    live: LiveObject | None,
    policy: ConflictPolicy,
) -> Met:
    there: Body = live.body if live is not None else {}
    place = find_path(cause.field, sent, there)
    path = shown(place) if place else cause.field.removeprefix(".")
    manager = found["manager"][1:-1].replace('\\"', '"')
    operation = "Update" if found["version"] else "Apply"
    subresource = found["subresource"] or ""
    conflict = Conflict(
        path=path,
        manager=manager,
        message=cause.message,
        operation=operation,
        subresource=subresource,
        since=_instant(found["time"]) or _since(there, (manager, operation, subresource), place),
        theirs=_told(there, place, live),
        ours=_told(sent, place, live),
        action=policy.judge(path, manager).value,
        is_person=is_person(manager),
    )
    return Met(conflict=conflict, place=place)


def _since(live: Body, whose: tuple[str, str, str], place: Path | None) -> datetime | None:
    """Return when a manager last changed what it owns: the server leaves it out of its words."""
    times = [
        _instant(entry.get("time"))
        for entry in (live.get("metadata") or {}).get("managedFields") or ()
        if _is_of(entry, whose) and (place is None or place in members(entry.get("fieldsV1") or {}))
    ]
    return max((one for one in times if one is not None), default=None)


def _is_of(entry: Mapping[str, Any], whose: tuple[str, str, str]) -> bool:
    found = entry.get("manager"), entry.get("operation"), entry.get("subresource") or ""
    return found == whose


def _instant(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def foresee(
    sent: Body, live: LiveObject, policy: ConflictPolicy, ignoring: Iterable[Mapping[str, Any]]
) -> tuple[Met, ...]:
    """Return the conflicts that managedFields tell of, for an object no server was asked about.

    Args:
        sent: The body to send.
        live: The object as it is.
        policy: What decides.
        ignoring: Entries that are ours, or become ours.
    """
    skipped = tuple(ignoring)
    return tuple(
        met
        for entry in live.metadata.get("managedFields") or ()
        if entry not in skipped
        for met in _foreseen(entry, sent, live, policy)
    )


def _foreseen(
    entry: Mapping[str, Any], sent: Body, live: LiveObject, policy: ConflictPolicy
) -> Iterator[Met]:
    manager = str(entry.get("manager", ""))
    for place in sorted(members(entry.get("fieldsV1") or {})):
        ours, theirs = value_at(sent, place), value_at(live.body, place)
        is_inner = isinstance(ours, Mapping) and isinstance(theirs, Mapping)
        if is_inner or ABSENT in (ours, theirs) or ours == theirs:
            continue
        path = shown(place)
        conflict = Conflict(
            path=path,
            manager=manager,
            operation=str(entry.get("operation", "")),
            subresource=str(entry.get("subresource") or ""),
            since=_instant(entry.get("time")),
            theirs=_told(live.body, place, live),
            ours=_told(sent, place, live),
            action=policy.judge(path, manager).value,
            is_person=is_person(manager),
        )
        yield Met(conflict=conflict, place=place)


def adjusted(
    sent: Body, live: LiveObject | None, met: Iterable[Met], ending: Collection[str] = ()
) -> Body:
    """Return the body with fields left to others taken out, and adopted ones as they are live.

    Args:
        sent: The body before.
        live: The object as it is.
        met: The conflicts.
        ending: Managers that we take over: a field that is left to one of them has no other
            owner in the end, so its live value is sent.
    """
    for one in met:
        place, conflict = one.place, one.conflict
        if place is None or conflict.action not in {ConflictAction.LEAVE, ConflictAction.ADOPT}:
            continue
        theirs = value_at(live.body, place) if live is not None else ABSENT
        is_left = conflict.action == ConflictAction.LEAVE and conflict.manager not in ending
        leaves = is_left or theirs is ABSENT
        sent = stripped(sent, place) if leaves else with_value(sent, place, theirs)
    return sent


def _told(body: Body, place: Path | None, live: LiveObject | None) -> Any:
    """Return a value as the plan shows it: of a Secret a digest, once it lies below ``data``."""
    value = value_at(body, place) if place else ABSENT
    if value is ABSENT or not is_secret(body) or (place and place[0] == "f:metadata"):
        return value
    return mask(value, live.salt if live is not None else "")
