"""A rendered set as people read it in a review: YAML without the values of Secrets.

Before: ``put_snapshot`` was given the set as bytes. After: it stands beside what is sealed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rollwright.documents import dump_all
from rollwright.errors import InvalidDocument
from rollwright.rollouts.diff import mask
from rollwright.rollouts.hiding import SECRET_PARTS, hidden_texts
from rollwright.rollouts.manifest import Body, is_secret
from rollwright.rollouts.revisions.snapshot import decode_snapshot


def readable(data: bytes, *, salt: str) -> bytes | None:
    """Return the objects of a snapshot as YAML; ``None`` if the bytes are no snapshot.

    Args:
        data: What the store was given.
        salt: What the digests are keyed with that stand for values of Secrets.
    """
    try:
        wanted = decode_snapshot(data, where="snapshot").wanted
    except InvalidDocument:
        return None
    bodies = [one.body for one in sorted(wanted, key=lambda one: one.ref)]
    return dump_all(hidden(bodies, salt)).encode()


def hidden(bodies: Iterable[Body], salt: str) -> list[Any]:
    """Return the objects with values of Secrets masked, wherever they stand."""
    known = list(bodies)
    values = hidden_texts(known)
    if not values:
        return [_without(body, frozenset(), salt) for body in known]
    # One look at everything finds the few values that stand elsewhere: comparing every value
    # with every text would take minutes for a large set.
    everything = "\n".join(text for body in known for text in _texts(_outside(body)))
    quoted = frozenset(value for value in values if value in everything)
    return [_without(body, quoted, salt) for body in known]


def _outside(body: Body) -> Mapping[str, Any]:
    return {k: v for k, v in body.items() if not (is_secret(body) and k in SECRET_PARTS)}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield str(key)
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


def _without(body: Body, quoted: frozenset[str], salt: str) -> Any:
    if not is_secret(body):
        return _unquoted(body, quoted, salt)
    return {
        key: _masked(value, salt) if key in SECRET_PARTS else _unquoted(value, quoted, salt)
        for key, value in body.items()
    }


def _masked(values: Any, salt: str) -> Any:
    if not isinstance(values, Mapping):
        return None if values is None else mask(values, salt)
    return {key: mask(value, salt) for key, value in values.items()}


def _unquoted(value: Any, quoted: frozenset[str], salt: str) -> Any:
    if isinstance(value, Mapping):
        return {
            _unquoted(str(key), quoted, salt): _unquoted(one, quoted, salt)
            for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [_unquoted(one, quoted, salt) for one in value]
    if isinstance(value, str) and any(text in value for text in quoted):
        return mask(value, salt)
    return value
