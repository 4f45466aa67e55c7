from __future__ import annotations

from datetime import UTC, datetime

from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.state import InventoryEntry, Revision, RolloutState, widen

AT = datetime(2025, 1, 1, tzinfo=UTC)


def an_entry(name, **facts) -> InventoryEntry:
    return InventoryEntry(ref=ObjectRef("", "ConfigMap", "shop", name), api_version="v1", **facts)


def a_revision(number) -> Revision:
    return Revision(
        number=number, source="s", digest="d", outcome="succeeded", actor="ada",
        started_at=AT, ended_at=AT,
    )  # fmt: skip


def test_the_union_has_everything_once_and_sorted():
    union = widen([an_entry("c"), an_entry("a")], [an_entry("b"), an_entry("a")])

    assert [entry.ref.name for entry in union] == ["a", "b", "c"]


def test_what_was_applied_keeps_its_facts_in_the_union():
    union = widen([an_entry("a", uid="u", wanted_digest="d")], [an_entry("a")])

    assert union == (an_entry("a", uid="u", wanted_digest="d"),)


def test_the_union_of_nothing_is_nothing():
    assert widen([], []) == ()


def test_the_last_revision_is_the_latest():
    state = RolloutState(rollout="shop", revisions=(a_revision(1), a_revision(2)))

    assert state.last == a_revision(2)


def test_a_rollout_that_never_ran_has_no_last_revision():
    assert RolloutState(rollout="shop").last is None


def test_an_entry_is_found_by_its_ref():
    entry = an_entry("a", uid="u")

    assert RolloutState(rollout="shop", inventory=(entry,)).by_ref[entry.ref] is entry
