"""A rendered set as bytes, and back."""

from __future__ import annotations

import zlib
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest

from rollwright.errors import InvalidDocument
from rollwright.rollouts.planning import make_plan
from rollwright.rollouts.revisions import snapshot
from rollwright.rollouts.revisions.snapshot import decode_snapshot, encode_snapshot
from rollwright.rollouts.spec import dump, parse

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))


def packed(*bodies, salt="key", document=None):
    return encode_snapshot(w.a_set(*bodies), salt=salt, document=document)


def test_a_set_comes_back_as_it_was():
    wanted = w.a_set(w.a_config("a"), w.a_body("Secret", "b", data={"key": "dmFsdWU="}))

    kept = decode_snapshot(encode_snapshot(wanted, salt="key"), where="here").wanted

    assert (kept.manifests, kept.source, kept.digest) == (
        wanted.manifests, wanted.source, wanted.digest,
    )  # fmt: skip


def test_the_document_comes_back_with_it():
    document = dump(w.a_spec(), keep_defaults=True)

    kept = decode_snapshot(packed(w.a_config(), document=document), where="here")

    assert parse(kept.document) == w.a_spec()


def test_equal_sets_in_another_order_are_the_same_bytes():
    a, b = w.a_config("a"), w.a_config("b")
    one, other = w.a_set(a, b), w.a_set(b, a)
    lines = {m.ref: m.origin for m in one}
    other = type(one)(
        tuple(type(m)(body=m.body, ref=m.ref, key=m.key, origin=lines[m.ref]) for m in other),
        one.source,
    )

    assert encode_snapshot(one, salt="k") == encode_snapshot(other, salt="k")


def test_the_key_of_the_installation_stands_in_the_bytes():
    assert packed(w.a_config(), salt="one") != packed(w.a_config(), salt="other")


def test_a_plan_from_the_kept_set_is_the_plan_of_the_set():
    wanted, spec = w.a_set(w.a_config("b"), w.a_config("a")), w.a_spec()
    live = w.a_live_set()
    document = dump(spec, keep_defaults=True)
    kept = decode_snapshot(encode_snapshot(wanted, salt="", document=document), where="here")

    again = make_plan(parse(kept.document), kept.wanted, live, {}, None)

    assert again.id == make_plan(spec, wanted, live, {}, None).id


@pytest.mark.parametrize("cut", [1, 20])
def test_bytes_that_are_cut_off_are_damaged(cut):
    with pytest.raises(InvalidDocument, match="revision 3"):
        decode_snapshot(packed(w.a_config())[:-cut], where="revision 3")


@pytest.mark.parametrize(
    "data", [b"nothing", zlib.compress(b"{}"), zlib.compress(b"\xff"), zlib.compress(b"[1]")]
)
def test_other_bytes_are_damaged(data):
    with pytest.raises(InvalidDocument, match="damaged"):
        decode_snapshot(data, where="here")


def test_a_newer_format_is_refused(monkeypatch):
    monkeypatch.setattr(snapshot, "FORMAT", 2)
    newer = packed(w.a_config())
    monkeypatch.undo()

    with pytest.raises(InvalidDocument, match="format 2, expected"):
        decode_snapshot(newer, where="here")


def test_what_is_too_large_is_neither_kept_nor_unpacked(monkeypatch):
    data = packed(w.a_config())
    monkeypatch.setattr(snapshot, "LIMIT_BYTES", 50)

    with pytest.raises(InvalidDocument, match="too large"):
        decode_snapshot(data, where="here")
    with pytest.raises(InvalidDocument, match="too large"):
        packed(w.a_config())
