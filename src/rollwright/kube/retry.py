"""Whether and when a failed request is sent again. Pure: time and chance come in as values."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

PASSING = frozenset({502, 503, 504})
"""Answers of a server, or of something before it, that may be well in a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Clocks and chance; tests bring their own."""

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a request is tried.

    Attributes:
        attempts: Of one request, the first included; answers of 429 do not count.
        first_contact_attempts: The same while the server has never answered: a wrong address
            should be told soon.
        error_attempts: After 500, which rarely passes.
        base_seconds: Before the second attempt; doubled each time.
        cap_seconds: Longest pause of our own choice.
        deadline_seconds: From the first attempt to the start of the last.
    """

    attempts: int = 9
    first_contact_attempts: int = 3
    error_attempts: int = 3
    base_seconds: float = 0.1
    cap_seconds: float = 5.0
    deadline_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What went wrong with one attempt.

    Attributes:
        status: Of the answer; zero when there was none.
        is_sent: Whether the server may have got the request.
        is_final: Nothing will be better the next time: a certificate, a webhook that failed.
        retry_after_seconds: What the server asked for.
    """

    status: int = 0
    is_sent: bool = True
    is_final: bool = False
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a request stands: the number of attempts made, and the seconds since the first."""

    attempt: int
    elapsed_seconds: float
    is_idempotent: bool
    is_first_contact: bool = False


def next_delay(
    failure: Failure, progress: Progress, patience: Patience, *, chance: float
) -> float | None:
    """Return the seconds until the next attempt, ``None`` to give up.

    Args:
        failure: What went wrong.
        progress: Where the request stands.
        patience: How long to try.
        chance: Random number of [0, 1), for the jitter of our own pauses.
    """
    if not _may_repeat(failure, progress) or progress.attempt >= _attempts(
        failure, progress, patience
    ):
        return None
    delay = failure.retry_after_seconds
    if delay is None:
        delay = backoff(progress.attempt, patience, chance=chance)
    return delay if progress.elapsed_seconds + delay <= patience.deadline_seconds else None


def backoff(attempt: int, patience: Patience, *, chance: float) -> float:
    """Return a pause of our own choice: doubled each time, between half of it and all of it."""
    pause: float = patience.base_seconds * 2 ** min(attempt - 1, 30)
    return min(pause, patience.cap_seconds) * (0.5 + chance / 2)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Read a ``Retry-After`` header: seconds, or a date."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max((at - now).total_seconds(), 0.0)


def _may_repeat(failure: Failure, progress: Progress) -> bool:
    if failure.is_final:
        return False
    if failure.status == 429 or not failure.is_sent:
        return True
    return progress.is_idempotent and failure.status in {0, 500, *PASSING}


def _attempts(failure: Failure, progress: Progress, patience: Patience) -> float:
    if failure.status == 429:
        return float("inf")
    if failure.status == 500:
        return min(patience.error_attempts, patience.attempts)
    if not failure.status and progress.is_first_contact:
        return min(patience.first_contact_attempts, patience.attempts)
    return patience.attempts
