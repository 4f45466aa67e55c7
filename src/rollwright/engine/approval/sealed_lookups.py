"""What charts looked up, written into a saved plan and read from it (RE-15).

Before: a plan was made; its objects follow what the target had.
After: whoever carries it out renders with the same answers, whatever the target has by then.

Answers with Secrets are encrypted with a key that is made of the installation's: the store has
it, the file has not.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import orjson

from rollwright.engine.inputs.chart_lookups import Record, bodies_of
from rollwright.errors import Refused
from rollwright.plugins.contracts import Lookup
from rollwright.rollouts.manifest import is_secret
from rollwright.rollouts.saved.lookup_facts import LookupFact

_NONCE_BYTES = 12
_PURPOSE = b"rollwright lookups of a saved plan"
_HINT = "the store, or [site] key of site.toml, has to be the one that the plan was made with"


def has_secret_answers(record: Record) -> bool:
    """Whether a Secret was looked up."""
    return any(map(_is_secret, record.values()))


def facts_of(record: Record, salt: str) -> tuple[LookupFact, ...]:
    """Return what was looked up as a file holds it.

    Args:
        record: Questions and answers.
        salt: The installation's key; needed only for Secrets.
    """
    facts = (_fact(lookup, answer, salt) for lookup, answer in record.items())
    return tuple(
        sorted(facts, key=lambda one: (one.api_version, one.kind, one.namespace, one.name))
    )


def record_of(facts: tuple[LookupFact, ...], salt: str) -> Record:
    """Return what a file holds of lookups.

    Raises:
        Refused: They were sealed with another key, or changed since.
    """
    return {_lookup(one): _answer(one, salt) for one in facts}


def _is_secret(answer: Mapping[str, Any] | None) -> bool:
    return any(map(is_secret, bodies_of(answer)))


def _fact(lookup: Lookup, answer: Mapping[str, Any] | None, salt: str) -> LookupFact:
    text = "" if answer is None else orjson.dumps(answer).decode()
    sealed = _sealed(text, lookup, salt) if _is_secret(answer) else ""
    return LookupFact(
        api_version=lookup.api_version,
        kind=lookup.kind,
        namespace=lookup.namespace,
        name=lookup.name,
        answer="" if sealed else text,
        sealed=sealed,
    )


def _lookup(fact: LookupFact) -> Lookup:
    return Lookup(
        api_version=fact.api_version, kind=fact.kind, namespace=fact.namespace, name=fact.name
    )


def _answer(fact: LookupFact, salt: str) -> Mapping[str, Any] | None:
    text = _opened(fact, salt) if fact.sealed else fact.answer
    answer: Mapping[str, Any] | None = orjson.loads(text) if text else None
    return answer


def _sealed(text: str, lookup: Lookup, salt: str) -> str:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  (slow)

    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = AESGCM(_key(salt)).encrypt(nonce, text.encode(), _about(lookup))
    return b64encode(nonce + sealed).decode()


def _opened(fact: LookupFact, salt: str) -> str:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  (slow)
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  (slow)

    lookup = _lookup(fact)
    try:
        sealed = b64decode(fact.sealed, validate=True)
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return AESGCM(_key(salt)).decrypt(nonce, rest, _about(lookup)).decode()
    except (InvalidTag, ValueError) as error:
        message = (
            f"what a chart looked up, {lookup}, is sealed with the key of another installation"
        )
        raise Refused(message, hint=_HINT) from error


def _key(salt: str) -> bytes:
    return hmac.digest(salt.encode(), _PURPOSE, "sha256")


def _about(lookup: Lookup) -> bytes:
    parts = [lookup.api_version, lookup.kind, lookup.namespace, lookup.name]
    return orjson.dumps(parts)
