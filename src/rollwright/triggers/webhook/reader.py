"""The trigger ``webhook``: deliveries of forges, registries and anybody with a secret.

Before: the receiver took a delivery in, whole and within limits.
After: the engine notes and queues the rollouts that are named.

The origin is looked at first, on the bytes. Nothing of a body that did not show its origin is
read, and nothing of one that did is believed: it chooses among the rollouts of the trigger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import orjson

from rollwright.errors import Forged, InvalidDocument
from rollwright.plugins.contracts import Candidate, Delivery, Firing, Ignored, Push
from rollwright.triggers.webhook import signed_tokens
from rollwright.triggers.webhook.bodies import read_body
from rollwright.triggers.webhook.choice import concerned, let_through, pushes_that_count
from rollwright.triggers.webhook.ignoring import why_nobody_is_concerned, why_none_counts
from rollwright.triggers.webhook.keys import Keys, published_keys, read_key_file
from rollwright.triggers.webhook.kinds import KINDS
from rollwright.triggers.webhook.meaning import Meaning, Sent, at, person
from rollwright.triggers.webhook.options import Issuer, WebhookOptions
from rollwright.triggers.webhook.origin import Claim, is_genuine
from rollwright.triggers.webhook.tokens import read_tokens, token

T = TypeVar("T")

MAX_PAYLOAD = 128 * 2**10
LARGE_BYTES = 256 * 2**10
_LONGEST_ID = 200
_HEADS = ("refs/heads/", "refs/tags/")


@dataclass(frozen=True, slots=True)
class _Made:
    """What was made of a delivery: what it says, whom it is about, what its body hashes to."""

    meaning: Meaning
    chosen: tuple[tuple[Candidate, Push], ...]
    digest: str


class Webhook(WebhookOptions):
    """Fires when somebody who shows that they may says that there is something new."""

    def tokens(self, base: Path) -> tuple[str, ...]:
        """Return the secrets that the address is made of; one that anybody knows if there is none."""
        return tuple(token(source, base) for source in self.sources) or ("",)

    async def read(self, delivery: Delivery) -> tuple[Firing, ...]:
        """Return the reason to look, if there is one.

        Raises:
            Forged: Its origin cannot be shown, or it is too old.
            InvalidDocument: It cannot be read.
            NotFound: The secret is not there.
            Unreachable: The keys of the issuer cannot be had.
        """
        await self._check_origin(delivery)
        body = await _aside(delivery, read_body, delivery.body, delivery.headers)
        sent = Sent(headers=delivery.headers, body=body)
        meaning = KINDS[self.type].read(sent)
        self._check_age(meaning, delivery)
        pushes = pushes_that_count(self, meaning)
        chosen = await self._chosen(sent, delivery, meaning, pushes)
        if not chosen:
            return ()
        digest = await _aside(delivery, _digest, delivery)
        return (self._firing(delivery, sent, _Made(meaning, chosen, digest)),)

    async def _check_origin(self, delivery: Delivery) -> None:
        if self.insecure:
            return
        claim, shown = Claim(delivery=delivery, username=self.username), KINDS[self.type].shown
        if shown is None:
            await self._check_token(delivery)
            return
        tokens = await read_tokens(self.sources, delivery.base)
        if not await _aside(delivery, is_genuine, shown, claim, tokens):
            raise Forged(f"a {self.type} delivery does not show that its sender knows the secret")

    async def _check_token(self, delivery: Delivery) -> None:
        """Check a token that an issuer signed."""
        issuer = self.oidc
        if issuer is None:
            raise Forged("nobody is named who signs")
        parts = signed_tokens.bearer(delivery.headers.get("authorization", ""))
        wanted = signed_tokens.Wanted(
            issuer=issuer.issuer,
            audience=issuer.audience,
            subjects=issuer.subjects,
            email=issuer.email,
            max_age=self.max_age if "max_age" in self.model_fields_set else None,
        )
        keys = await _keys_of(issuer, parts.key_id, delivery.base)
        signed_tokens.check(parts, keys, wanted, delivery.received_at)

    def _check_age(self, meaning: Meaning, delivery: Delivery) -> None:
        if meaning.sent_at is None:
            return
        age = delivery.received_at - meaning.sent_at
        if age > self.max_age:
            raise Forged(f"the delivery was sent {age} ago; at most {self.max_age}")

    async def _chosen(
        self, sent: Sent, delivery: Delivery, meaning: Meaning, pushes: tuple[Push, ...] | None
    ) -> tuple[tuple[Candidate, Push], ...]:
        """Return the rollouts that it is about; whoever wonders why there is none is told."""

        def ignored(reason: str) -> tuple[tuple[Candidate, Push], ...]:
            event, given = person(meaning.event), _plain(meaning.id)
            delivery.ignored(Ignored(reason=reason, event=event, delivery=given))
            return ()

        if pushes is None:
            return ignored(why_none_counts(self, meaning))
        # Off the loop: sources look at the files that they keep.
        found = await asyncio.to_thread(concerned, self, delivery.candidates, pushes)
        if not found:
            return ignored(why_nobody_is_concerned(delivery.candidates, pushes))
        if self.filter is None:
            return found
        those = tuple(one for one, _ in found)
        answers = await let_through(self.filter, those, sent.body, sent.headers)
        passed = tuple(pair for pair, may in zip(found, answers, strict=True) if may)
        return passed or ignored("the filter lets no rollout through")

    def _firing(self, delivery: Delivery, sent: Sent, made: _Made) -> Firing:
        meaning, chosen, digest = made.meaning, made.chosen, made.digest
        is_signed = KINDS[self.type].is_signed and not self.insecure
        # An empty body says nothing that could be said again: each counts.
        is_empty = not delivery.body.strip() and not is_signed
        given = _plain(meaning.id) or (delivery.received_at.isoformat() if is_empty else "")
        return Firing(
            id=f"{delivery.receiver}:{given or digest}",
            rollouts=tuple(one.name for one, _ in chosen),
            revision=_revision(chosen[0][1]),
            actor=f"{self.type} {meaning.actor}".rstrip(),
            config=self._payload(sent.body),
            # Whoever repeats a signed body can give it another id, but not another content.
            fingerprint=f"{delivery.receiver}:{digest}" if is_signed else "",
        )

    def _payload(self, body: Any) -> Mapping[str, Any]:
        if self.payload is None:
            return {}
        place = () if self.payload is True else tuple(self.payload.split("."))
        found = at(body, *place)
        if found is None:
            return {}
        if len(orjson.dumps(found)) > MAX_PAYLOAD:
            raise InvalidDocument(f"the payload has more than {MAX_PAYLOAD:,} bytes")
        if isinstance(found, Mapping):
            return found
        return {place[-1] if place else "payload": found}


async def _aside(delivery: Delivery, call: Callable[..., T], *about: Any) -> T:
    """Return what a call gives; what works on a large body keeps no other delivery waiting."""
    if len(delivery.body) <= LARGE_BYTES:
        return call(*about)
    return await asyncio.to_thread(call, *about)


def _digest(delivery: Delivery) -> str:
    digest = sha256(b"%s\n" % delivery.receiver.encode())
    digest.update(delivery.body)
    return digest.hexdigest()


def _plain(text: str) -> str:
    """Return an id as it may stand in a note; empty for one that is none."""
    return text if text.isascii() and text.isprintable() and len(text) <= _LONGEST_ID else ""


async def _keys_of(issuer: Issuer, key_id: str, base: Path) -> Keys:
    if issuer.keys_file:
        return await asyncio.to_thread(read_key_file, base, issuer.keys_file)
    return await published_keys(issuer.issuer, issuer.keys_url or "", key_id)


def _revision(push: Push) -> str:
    """Return the commit as a revision; a hint, and none at all if it is no commit."""
    is_commit = len(push.new) in {40, 64} and set(push.new) <= set("0123456789abcdef")
    if not is_commit:
        return ""
    algorithm = "sha1" if len(push.new) == 40 else "sha256"
    label = push.ref
    for prefix in _HEADS:
        label = label.removeprefix(prefix)
    return f"{label}@{algorithm}:{push.new}" if label else f"{algorithm}:{push.new}"
