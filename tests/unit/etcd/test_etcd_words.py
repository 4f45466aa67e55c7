from __future__ import annotations

import pytest

from rollwright.errors import InvalidDocument, Refused, Unauthorized, Unreachable
from rollwright.etcd.failures import Failure
from rollwright.etcd.health import Health
from rollwright.etcd.names import below, join
from rollwright.stores import etcd_values as values

NAMES = ("shop", "shop-1", "shop-10", "shop/1", "shop%2F1", "", "%", "..", "ö", "SHOP", "shop ")


def failure(code, text=""):
    return Failure(code=code, text=text, endpoint="a:1")


def test_different_names_are_different_keys():
    assert len({join("/p", "locks", name) for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_below_a_key_is_below_no_other(name):
    start, end = below(join("/p", "locks", name))
    others = [f"{join('/p', 'locks', other)}/1" for other in NAMES if other != name]
    own = f"{join('/p', 'locks', name)}/1"

    assert start <= own < end
    assert not [other for other in others if start <= other < end]
    assert not start <= join("/p", "locks", name) < end


@pytest.mark.parametrize(
    ("code", "text", "kind", "hint"),
    [
        ("UNAVAILABLE", "Socket closed", Unreachable, "running"),
        ("DEADLINE_EXCEEDED", "", Unreachable, "running"),
        ("UNAVAILABLE", "etcdserver: no leader", Unreachable, "most of its members"),
        ("UNAUTHENTICATED", "etcdserver: invalid auth token", Unauthorized, "password"),
        ("INVALID_ARGUMENT", "etcdserver: user name is empty", Unauthorized, "user"),
        ("PERMISSION_DENIED", "etcdserver: permission denied", Refused, "grant"),
        ("RESOURCE_EXHAUSTED", "mvcc: database space exceeded", Refused, "defragment"),
        ("INVALID_ARGUMENT", "etcdserver: request is too large", Refused, ""),
    ],
)
def test_a_failure_says_where_and_what_to_do(code, text, kind, hint):
    error = failure(code, text).explain(("a:1", "b:2"))

    assert type(error) is kind
    assert "a:1" in error.message
    assert hint in (error.hint or "")


def test_a_failure_everywhere_names_every_endpoint():
    assert "a:1, b:2" in failure("UNAVAILABLE").explain(("a:1", "b:2")).message


def test_the_text_of_a_server_is_cut():
    assert len(failure("INVALID_ARGUMENT", "x" * 5000).explain(("a:1",)).message) < 400


def test_distrust_is_not_tried_again():
    text = "Tls handshake failed: CERTIFICATE_VERIFY_FAILED: unable to get local issuer"
    error = failure("UNAVAILABLE", text).explain(("a:1",))

    assert not error.retryable


@pytest.mark.parametrize(
    ("version", "may_corrupt"),
    [("3.4.23", False), ("3.5.0", True), ("3.5.2", True), ("3.5.3", False), ("3.6.8", False)],
)
def test_versions_that_lose_writes_are_known(version, may_corrupt):
    assert Health(endpoint="a:1", version=version).may_corrupt is may_corrupt


def test_a_head_comes_back():
    pieces = values.pack(b"data")
    meta = values.meta_of(b"data", pieces, "save")
    head = values.read_head(values.write_head(meta, pieces, 41), "key")

    assert (head.meta, head.token, head.content) == (meta, 41, pieces[0])


@pytest.mark.parametrize(("stored", "ours", "may"), [(9, 10, True), (10, 10, True), (10, 9, False)])
def test_tokens_are_ordered_as_bytes(stored, ours, may):
    meta = values.meta_of(b"", (b"",), "")

    assert (values.write_head(meta, (b"",), stored) < values.above(ours)) is may


@pytest.mark.parametrize("value", [b"", b"text", b"1\n{", b"x\n{}\n", b'1\n{"kind":"other"}\n'])
def test_foreign_content_is_not_read(value):
    with pytest.raises(InvalidDocument, match="the-key"):
        values.read_head(value, "the-key")
