"""The cases ``stores`` and ``locks``: what is saved, who is counted, what is judged."""

from __future__ import annotations

import asyncio
import json

import pytest
from benchmarks import locks, stores
from benchmarks.figures import Measured, Results, Sample
from benchmarks.inputs import make_m
from benchmarks.keepers import port_of, redirect
from benchmarks.relay import Relay
from benchmarks.servers import difference, parse_calls
from benchmarks.tables import brief_table

from rollwright.locks.memory import MemoryLocks
from rollwright.rollouts.revisions.snapshot import decode_snapshot
from rollwright.stores.format import encode
from rollwright.stores.memory import MemoryStore
from rollwright.testing.fake import FakeCluster


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return make_m(tmp_path_factory.mktemp("stores"), name="small", count=2)


@pytest.fixture(scope="module")
def known(source):
    return asyncio.run(stores.first_run(source))


def a_sample(case, peer, number=1, seconds=0.002, **more):
    return Sample(case=case, peer=peer, round=number, measured=Measured(seconds=seconds, **more))


def test_the_first_run_remembers_every_object(known):
    assert len(known.state.inventory) == 9
    assert known.state.journal is None


def test_a_change_opens_a_journal_that_names_every_object(known):
    change = stores.make_change(known, 1)

    journal = change.opened.journal
    assert journal is not None
    assert set(journal.planned) == {entry.ref for entry in known.state.inventory}


def test_a_change_closes_with_another_digest_of_every_object(known):
    first, second = (stores.make_change(known, number).closed for number in (1, 2))

    digests = [{one.owned_digest for one in state.inventory} for state in (first, second)]
    assert not digests[0] & digests[1]
    assert first.journal is None


def test_each_change_keeps_another_body_of_every_object(known):
    kept = [
        decode_snapshot(stores.make_change(known, number).snapshot, where="here").wanted
        for number in (1, 2)
    ]
    unchanged = [one.ref for one in kept[0] if one.body in [other.body for other in kept[1]]]

    assert (len(kept[0]), unchanged) == (9, [])


def test_tokens_of_changes_grow(known):
    tokens = [stores.make_change(known, number).opened.token for number in range(3)]

    assert tokens == sorted({*tokens, known.state.token + 1})


def test_what_a_change_saves_can_be_stored(known):
    change = stores.make_change(known, 0)

    assert encode(change.opened) != encode(change.closed)


async def test_what_is_asked_of_a_store_is_counted():
    noting = stores.Noting(MemoryStore().bind(FakeCluster()))
    await noting.load("shop")
    await noting.put_key(b"0" * 32)

    assert noting.calls == {"load": 1, "put_key": 1}


@pytest.mark.parametrize(("count", "is_reached"), [(0, True), (1, False)])
def test_a_run_that_changes_nothing_must_not_write(count, is_reached):
    calls = {"writes": count, "load": 1}
    (verdict,) = stores.judge(Results((a_sample(stores.NOTHING, "file", calls=calls),)))

    assert verdict.is_reached is is_reached


def test_a_store_that_was_not_counted_is_not_measured():
    (verdict,) = stores.judge(Results((a_sample(stores.NOTHING, "file"),)))

    assert verdict.is_reached is None


@pytest.mark.parametrize(("seconds", "is_reached"), [(0.004, True), (0.006, False)])
def test_a_lock_of_etcd_takes_five_milliseconds_at_most(seconds, is_reached):
    results = Results((a_sample(locks.ALONE, "etcd", seconds=seconds),))

    assert next(locks.judge(results)).is_reached is is_reached


def test_the_goal_of_a_lock_without_etcd_is_not_measured():
    assert next(locks.judge(Results(()))).is_reached is None


def test_those_who_are_served_out_of_order_are_told():
    queue = locks.Queue(served=[0, 2, 1])

    assert queue.failure == "out of order: number 2 at place 1"


def test_one_out_of_order_fails_the_goal():
    results = Results((
        a_sample(locks.QUEUE, "file", 0, calls={"waiters": 2}, failure="out of order"),
        a_sample(locks.QUEUE, "file", 1, calls={"waiters": 2}),
    ))  # fmt: skip
    _, verdict = locks.judge(results)

    assert (verdict.figure, verdict.is_reached) == ("out of order", False)


def test_a_hand_over_is_from_a_release_to_the_next_turn():
    queue = locks.Queue(taken_at=[1.5, 3.0], given_at=[1.0, 2.0, 4.0])

    assert queue.handovers == [0.5, 1.0]


async def test_everybody_is_served_and_the_lock_is_free_again():
    service = MemoryLocks().bind(FakeCluster())
    queue = await locks.serve(locks.Opening(locks=service), 3)

    assert (queue.served, queue.failure, len(queue.handovers)) == ([0, 1, 2], "", 3)
    assert await service.list() == ()


async def test_who_waits_is_looked_for_where_that_is_known():
    service = MemoryLocks().bind(FakeCluster())
    asked: list[int] = []

    async def waiting():
        asked.append(len(asked))
        return len(asked)

    await locks.serve(locks.Opening(locks=service, waiting=waiting), 2)

    assert len(asked) == 2


def test_calls_that_come_now_and_then_are_not_those_of_a_lock():
    assert locks.whole({"Txn": 3.1, "LeaseKeepAlive": 0.2}) == {"Txn": 3}


METRICS = """\
# TYPE grpc_server_started_total counter
grpc_server_started_total{grpc_method="Range",grpc_service="etcdserverpb.KV",grpc_type="unary"} 12
grpc_server_started_total{grpc_method="Txn",grpc_service="etcdserverpb.KV",grpc_type="unary"} 3e+06
grpc_server_started_total{grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"} 0
grpc_server_handled_total{grpc_code="OK",grpc_method="Txn",grpc_service="x",grpc_type="unary"} 9
"""


def test_calls_are_read_from_the_metrics_of_an_etcd():
    assert parse_calls(METRICS) == {"Range": 12, "Txn": 3_000_000}


def test_only_calls_in_between_count():
    assert difference({"Txn": 5, "Range": 2}, {"Txn": 3, "Range": 2}) == {"Txn": 2}


def test_a_kubeconfig_is_redirected_to_another_port(tmp_path):
    kubeconfig = tmp_path / "kubeconfig"
    cluster = {"server": "https://127.0.0.1:6443", "certificate-authority-data": "eA=="}
    kubeconfig.write_text(json.dumps({"clusters": [{"name": "c", "cluster": cluster}]}))

    copy = redirect(kubeconfig, tmp_path / "copy", 7000)
    assert (port_of(kubeconfig), port_of(copy)) == (6443, 7000)
    assert copy.stat().st_mode & 0o077 == 0


async def test_a_relay_counts_what_clients_send_and_not_the_answers():
    async def answer(reader, writer):
        writer.write(b"x" * 100 + await reader.readexactly(5))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, Relay(server.sockets[0].getsockname()[1]) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(b"hello")
        answered = await reader.read()
        writer.close()

    assert (answered[-5:], relay.sent) == (b"hello", 5)


def test_parts_of_a_run_are_shown_in_milliseconds_beside_those_of_a_base():
    results = Results((
        a_sample("load", "memory", seconds=0.002),
        a_sample("load", "file", seconds=0.006, calls={"bytes": 12}),
    ))  # fmt: skip

    table = list(brief_table(results, "load", "memory"))
    assert table[3].split() == ["file", "6.000", "6.000", "6.000", "3.0", "0.0", "12", "bytes"]
