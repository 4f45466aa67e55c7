"""Many deliveries at once: genuine, forged, repeated and too large ones, of many repositories."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from rollwright.engine.listening.running import Ended

REPOSITORIES = 20
DELIVERIES = 5000
AT_ONCE = 32
MAX_BODY = 8_000


class Gated:
    """A runner whose runs end when all deliveries are in."""

    def __init__(self):
        self.gate = asyncio.Event()
        self.runs: Counter[str] = Counter()

    async def run(self, pending, *, at, idle, tell=None):
        self.runs[pending.instance] += 1
        await self.gate.wait()
        return Ended(outcome="succeeded", message="done", is_good=True, exit_code=0)


def parcels(a_push):
    """Return what is sent, with what is to become of it, in an order of a seed."""
    chance = random.Random(20)  # noqa: S311  (a test's order)
    kinds = chance.choices(
        ("genuine", "forged", "repeated", "too large"), (70, 10, 15, 5), k=DELIVERIES
    )
    kinds[0] = "genuine"
    sent: list[bytes] = []
    parcels = []
    for number, kind in enumerate(kinds):
        repository = f"shop/r{chance.randrange(REPOSITORIES)}"
        body = a_push(repository, new=f"{number + 1:040x}")
        if kind == "repeated":
            body = chance.choice(sent)
        elif kind == "too large":
            body = a_push(repository, new=f"{number + 1:040x}", filler="x" * MAX_BODY)
        elif kind == "genuine":
            sent.append(body)
        parcels.append((kind, body, chance.random()))
    return parcels, Counter(kinds)


async def test_no_forged_one_is_accepted_and_each_repository_runs_twice_at_most(estate, a_push):
    names = [f"r{number}" for number in range(REPOSITORIES)]
    for name in names:
        source = {"use": "git", "with": {"url": f"https://github.com/shop/{name}", "ref": "main"}}
        estate.declare(name, source=source)
    estate.trigger("hook", names)
    runner, (sent, counted) = Gated(), parcels(a_push)
    answers: Counter[tuple[str, int]] = Counter()
    async with estate.open(
        service=estate.service(runner), rate=1e6, burst=DELIVERIES, maxBody=MAX_BODY
    ) as sender:
        waiting = iter(sent)

        async def post():
            for kind, body, luck in waiting:
                forged = {"secret": "guessed"} if luck < 0.5 else {
                    "headers": {"x-hub-signature-256": None}
                }  # fmt: skip
                more = forged if kind == "forged" else {}
                answers[kind, (await sender.send(body=body, **more))[0]] += 1

        await asyncio.gather(*(post() for _ in range(AT_ONCE)))
        runner.gate.set()
        await sender.idle()

    assert answers["forged", 403] == counted["forged"]
    assert answers["too large", 413] == counted["too large"]
    # A copy may come in before the one that it is a copy of.
    accepted = answers["genuine", 202] + answers["repeated", 202]
    assert accepted == counted["genuine"]
    assert answers["genuine", 200] + answers["repeated", 200] == counted["repeated"]
    assert set(runner.runs) == set(names)
    assert max(runner.runs.values()) <= 2
    assert estate.outcomes["accepted"] == counted["genuine"]
