"""One request to tell somebody, and what its answer means: told, try again, or never.

Before: a sink made the request. After: ``engine.telling`` repeats it where that may help.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from rollwright.errors import RolloutError, Unauthorized, Unreachable, excerpt
from rollwright.plugins.http_calls import Answer, Call, broken, send
from rollwright.rollouts.container_logs import all_forms
from rollwright.rollouts.health.verdict import mask
from rollwright.rollouts.spec.durations import format_duration

_PASSING = frozenset({408, 425, 429})


async def post(
    call: Call, *, where: str, limit: timedelta, secrets: Collection[str] = ()
) -> Answer:
    """Send a request that tells somebody; return its answer.

    Args:
        call: The request.
        where: What messages call its address; without secrets.
        limit: How long the answer may take.
        secrets: What must not stand in a message.

    Raises:
        Unreachable: There is no answer, or one that says to come again, and maybe when.
    """
    from aiohttp import ClientError  # noqa: PLC0415  (0.2 s; only who sends needs it)

    hidden = frozenset(secrets) | all_forms(frozenset(secrets))
    try:
        async with asyncio.timeout(limit.total_seconds()):
            answer = await send(call)
    except TimeoutError:
        words = f"{where}: no answer within {format_duration(limit)}"
        raise Unreachable(words) from None
    except (ClientError, OSError, ValueError) as error:
        # Not chained: what connects quotes the address.
        raise Unreachable(f"{where}: {mask(broken(error), hidden)}") from None
    if answer.status in _PASSING or answer.status >= 500 or _is_limited(answer):
        later = Unreachable(_words(where, answer, hidden))
        later.retry_after_seconds = asked_wait(answer, datetime.now(UTC))
        raise later
    return answer


def refuse_unless_good(answer: Answer, *, where: str, secrets: Collection[str] = ()) -> None:
    """Raise unless an answer says that all is well.

    Raises:
        Unauthorized: The other side does not know us.
        RolloutError: It says no; asking again would not help.
    """
    if answer.is_good:
        return
    words = _words(where, answer, frozenset(secrets) | all_forms(frozenset(secrets)))
    if answer.status in {401, 403}:
        raise Unauthorized(words, hint="check the token, and what it may do there")
    raise RolloutError(words)


def asked_wait(answer: Answer, now: datetime) -> float | None:
    """Return in how many seconds the other side wants to be asked again; ``None`` if it says none.

    ``Retry-After`` has seconds or a date; where a limit is used up, ``X-RateLimit-Reset`` has the
    second since 1970 in which there is a new one.
    """
    asked = answer.headers.get("retry-after", "").strip()
    if asked.isdecimal():
        return float(asked)
    reset = answer.headers.get("x-ratelimit-reset", "").strip()
    try:
        if asked:
            at = parsedate_to_datetime(asked)
        elif _is_used_up(answer) and reset.isdecimal():
            at = datetime.fromtimestamp(int(reset), UTC)
        else:
            return None
        return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())
    except (ValueError, OverflowError, OSError):
        return None


def _is_limited(answer: Answer) -> bool:
    """Whether a refusal only says that it was too much: GitHub answers 403 then."""
    return answer.status == 403 and ("retry-after" in answer.headers or _is_used_up(answer))


def _is_used_up(answer: Answer) -> bool:
    return answer.headers.get("x-ratelimit-remaining", "").strip() == "0"


def _words(where: str, answer: Answer, hidden: frozenset[str]) -> str:
    words = f"{where}: answered {answer.status}"
    if 300 <= answer.status < 400:
        return f"{words} (redirects are not followed)"
    said = excerpt(mask(answer.text, hidden))
    return f"{words}: {said}" if said else words
