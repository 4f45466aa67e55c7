"""``rollwright feedback``: who is told about runs, and what they could not be told."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from rollwright.cli.options import COMMON, Common, Output
from rollwright.cli.output import printable, say, write_document, write_table
from rollwright.errors import NotFound, RolloutError

if TYPE_CHECKING:
    from rollwright.engine.site import Site
    from rollwright.engine.telling.letters import Undelivered

app = App(name="feedback", help="Show who is told, and send again what did not arrive.")

_FAILED = 1


@app.command(name="list")
def list_(name: str = "", /, *, output: Output = "text", common: Common = COMMON) -> None:
    """List the sinks of the site; with a rollout, what was told about it, and what was not.

    Parameters
    ----------
    name
        A rollout, or its file; without it, the sinks of the site.
    output
        How it is printed.
    """
    asyncio.run(_list_rollout(name, output, common) if name else _list_sinks(output, common))


async def _list_sinks(output: Output, common: Common) -> None:
    from rollwright.cli.session import opened
    from rollwright.rollouts.machine.values import list_form

    async with opened(common) as site:
        rows = [_sink_row(site, name) for name in sorted(site.loaded.file.feedback)]
    if output != "text":
        keys = ("name", "use", "told", "problem")
        items = [dict(zip(keys, row, strict=True)) for row in rows]
        write_document(list_form("FeedbackSinkList", items), output)
    elif rows:
        write_table(("NAME", "USE", "TOLD", "PROBLEM"), rows)
    else:
        sys.stdout.write("the site tells nobody; declare [feedback.NAME] in site.toml\n")


def _sink_row(site: Site, name: str) -> tuple[str, ...]:
    from rollwright.engine.operations import named_spec
    from rollwright.engine.telling.subscribers import sink_named
    from rollwright.rollouts.feedback import NOTIFIED

    entry = site.loaded.file.feedback[name]
    problem, usual = "", NOTIFIED
    try:
        usual = getattr(sink_named(site, named_spec(name), name), "usual_events", NOTIFIED)
    except RolloutError as error:
        problem = error.message
    told = ", ".join(sorted(usual)) if not entry.when else f"by {len(entry.when)} rules"
    told = "where it is named" if entry.only_named else told
    return name, entry.name, told, " ".join(problem.split())


async def _list_rollout(name: str, output: Output, common: Common) -> None:
    from rollwright.cli.session import named
    from rollwright.engine.operations import named_spec
    from rollwright.engine.telling.letters import recall_told, undelivered, undelivered_form
    from rollwright.rollouts.machine.values import list_form
    from rollwright.rollouts.telling import told_form

    async with named(name, common) as (site, rollout, cluster):
        spec = named_spec(rollout, cluster)
        lost, told = await undelivered(site, spec), await recall_told(site, spec)
    records = told_form(told)["records"]
    if output != "text":
        items = [*records, *({"undelivered": undelivered_form(one)} for one in lost)]
        write_document(list_form("FeedbackList", items), output)
        return
    if told.records:
        lines = [
            (f"{one.at:%Y-%m-%d %H:%M:%SZ}", one.sink, one.event, one.result)
            for one in told.records
        ]
        write_table(("WHEN", "SINK", "EVENT", "RESULT"), lines)
    elif not lost:
        sys.stdout.write(printable(f"nobody was told about {rollout}\n"))
    _say_lost(rollout, lost)


@app.command
def resend(
    name: str,
    /,
    *,
    sink: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    common: Common = COMMON,
) -> int:
    """Send again what could not be told about a rollout.

    Parameters
    ----------
    name
        A rollout, or its file.
    sink
        Only what this one was to be told; repeatable.
    """
    results = asyncio.run(_resend(name, sink, common))
    for one, error in results:
        words = error or "told"
        line = f"{one.sink}: {one.feedback.title}: {words}\n"
        sys.stdout.write(printable(line))
    if not results:
        sys.stdout.write("everything was told\n")
    return _FAILED if any(error for _, error in results) else 0


async def _resend(
    name: str, sinks: tuple[str, ...], common: Common
) -> tuple[tuple[Undelivered, str], ...]:
    from rollwright.cli.session import declared, named
    from rollwright.engine.operations import named_spec
    from rollwright.engine.telling.letters import send_again, undelivered
    from rollwright.engine.telling.subscribers import sink_named

    async with named(name, common) as (site, rollout, cluster):
        loaded = declared(site.loaded, rollout)
        spec = named_spec(rollout, cluster)
        if loaded is not None:
            # Its own sinks stand in its document.
            spec = loaded.spec.model_copy(update={"target": spec.target})
        lost = await undelivered(site, spec)
        for unknown in {*sinks} - {one.sink for one in lost}:
            sink_named(site, spec, unknown)  # a name that nobody has is a mistake, not "told"
        return await send_again(site, spec, (o for o in lost if not sinks or o.sink in sinks))


@app.command(name="test")
def try_sink(sink: str, /, *, common: Common = COMMON) -> None:
    """Tell a sink of the site that this is a test.

    Parameters
    ----------
    sink
        Its name in site.toml: [feedback.NAME].
    """
    asyncio.run(_test(sink, common))
    sys.stdout.write(printable(f"{sink} was told\n"))


async def _test(sink: str, common: Common) -> None:
    from rollwright.cli.session import cluster_of, opened
    from rollwright.engine.operations import named_spec
    from rollwright.engine.telling.letters import send_test

    async with opened(common) as site:
        if sink not in site.loaded.file.feedback:
            known = ", ".join(sorted(site.loaded.file.feedback)) or "none"
            where = site.loaded.path or "site.toml"
            raise NotFound(f"no sink {sink!r} in {where}; known: {known}")
        await send_test(site, named_spec("rollwright", cluster_of(site, common)), sink)


async def say_undelivered(site: Site, rollouts: Iterable[str], cluster: str) -> None:
    """Say of rollouts what could not be told about them; ``status`` says it last."""
    from rollwright.engine.operations import named_spec
    from rollwright.engine.telling.letters import undelivered

    for rollout in rollouts:
        _say_lost(rollout, await undelivered(site, named_spec(rollout, cluster)))


def _say_lost(rollout: str, lost: tuple[Undelivered, ...]) -> None:
    if not lost:
        return
    last = lost[-1]
    what = f"{len(lost)} event{'' if len(lost) == 1 else 's'} could not be told"
    say(f"{rollout}: {what}, last {last.sink}: {last.error}")
    say(f"`rollwright feedback resend {rollout}` tries again")
