"""The trigger ``query``: rows become firings, by the rules of the older system and ours."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest
from pydantic import ValidationError

from rollwright.errors import InvalidDocument, InvalidSpec, NotFound, Refused, Unreachable
from rollwright.plugins.contracts import Firing, ListenRequest
from rollwright.triggers.query import Query
from rollwright.triggers.query_rows import RowQuery, key_text, keyed, read_file

A, B = {"id": "a", "size": 1}, {"id": "b", "size": 2}


class Database:
    """Answers polls with what a test wrote down, the last one for ever."""

    def __init__(self, *polls, folders=(), is_per_key=True, known=()):
        self.polls, self.asked, self.errors, self.memory = list(polls), [], [], {}
        self.folders, self.is_per_key, self.made = folders, is_per_key, dict.fromkeys(known, "")

    def request(self):
        async def query(database, statement, *parameters):
            self.asked.append((database, statement, *parameters))
            found = self.polls.pop(0) if len(self.polls) > 1 else self.polls[0]
            if isinstance(found, Exception):
                raise found
            return found

        async def recall():
            return self.memory

        async def remember(memory):
            self.memory = dict(memory)

        async def known():
            return self.made

        async def nothing(*_about):
            return ""

        return ListenRequest(
            name="rows", rollouts=("shop",), clusters=nothing, query=query, resolve=nothing,
            touches=nothing, recall=recall, remember=remember, failed=self.errors.append,
            is_per_key=self.is_per_key, folders=self.folders, known=known,
        )  # fmt: skip

    async def fire(self, polls, **options):
        """Return what is fired until the database was asked so often, and once more."""
        fired, given = [], {"database": "main", "query": "SELECT 1", "key": "id", **options}
        trigger = Query.model_validate(given)
        trigger = trigger.model_copy(update={"interval": timedelta(0)})

        async def listen():
            async for firing in trigger.listen(self.request()):
                fired.append(firing)  # noqa: PERF401  (what came by then counts, when it is cancelled)

        task = asyncio.create_task(listen())
        async with asyncio.timeout(10):
            while len(self.asked) < polls and not task.done():
                await asyncio.sleep(0)
            for _ in range(20):
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return fired


OPTIONS = {"database": "main", "query": "SELECT 1", "key": "id"}


async def freshened(firing, *polls, **options):
    """Return a firing as a run that begins has it."""
    trigger = Query.model_validate({**OPTIONS, **options})
    return await trigger.freshen(Database(*(polls or ([],))).request(), firing)


def keys(fired):
    return [one.key for one in fired]


async def test_each_row_is_a_firing_with_the_row_as_configuration():
    fired = await Database([A, B], []).fire(2)

    assert [(one.key, one.config, one.when_active) for one in fired] == [
        ("a", A, "drop"),
        ("b", B, "drop"),
    ]


async def test_the_same_row_is_another_firing_at_the_next_poll():
    fired = await Database([A], [A], []).fire(3)

    assert keys(fired) == ["a", "a"]
    assert len({one.id for one in fired}) == 2


async def test_once_per_content_fires_what_has_changed():
    changed = {**A, "size": 9}
    database = Database([A, B], [A, B], [changed, B], [changed, B], [])

    assert keys(await database.fire(5, once="perContent")) == ["a", "b", "a"]


async def test_a_row_that_was_gone_fires_again():
    database = Database([A], [], [A], [])

    assert keys(await database.fire(4, once="perContent")) == ["a", "a"]


async def test_what_was_fired_is_remembered_beyond_a_restart():
    first = Database([A], [A], [])
    first.polls = [[A]]
    await first.fire(2, once="perContent")
    second = Database([A, B], [A, B])
    second.memory = first.memory

    assert keys(await second.fire(2, once="perContent")) == ["b"]


async def test_rows_of_a_key_are_one_firing_with_a_list():
    more = {"id": "a", "size": 3}
    [one, two] = await Database([A, B, more], []).fire(2, groupRows=True)

    assert (one.key, one.config) == ("a", {"rows": [A, more]})
    assert (await freshened(one, groupRows=True)).data == {"generic-operator/config": [A, more]}
    assert two.config == {"rows": [B]}


async def test_without_grouping_a_second_row_of_a_key_is_left_out():
    more = {"id": "a", "size": 3}

    assert [one.config for one in await Database([A, more], []).fire(2)] == [A]

    assert "1 rows have the key of another one" in str(next(iter(keyed_faults(A, more))))


def keyed_faults(*rows):
    return keyed(RowQuery(databaseName="m", query="q", key="id"), rows)[1]


async def test_a_change_that_is_fired_once_waits_for_the_run_at_work():
    [one] = await Database([A], [A]).fire(2, once="perContent")

    assert one.when_active == "queue"


LARGE = {"id": "a", "text": "x" * 100_000}


async def test_large_rows_are_asked_for_again_when_their_run_begins():
    [one] = await Database([LARGE], []).fire(2)
    changed = {**LARGE, "more": 1}

    assert one.config == {}
    assert (await freshened(one, [B, changed])).config == changed


async def test_a_large_row_that_is_gone_when_its_run_begins_needs_none():
    [one] = await Database([LARGE], []).fire(2)

    assert await freshened(one, [B]) is None


async def test_large_rows_of_a_key_are_asked_for_again_together():
    [one] = await Database([LARGE, A], []).fire(2, groupRows=True)
    fresh = await freshened(one, [A, B], groupRows=True)

    assert fresh.config == {"rows": [A]}
    assert fresh.data == {"generic-operator/config": [A]}


async def gone(*polls, known=(), **options):
    """Return the keys of what is to be removed."""
    database = Database(*polls, known=known)
    fired = await database.fire(len(polls), **{"gone": "remove", **options})
    return [one.key for one in fired if one.is_gone], database.errors


async def test_what_was_made_for_a_row_that_is_gone_stays():
    assert (await gone([A, B], [A], gone="keep"))[0] == []


async def test_what_was_made_for_a_row_that_is_gone_is_removed_where_that_is_asked_for():
    assert (await gone([A, B], [A], [A]))[0] == ["b"]


async def test_a_row_that_went_while_nobody_listened_is_noticed():
    assert (await gone([A], [A], known=["a", "z"]))[0] == ["z"]


@pytest.mark.parametrize("answer", [Unreachable("away"), [], [A, {"id": None}], [{"other": 1}]])
async def test_an_answer_that_may_lack_rows_removes_nothing(answer):
    found, errors = await gone([A, B], answer)

    assert found == []
    assert errors


async def test_a_database_that_is_away_is_asked_again():
    database = Database(Unreachable("away"), [A], [])

    assert keys(await database.fire(3)) == ["a"]
    assert [str(one) for one in database.errors] == ["away"]


async def test_several_keys_need_instances_of_their_own():
    database = Database([A, B], [A], [], is_per_key=False)

    assert keys(await database.fire(3)) == ["a"]
    assert isinstance(database.errors[0], Refused)


async def test_parameters_are_bound():
    database = Database([])
    await database.fire(1, parameters=["eu", 3])

    assert database.asked[0] == ("main", "SELECT 1", "eu", 3)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("default/main", "default/main"), (7, "7"), (True, "true"), (1.0, "1"), (1.5, "1.5"),
        (b"\x00\xff", "00ff"), ([1, "a"], '[1,"a"]'), ({"b": 1, "a": 2}, '{"a":2,"b":1}'),
    ],
)  # fmt: skip
def test_a_key_is_the_printed_value(value, key):
    assert key_text(value) == key


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"other": 1}, "no column 'id'; known: other"),
        ({"id": None}, "no key"),
        ({"id": ""}, "no key"),
    ],
)
def test_a_row_without_a_key_is_told_and_left_out(row, words):
    found, faults = keyed(RowQuery(databaseName="m", query="q", key="id"), [row])

    assert found == ()
    assert [words in str(one) for one in faults] == [True]


@pytest.mark.parametrize(
    "options",
    [
        {}, {"database": "m", "query": "q"}, {"query": "q", "key": "k"},
        {"database": "m", "query": "q", "statement": "q", "key": "k"},
        {"file": "f", "key": "k"}, {"file": "f", "groupRows": True},
        {"database": "m", "query": "q", "key": "k", "interval": "1ms"},
        {"database": "m", "query": "q", "key": "k", "once": "perHaps"},
        {"database": "m", "query": "q", "key": "k", "groupRows": "yes"},
    ],
)  # fmt: skip
def test_options_that_ask_nothing_are_refused(options):
    with pytest.raises(ValidationError):
        Query.model_validate(options)


def test_polls_come_every_ten_seconds():
    trigger = Query.model_validate({"database": "m", "statement": "q", "key": "k"})

    assert trigger.interval == timedelta(seconds=10)


async def test_a_file_of_the_older_form_holds_several_queries(tmp_path):
    entries = [
        {"name": "one", "databaseName": "main", "query": "SELECT 1", "key": "id"},
        {
            "name": "two", "databaseName": "other", "query": "SELECT 2", "key": "id",
            "groupsRowsToArray": True,
        },
    ]  # fmt: skip
    (tmp_path / "triggers.json").write_text(json.dumps({"triggers": entries}))
    database = Database([A], [B], [], folders=(tmp_path,))
    fired = await database.fire(2, database="", query="", key="", file="triggers.json")

    assert [one.config for one in fired] == [A, {"rows": [B]}]
    assert database.asked[:2] == [("main", "SELECT 1"), ("other", "SELECT 2")]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{}", InvalidSpec), ("triggers: []", InvalidSpec), ("a: [", InvalidDocument),
        ("triggers: [{name: a, unknown: 1}]", InvalidSpec), ("--- 1\n--- 2", InvalidSpec),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_queries_is_refused(tmp_path, text, error):
    (tmp_path / "triggers.yaml").write_text(text)

    with pytest.raises(error):
        read_file("triggers.yaml", (tmp_path,))


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(NotFound, match="looked in"):
        read_file("triggers.yaml", (tmp_path,))


def test_an_entry_without_key_or_statement_is_refused(tmp_path):
    (tmp_path / "t.yaml").write_text("triggers: [{name: a, databaseName: m}]")

    with pytest.raises(InvalidSpec):
        read_file("t.yaml", (tmp_path,))


async def test_a_person_s_firing_of_a_key_has_the_rows_of_it():
    by_hand = Firing(id="5f3a", key="a")

    fresh = await freshened(by_hand, [A, B])
    assert fresh is not None
    assert fresh.config == A
    assert await freshened(by_hand, [B]) is None
