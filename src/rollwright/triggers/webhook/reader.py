"""The trigger ``webhook``: deliveries of forges, registries and anybody with a secret.

Before: the receiver took a delivery in, whole and within limits.
After: the engine notes and queues the rollouts that are named.

The origin is looked at first, on the bytes. Nothing of a body that did not show its origin is
read, and nothing of one that did is believed: it chooses among the rollouts of the trigger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from rollwright.errors import Forged, InvalidDocument
from rollwright.plugins.contracts import Candidate, Delivery, Firing, Push
from rollwright.triggers.webhook import signed_tokens
from rollwright.triggers.webhook.bodies import read_body
from rollwright.triggers.webhook.choice import concerned, let_through, pushes_that_count
from rollwright.triggers.webhook.keys import Keys, published_keys, read_key_file
from rollwright.triggers.webhook.kinds import KINDS
from rollwright.triggers.webhook.meaning import Meaning, Sent, at
from rollwright.triggers.webhook.options import Issuer, WebhookOptions
from rollwright.triggers.webhook.origin import Claim, is_genuine
from rollwright.triggers.webhook.tokens import read_tokens, token

MAX_PAYLOAD = 128 * 2**10
_LONGEST_ID = 200
_HEADS = ("refs/heads/", "refs/tags/")


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
        sent = Sent(headers=delivery.headers, body=read_body(delivery.body, delivery.headers))
        meaning = KINDS[self.type].read(sent)
        self._check_age(meaning, delivery)
        pushes = pushes_that_count(self, meaning)
        if pushes is None:
            return ()
        chosen = await self._chosen(sent, delivery.candidates, pushes)
        return (self._firing(delivery, sent, meaning, chosen),) if chosen else ()

    async def _check_origin(self, delivery: Delivery) -> None:
        if self.insecure:
            return
        claim, shown = Claim(delivery=delivery, username=self.username), KINDS[self.type].shown
        if shown is None:
            await self._check_token(delivery)
        elif not is_genuine(shown, claim, await read_tokens(self.sources, delivery.base)):
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
        self, sent: Sent, candidates: tuple[Candidate, ...], pushes: tuple[Push, ...]
    ) -> tuple[tuple[Candidate, Push], ...]:
        # Off the loop: sources look at the files that they keep.
        found = await asyncio.to_thread(concerned, self, candidates, pushes)
        if self.filter is None or not found:
            return found
        those = tuple(one for one, _ in found)
        answers = await let_through(self.filter, those, sent.body, sent.headers)
        return tuple(pair for pair, may in zip(found, answers, strict=True) if may)

    def _firing(
        self,
        delivery: Delivery,
        sent: Sent,
        meaning: Meaning,
        chosen: tuple[tuple[Candidate, Push], ...],
    ) -> Firing:
        digest = sha256(b"%s\n%s" % (delivery.receiver.encode(), delivery.body)).hexdigest()
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
