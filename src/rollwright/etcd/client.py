"""Sends calls to one of several members: with a deadline each, and again elsewhere when one fails.

Before: ``access`` says where they are; ``requests`` makes what is sent.
After: ``session``, ``line`` and the plugins use what comes back.

Every member has a channel of its own, so that a failure has a name, a certificate is compared
with the endpoint that shows it, and the next attempt goes elsewhere at once. **What is sent here
may be sent twice**: an answer can be lost. So a write is a transaction that may be repeated, and
``TxnAnswer.is_repeated`` tells when it was.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from rollwright.errors import RolloutError
from rollwright.etcd.access import Access
from rollwright.etcd.channel import Member
from rollwright.etcd.failures import Failure
from rollwright.etcd.shim import aio, rpc

CALL_SECONDS = 2.0
"""How long one member has for one call. With much more, a change of the leader is a long gap."""

PATIENCE_SECONDS = 10.0
"""How long all members together have: an election, and a moment."""

FIRST_PATIENCE_SECONDS = 3.0
"""The same before anything has ever been answered: then the endpoints are wrong, most likely."""

_FIRST_ROUNDS = 4
"""How often all members may hang up before anything has ever been answered."""

LOGIN_SECONDS = 10.0
"""A login hashes the password slowly, on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TxnAnswer:
    """What a transaction gave.

    Attributes:
        is_met: Whether the conditions held.
        results: One answer per operation.
        revision: Of the whole store, right after it.
        is_repeated: It was sent more than once, so an earlier one may have been carried out.
    """

    is_met: bool
    results: tuple[Any, ...]
    revision: int
    is_repeated: bool


class Client:
    """One etcd, for one event loop."""

    def __init__(self, access: Access, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.access = access
        self._members = tuple(Member(one, access) for one in access.endpoints)
        # Processes spread over the members, and each stays with one as long as it answers.
        self._at = random.randrange(len(self._members))  # noqa: S311  (spreads load; no secret)
        self._patience = patience_seconds
        self._has_answered = False
        self._token = ""
        self._logging_in = asyncio.Lock()

    @property
    def where(self) -> str:
        """The endpoints, for messages."""
        return ", ".join(self.access.endpoints)

    @property
    def members(self) -> tuple[Member, ...]:
        """All of them, in the order of the endpoints."""
        return self._members

    async def close(self) -> None:
        """Hang up everywhere."""
        await asyncio.gather(*(member.close() for member in self._members))

    async def get_ready(self) -> None:
        """Do what the first call would do besides: imports, a connection, a login."""
        if not self._has_answered:
            await self.call("Maintenance", "Status", rpc().StatusRequest())

    async def range(self, request: Any) -> Any:
        """Read keys."""
        return await self.call("KV", "Range", request)

    async def get(self, key: str) -> Any | None:
        """Return one key with its value; ``None`` if there is none."""
        answer = await self.range(rpc().RangeRequest(key=key.encode()))
        return answer.kvs[0] if answer.kvs else None

    async def txn(self, request: Any) -> TxnAnswer:
        """Carry out a transaction that may be repeated."""
        attempts = _Attempts()
        answer = await self.call("KV", "Txn", request, attempts=attempts)
        return TxnAnswer(
            is_met=answer.succeeded,
            results=tuple(getattr(one, one.WhichOneof("response")) for one in answer.responses),
            revision=answer.header.revision,
            is_repeated=attempts.count > 1,
        )

    async def call(
        self,
        service: str,
        method: str,
        request: Any,
        *,
        patience: float | None = None,
        attempts: _Attempts | None = None,
    ) -> Any:
        """Send a call until a member answers.

        Args:
            service: Such as ``KV``.
            method: Such as ``Range``.
            request: What is sent, more than once if it must be.
            patience: Seconds for all attempts together.
            attempts: Counts them.

        Raises:
            Unreachable: None of them answered in time.
            Unauthorized: They do not know us.
            Refused: They know us, and say no.
        """
        attempts = attempts or _Attempts()
        give_up_at = _now() + self._usual_patience if patience is None else _now() + patience
        while True:
            member, attempts.count = self.member, attempts.count + 1
            try:
                return await self._once(member, service, method, request, give_up_at)
            except Failed as failed:
                await self._think(member, failed.failure, attempts, give_up_at)

    @property
    def member(self) -> Member:
        """The one that is used now."""
        return self._members[self._at % len(self._members)]

    @property
    def _usual_patience(self) -> float:
        return self._patience if self._has_answered else FIRST_PATIENCE_SECONDS

    def avoid(self, member: Member) -> None:
        """Go on with the next member, if this one is still the one that is used."""
        if self.member is member:
            self._at += 1

    def forget_login(self) -> None:
        """Log in again before the next call."""
        self._token = ""

    async def _once(
        self, member: Member, service: str, method: str, request: Any, give_up_at: float
    ) -> Any:
        seconds = max(0.05, min(CALL_SECONDS, give_up_at - _now()))
        async with self.speaking(member):
            metadata = await self.metadata(member)
            # A gRPC deadline counts from here; the timeout covers a channel that never opens.
            async with asyncio.timeout(seconds + 1):
                call = member.method(service, method)(request, timeout=seconds, metadata=metadata)
                answer = await call
        self._has_answered = True
        return answer

    @asynccontextmanager
    async def speaking(self, member: Member) -> AsyncIterator[None]:
        """Turn what gRPC raises into ``Failed``."""
        try:
            yield
        except aio().AioRpcError as error:
            code, text = error.code().name, error.details() or ""
            raise Failed(self._failure(member, code, text)) from error
        # The second is what a stream says that has ended before it was written to.
        except (TimeoutError, asyncio.InvalidStateError) as error:
            raise Failed(self._failure(member, "DEADLINE_EXCEEDED", "")) from error

    def _failure(self, member: Member, code: str, text: str) -> Failure:
        is_secured = self.access.tls is not None
        return Failure(code=code, text=text, endpoint=member.endpoint, is_secured=is_secured)

    async def metadata(self, member: Member) -> tuple[tuple[str, str], ...]:
        """Return what goes with every call: who we are, and that we want a whole cluster."""
        leader = (("hasleader", "true"),)  # one cut off from the others does not serve old news
        if not self.access.user:
            return leader
        async with self._logging_in:
            self._token = self._token or await self._login(member)
        return (*leader, ("token", self._token)) if self._token else leader

    async def _login(self, member: Member) -> str:
        request = rpc().AuthenticateRequest(name=self.access.user, password=self.access.password)
        try:
            async with self.speaking(member):
                call = member.method("Auth", "Authenticate")
                return str((await call(request, timeout=LOGIN_SECONDS)).token)
        except Failed as failed:
            if "authentication is not enabled" in failed.failure.text:
                return ""
            raise

    def _is_hopeless(self, failure: Failure, attempts: _Attempts) -> bool:
        """Return whether all members were tried, and will not say anything else soon."""
        rounds = attempts.count // len(self._members)
        is_wrong = failure.is_turned_away and not self._has_answered
        return (rounds >= 1 and failure.is_distrust) or (rounds >= _FIRST_ROUNDS and is_wrong)

    async def _think(
        self, member: Member, failure: Failure, attempts: _Attempts, give_up_at: float
    ) -> None:
        """Return when another attempt is due; raise if none is."""
        if failure.wants_login and self.access.user and not attempts.has_logged_in:
            attempts.has_logged_in, self._token = True, ""
            return
        pause = min(0.5, 0.02 * 2 ** min(attempts.count, 6)) * random.uniform(0.5, 1.0)  # noqa: S311  (spreads attempts; no secret)
        if (
            self._is_hopeless(failure, attempts)
            or not failure.is_passing
            or _now() + pause >= give_up_at
        ):
            is_alone = not failure.is_passing
            raise failure.explain((member.endpoint,) if is_alone else self.access.endpoints)
        self.avoid(member)
        await asyncio.sleep(pause)


@dataclass(slots=True, kw_only=True)
class _Attempts:
    """How often a call was sent."""

    count: int = 0
    has_logged_in: bool = False


class Failed(RolloutError):
    """One attempt at one member; never leaves this package."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


def _now() -> float:
    return asyncio.get_running_loop().time()
