from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import msgspec
import pytest

from rollwright.errors import InvalidDocument
from rollwright.rollouts.state import FORMAT, Hold, RolloutState
from rollwright.stores.format import decode, encode, upgrade
from rollwright.testing.store_contract import a_full_state


def read(data: bytes) -> RolloutState:
    return decode(data, where="here", rollout="shop")


def test_a_state_comes_back():
    assert read(encode(a_full_state())) == a_full_state()


def test_equal_states_give_equal_bytes():
    other = replace(a_full_state(), extra=dict(sorted(a_full_state().extra.items())))

    assert encode(other) == encode(a_full_state())


def test_what_was_computed_on_a_state_is_not_stored():
    state = a_full_state()
    assert state.by_ref

    assert encode(state) == encode(a_full_state())


def test_instants_are_rfc_3339_in_utc():
    assert b'"2031-05-04T03:02:01.987654Z"' in encode(a_full_state())


def test_an_instant_without_a_zone_is_refused():
    hold = Hold(reason="", actor="", since_at=datetime(2031, 1, 1))  # noqa: DTZ001  (the mistake that is tested)
    with pytest.raises(InvalidDocument, match="time zone"):
        encode(RolloutState(rollout="shop", hold=hold))


def test_a_stored_instant_without_a_zone_is_refused():
    data = encode(a_full_state()).replace(b"987654Z", b"987654")
    with pytest.raises(InvalidDocument, match=r"here.*time zone"):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"kind: RolloutState",
        b'{"kind":"Deployment","format":1,"state":{}}',
        b'{"kind":"RolloutState","format":"1","state":{}}',
        b'{"kind":"RolloutState","format":1}',
        b'{"kind":"RolloutState","format":0,"state":{}}',
        b'{"kind":"RolloutState","format":-1,"state":{}}',
        b'{"kind":"RolloutState","format":1,"state":{"rollout":7}}',
        b'{"kind":"RolloutState","format":1,"state":{}}',
    ],
)
def test_what_is_foreign_or_damaged_is_refused_with_its_place(data):
    with pytest.raises(InvalidDocument, match=r"^here: ") as caught:
        read(data)

    assert caught.value.hint


def test_every_cut_of_a_state_is_refused():
    data = encode(RolloutState(rollout="shop"))
    for length in range(len(data)):
        with pytest.raises(InvalidDocument):
            read(data[:length])


def test_a_newer_format_says_upgrade():
    data = encode(a_full_state()).replace(b'"format":1', b'"format":%d' % (FORMAT + 1))
    with pytest.raises(InvalidDocument, match="newer") as caught:
        read(data)

    assert "upgrade Rollwright" in str(caught.value.hint)


def test_the_state_of_another_rollout_is_refused():
    with pytest.raises(InvalidDocument, match=r"'shop-2'.*'shop'"):
        read(encode(a_full_state("shop-2")))


def test_an_older_format_is_brought_up_step_by_step():
    steps = {1: lambda body: {**body, "b": 1}, 2: lambda body: {**body, "c": body["b"] + 1}}

    assert upgrade({"a": 0}, 1, where="here", to=3, upgrades=steps) == {"a": 0, "b": 1, "c": 2}


def test_a_missing_step_is_refused():
    with pytest.raises(InvalidDocument, match="format 2"):
        upgrade({}, 1, where="here", to=3, upgrades={1: lambda body: body})


def test_fields_that_are_not_there_have_their_defaults():
    body = msgspec.json.decode(encode(RolloutState(rollout="shop")))
    del body["state"]["extra"], body["state"]["hold"]

    assert read(msgspec.json.encode(body)) == RolloutState(rollout="shop")
