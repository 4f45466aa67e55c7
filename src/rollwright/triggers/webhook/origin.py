"""Whether a delivery was sent by who knows the secret (WH-02, WH-03).

Before: it came in; nothing of it is believed. After: its body is read.

Everything is compared in constant time, with each secret that is valid, as bytes: what a sender
writes need not be text.
"""

from __future__ import annotations

import hmac
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from rollwright.plugins.contracts import Delivery
from rollwright.plugins.hooks import hook_id
from rollwright.triggers.webhook.bodies import payload_of

ALGORITHMS = ("sha256", "sha384", "sha512")
"""What ``X-Signature`` may be made with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What is to be shown of a delivery.

    Attributes:
        delivery: As it came in.
        username: Who has to log in; empty for anybody with the secret.
    """

    delivery: Delivery
    username: str = ""

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers."""
        return self.delivery.headers


Shown: TypeAlias = Callable[[Claim, bytes], bool]
"""Tells whether a delivery shows that its sender knows a secret."""


def is_genuine(shown: Shown, claim: Claim, tokens: tuple[bytes, ...]) -> bool:
    """Whether a delivery shows one of the secrets; each is looked at, whatever the others say."""
    found = [shown(claim, token) for token in tokens]
    return any(found)


def signed(header: str, *, prefix: str = "", algorithm: str = "sha256") -> Shown:
    """Return the check of an HMAC over the body, in hexadecimal digits."""

    def is_signed(claim: Claim, token: bytes) -> bool:
        given = claim.headers.get(header, "")
        wanted = prefix + hmac.new(token, claim.delivery.body, algorithm).hexdigest()
        return _is_same(given.lower() if given.startswith(prefix) else "", wanted)

    return is_signed


def signed_payload(*headers: str) -> Shown:
    """Return the check of an HMAC over what a form holds, or over a body that is none.

    Gitea and its kin sign the JSON, and put it into a form afterwards where one is asked for.
    The first of the headers that is there counts.
    """

    def is_signed(claim: Claim, token: bytes) -> bool:
        given = next((claim.headers[one] for one in headers if claim.headers.get(one)), "")
        body = claim.delivery.body
        texts = dict.fromkeys((body, payload_of(body, claim.headers)))
        wanted = [hmac.new(token, text, "sha256").hexdigest() for text in texts]
        found = [_is_same(given.lower(), one) for one in wanted]
        return any(found)

    return is_signed


def signed_as_named(claim: Claim, token: bytes) -> bool:
    """Check ``X-Signature: <algorithm>=<hex>``."""
    algorithm, _, given = claim.headers.get("x-signature", "").partition("=")
    known = algorithm.strip().lower()
    if known not in ALGORITHMS:
        return False
    wanted = hmac.new(token, claim.delivery.body, known).hexdigest()
    return _is_same(given.strip().lower(), wanted)


def told(header: str) -> Shown:
    """Return the check of a header that holds the secret itself."""

    def is_told(claim: Claim, token: bytes) -> bool:
        return hmac.compare_digest(_bytes(claim.headers.get(header, "")), token)

    return is_told


def told_or_borne(header: str) -> Shown:
    """Return the check of a header that holds the secret, which may stand behind ``Bearer``."""
    is_told_plainly = told(header)

    def is_told(claim: Claim, token: bytes) -> bool:
        scheme, _, rest = claim.headers.get(header, "").partition(" ")
        is_borne = hmac.compare_digest(_bytes(rest.strip()), token) and scheme.lower() == "bearer"
        return is_told_plainly(claim, token) or is_borne

    return is_told


def logged_in(claim: Claim, token: bytes) -> bool:
    """Check a login: the secret is the password."""
    scheme, _, coded = claim.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = b64decode(coded.strip(), validate=True)
    except (Base64Error, ValueError):
        return False
    username, colon, password = given.partition(b":")
    is_user = not claim.username or hmac.compare_digest(username, claim.username.encode())
    return hmac.compare_digest(password, token) and is_user and bool(colon)


def addressed(claim: Claim, token: bytes) -> bool:
    """Check that it came to the address that the secret makes: the secret is in the path."""
    delivery = claim.delivery
    wanted = hook_id(token.decode(), delivery.receiver, delivery.site)
    return _is_same(delivery.path, wanted)


def addressed_and(more: Shown, header: str) -> Shown:
    """Return the check of the address, and of what the sender offers beside it if it does."""

    def is_both(claim: Claim, token: bytes) -> bool:
        is_offered = bool(claim.headers.get(header))
        return addressed(claim, token) and (not is_offered or more(claim, token))

    return is_both


def _is_same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(_bytes(given), wanted.encode())


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
