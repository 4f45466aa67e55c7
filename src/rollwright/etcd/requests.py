"""Requests of etcd's API as values: what must hold, what is read, what is written. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rollwright.etcd.names import below
from rollwright.etcd.shim import rpc


def is_created_at(key: str, revision: int) -> Any:
    """Demand that a key is the one that was made by a revision; zero: that there is none."""
    compare = rpc().Compare
    return compare(
        key=key.encode(), target=compare.CREATE, result=compare.EQUAL, create_revision=revision
    )


def is_absent(key: str) -> Any:
    """Demand that there is no such key."""
    return is_created_at(key, 0)


def is_modified_at(key: str, revision: int) -> Any:
    """Demand that a revision was the last to write a key; zero: that there is none."""
    compare = rpc().Compare
    return compare(
        key=key.encode(), target=compare.MOD, result=compare.EQUAL, mod_revision=revision
    )


def is_below(key: str, value: bytes) -> Any:
    """Demand that a key is there and its value comes before one, byte by byte."""
    compare = rpc().Compare
    return compare(key=key.encode(), target=compare.VALUE, result=compare.LESS, value=value)


def read(key: str) -> Any:
    """Read one key."""
    return rpc().RequestOp(request_range=rpc().RangeRequest(key=key.encode()))


def range_below(
    key: str, *, limit: int = 0, before: int = 0, keys_only: bool = False, newest: bool = False
) -> Any:
    """Return the range of what is below a key, in the order it was made.

    Args:
        key: Without a slash at its end.
        limit: How many at most; zero for all.
        before: Only what was made before this revision; zero for all.
        keys_only: Leave the values out.
        newest: The newest first.
    """
    start, end = below(key)
    request = rpc().RangeRequest
    return request(
        key=start.encode(),
        range_end=end.encode(),
        limit=limit,
        max_create_revision=before - 1 if before else 0,
        keys_only=keys_only,
        sort_target=request.CREATE,
        sort_order=request.DESCEND if newest else request.ASCEND,
    )


def read_below(key: str, **more: Any) -> Any:
    """Read what is below a key; see ``range_below``."""
    return rpc().RequestOp(request_range=range_below(key, **more))


def put(key: str, value: bytes, *, lease: int = 0) -> Any:
    """Write one key; it ends with its lease."""
    request = rpc().PutRequest(key=key.encode(), value=value, lease=lease)
    return rpc().RequestOp(request_put=request)


def delete(key: str) -> Any:
    """Delete one key."""
    return rpc().RequestOp(request_delete_range=rpc().DeleteRangeRequest(key=key.encode()))


def delete_below(key: str) -> Any:
    """Delete everything below a key."""
    start, end = below(key)
    request = rpc().DeleteRangeRequest(key=start.encode(), range_end=end.encode())
    return rpc().RequestOp(request_delete_range=request)


def txn(
    compare: Iterable[Any] = (), then: Iterable[Any] = (), otherwise: Iterable[Any] = ()
) -> Any:
    """Return a transaction."""
    return rpc().TxnRequest(compare=list(compare), success=list(then), failure=list(otherwise))
