"""Whether and when something is sent again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rollwright.kube.retry import Failure, Patience, Progress, backoff, next_delay, retry_after

PATIENCE = Patience()
NOW = datetime(2025, 1, 1, tzinfo=UTC)


def delay(failure: Failure, *, chance: float = 1.0, **progress: object) -> float | None:
    known = {"attempt": 1, "elapsed_seconds": 0.0, "is_idempotent": True, **progress}
    return next_delay(failure, Progress(**known), PATIENCE, chance=chance)  # type: ignore[arg-type]  # values of one test each


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 501])
def test_what_will_not_change_is_not_asked_again(status: int) -> None:
    assert delay(Failure(status=status)) is None


@pytest.mark.parametrize("status", [0, 429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again(status: int) -> None:
    assert delay(Failure(status=status)) == pytest.approx(0.1)


@pytest.mark.parametrize(("status", "may"), [(0, False), (429, True), (500, False), (503, False)])
def test_what_must_not_be_done_twice_is_asked_again_only_if_it_was_not_done(
    status: int, may: bool
) -> None:
    assert (delay(Failure(status=status), is_idempotent=False) is not None) is may


def test_what_was_never_sent_may_be_sent_again() -> None:
    assert delay(Failure(is_sent=False), is_idempotent=False) is not None


def test_what_is_final_is_not_tried_again() -> None:
    assert delay(Failure(status=500, is_final=True)) is None


@pytest.mark.parametrize(
    ("failure", "attempts", "first"),
    [
        (Failure(status=503), 9, False),
        (Failure(status=500), 3, False),
        (Failure(is_sent=False), 9, False),
        (Failure(is_sent=False), 3, True),
    ],
)
def test_attempts_have_an_end(failure: Failure, attempts: int, first: bool) -> None:
    last = delay(failure, attempt=attempts - 1, is_first_contact=first)

    assert last is not None
    assert delay(failure, attempt=attempts, is_first_contact=first) is None


def test_the_deadline_is_never_passed() -> None:
    failure = Failure(status=429, retry_after_seconds=5)

    assert delay(failure, attempt=50, elapsed_seconds=55) == 5
    assert delay(failure, attempt=50, elapsed_seconds=55.1) is None


def test_what_the_server_asks_for_has_no_jitter() -> None:
    assert delay(Failure(status=429, retry_after_seconds=2), chance=0.7) == 2


def test_pauses_grow_to_a_cap() -> None:
    pauses = [backoff(attempt, PATIENCE, chance=1.0) for attempt in (1, 2, 3, 7, 500)]

    assert pauses == pytest.approx([0.1, 0.2, 0.4, 5.0, 5.0])


def test_jitter_takes_away_up_to_half() -> None:
    assert backoff(1, PATIENCE, chance=0.0) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        ("0", 0.0),
        ("Wed, 01 Jan 2025 00:00:07 GMT", 7.0),
        ("Tue, 31 Dec 2024 23:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds
