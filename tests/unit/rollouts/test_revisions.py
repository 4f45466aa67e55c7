"""Which revision is meant, which stay, and how two differ."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest

from rollwright.errors import NotFound
from rollwright.rollouts.describe.history import describe_diff, history_notes, history_rows
from rollwright.rollouts.describe.lines import text
from rollwright.rollouts.revisions.history import (
    RevisionDiff,
    compare_sets,
    find_revision,
    history_of,
    last_success,
    previous,
    retained,
)
from rollwright.rollouts.state import AuditEntry, Hold, Journal, Revision, RolloutState

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))


def revision(number, digest="", outcome="succeeded", back=0):
    is_good = outcome == "succeeded"
    return Revision(
        number=number, source=f"path@{number}", digest=digest or f"d{number}", outcome=outcome,
        actor="ada", started_at=w.NOW, ended_at=w.NOW + timedelta(seconds=2),
        snapshot=f"s{number}" if is_good else "", kind="rollback" if back else "manual",
        rolled_back_to=back, message="done",
    )  # fmt: skip


def state(*revisions, **more):
    return RolloutState(rollout="shop", revisions=revisions, **more)


def journal(digest="d9", back=0):
    return Journal(
        run_id="r", plan_id="p", owner="ada", token=1, started_at=w.NOW, digest=digest,
        rolled_back_to=back,
    )  # fmt: skip


def hold(*digests, number=1):
    return Hold(
        reason="bad", actor="ada", since_at=w.NOW, bad_digest=digests[0],
        older_digests=digests[1:], revision=number,
    )  # fmt: skip


GOOD, BAD = "succeeded", "failed"

CASES = {
    "the success before the current one": (state(revision(1), revision(2)), 1),
    "the only one has none before it": (state(revision(1)), None),
    "nothing ran yet": (state(), None),
    "a failed one goes back to the last success": (
        state(revision(1), revision(2), revision(3, outcome=BAD)), 2,
    ),
    "failures between are passed over": (
        state(revision(1), revision(2, outcome=BAD), revision(3)), 1,
    ),
    "the same objects under another number are no way back": (
        state(revision(1), revision(2, "d3"), revision(3)), 1,
    ),
    "a rollback goes further back": (
        state(revision(1), revision(2), revision(3), revision(4, "d2", back=2)), 1,
    ),
    "a rollback of a rollback goes further still": (
        state(revision(1), revision(2), revision(3), revision(4, "d3", back=3),
              revision(5, "d2", back=4)), 1,
    ),
    "a failed rollback is tried again": (
        state(revision(1), revision(2), revision(3, "d1", BAD, back=1), hold=hold("d2")), 1,
    ),
    "what is held is no way back": (
        state(revision(1), revision(2), revision(3, outcome=BAD), hold=hold("d2")), 1,
    ),
    "a killed run goes back to what was there before": (
        state(revision(1), revision(2), journal=journal()), 2,
    ),
    "a killed rollback is brought to its end": (
        state(revision(1), revision(2), journal=journal("d1x", back=1)), 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_rollback_without_a_number_means(case):
    given, number = CASES[case]

    found = previous(given)

    assert (found.number if found else None) == number


def test_a_success_whose_objects_are_not_kept_is_no_way_back():
    old = Revision(
        number=1, source="", digest="d1", outcome=GOOD, actor="", started_at=w.NOW, ended_at=w.NOW
    )

    assert last_success(state(old)) is None


def test_an_unknown_number_names_those_that_are_known():
    with pytest.raises(NotFound, match="no revision 7; known: 1, 2"):
        find_revision(state(revision(1), revision(2)), 7)


@pytest.mark.parametrize(
    ("revisions", "count", "pinned", "numbers"),
    [
        ([1, 2, 3, 4], 2, (), [3, 4]),
        ([1, 2, 3, 4], 2, (1, 0), [1, 3, 4]),
        ([1, 2, 3, 4], 9, (), [1, 2, 3, 4]),
        ([1, -2, -3, -4], 2, (), [1, -3, -4]),
        ([1, 2, -3, -4, -5], 2, (), [2, -4, -5]),
    ],
)
def test_what_is_needed_stays(revisions, count, pinned, numbers):
    made = [revision(abs(one), outcome=GOOD if one > 0 else BAD) for one in revisions]

    kept = retained(made, count, pinned)

    assert [one.number for one in kept] == list(map(abs, numbers))


def test_two_sets_differ_by_objects_and_fields():
    old = w.a_set(w.a_config("a", k="1"), w.a_config("gone"), w.a_config("same"))
    new = w.a_set(w.a_config("a", k="2"), w.a_config("new"), w.a_config("same"))

    found = compare_sets(old, new, salt="key")

    assert [(one.ref.name, one.kind) for one in found] == [
        ("a", "changed"), ("gone", "removed"), ("new", "added"),
    ]  # fmt: skip
    assert [(one.path, one.old, one.new) for one in found[0].fields] == [("data.k", "1", "2")]


def test_values_of_secrets_are_not_told():
    old, new = (w.a_set(w.a_body("Secret", "s", data={"k": value})) for value in ("b25l", "dHdv"))
    found = compare_sets(old, new, salt="key")
    diff = RevisionDiff(
        rollout="shop", cluster="c", old=revision(1), new=revision(2), objects=found
    )

    told = text(describe_diff(diff))

    assert "data.k" in told
    assert "b25l" not in told
    assert "dHdv" not in told


def test_sets_without_a_difference_say_so():
    diff = RevisionDiff(rollout="shop", cluster="", old=revision(1), new=revision(2))

    assert "from revision 1 to 2: no difference" in text(describe_diff(diff))


def test_the_history_shows_the_latest_first_and_what_was_gone_back_to():
    found = history_of(state(revision(1), revision(2), revision(3, "d1", back=1)), "c")

    rows = history_rows(found)

    assert [row[0] for row in rows] == ["3", "2", "1"]
    assert rows[0][1:] == (
        "2025-06-01 12:00:02Z", "2.0 s", "succeeded", "ada", "rollback to 1", "path@3", "done",
    )  # fmt: skip


def test_the_history_tells_what_was_done_beside_the_runs_in_order_of_time():
    times = {"decision": 2, "takeover": 1, "hold": 2, "release": 3}
    audit = (
        AuditEntry(at=w.NOW + timedelta(minutes=at), kind=kind, actor="ada", message="")
        for kind, at in times.items()
    )
    found = history_of(state(revision(1), audit=tuple(audit)), "c")

    assert [one.kind for one in found.audit] == ["release", "hold", "decision", "takeover"]


def test_the_history_tells_of_the_hold_and_who_put_it_on():
    entry = AuditEntry(at=w.NOW, kind="hold", actor="ada", message="bad")
    found = history_of(state(revision(1), hold=hold("d2"), audit=(entry,)), "c")

    told = text(history_notes(found))

    assert "held at revision 1 by ada since 2025-06-01 12:00:00Z: bad" in told
    assert "hold by ada: bad" in told
