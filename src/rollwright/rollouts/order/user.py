"""Edges that people add: ``depends-on`` and change rules (OR-46, OR-47)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.order.annotations import ChangeRule, Findings, Verb
from rollwright.rollouts.order.catalog import Catalog, Item
from rollwright.rollouts.order.waits import Strength, Wait, wait


class External(NamedTuple):
    """An object that waits for one of another rollout."""

    ref: ObjectRef
    app: str
    needs: ObjectRef


def dependency_waits(catalog: Catalog, findings: Findings) -> Iterator[Wait]:
    """Yield a wait for each object that a ``depends-on`` of this plan names."""
    for item in catalog.items:
        for reference in item.marks.depends_on:
            if reference.app in {"", catalog.context.rollout}:
                yield from _dependency(catalog, item, reference.ref, findings)


def _dependency(
    catalog: Catalog, item: Item, needs: ObjectRef, findings: Findings
) -> Iterator[Wait]:
    number = catalog.find(needs)
    if number is None:
        findings.notes.append(
            f"depends-on of {item.ref}: {needs.qualified} is not in this plan; no effect"
        )
    elif number == item.number:
        findings.problem(item.where, "", f"{item.ref} depends on itself")
    else:
        yield from wait("depends-on", [item.number], [number], Strength.USER)


def externals(catalog: Catalog, findings: Findings) -> Iterator[External]:
    """Yield what objects of this plan need of other rollouts."""
    rollouts = catalog.context.rollouts
    for item in catalog.items:
        for app, needs in ((reference.app, reference.ref) for reference in item.marks.depends_on):
            if app in {"", catalog.context.rollout}:
                continue
            if rollouts is not None and app not in rollouts:
                findings.problem(item.where, "", f"{item.ref} depends on unknown rollout {app!r}")
            yield External(item.ref, app, needs)


def rule_waits(catalog: Catalog, verb: Verb, findings: Findings) -> Iterator[Wait]:
    """Yield what the change rules of one verb ask for; carriers of one rule wait together."""
    carriers: dict[ChangeRule, list[int]] = defaultdict(list)
    for item in catalog.items:
        for rule in item.marks.rules:
            if rule.verb == verb:
                carriers[rule].append(item.number)
    for rule, numbers in carriers.items():
        members = catalog.of(rule.group)
        if rule.target_verb != verb:
            _note_across_verbs(rule, members, findings)
        elif rule.is_after:
            yield from wait("change-rule", numbers, members, Strength.USER)
        else:
            yield from wait("change-rule", members, numbers, Strength.USER)


def _note_across_verbs(rule: ChangeRule, members: list[int], findings: Findings) -> None:
    """Say so when a rule wants deletes before upserts; the other way round always holds."""
    if members and rule.is_after == (rule.verb == "upsert"):
        findings.notes.append(f"change-rule {str(rule)!r}: no effect; deletes run after upserts")
