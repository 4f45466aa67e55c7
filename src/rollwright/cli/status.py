"""``rollwright status``: what is live, and how healthy it is."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollwright.cli.options import COMMON, Common, Output, usage_error
from rollwright.cli.output import (
    is_terminal,
    printable,
    write_document,
    write_lines,
    write_table,
)
from rollwright.errors import RolloutError, Unreachable

if TYPE_CHECKING:
    from rollwright.engine.site import Site
    from rollwright.rollouts.overview import Overview

_EVERY = timedelta(seconds=2)


def status(
    name: str = "",
    /,
    *,
    watch: bool = False,
    timeline: bool = False,
    svg: Path | None = None,
    output: Output = "text",
    common: Common = COMMON,
) -> None:
    """Show what is live, and how healthy it is.

    Parameters
    ----------
    name
        A rollout, or its file; without it, all rollouts of the cluster.
    watch
        Show it again every two seconds, until Ctrl-C.
    timeline
        Show when what happened in the last run instead.
    svg
        Write that timeline to this file as a picture; - for the output.
    output
        How it is printed.
    """
    if timeline or svg is not None:
        if not name or watch:
            raise usage_error("--timeline shows one rollout, once: name it, without --watch")
        asyncio.run(_show_timeline(name, common, output, svg))
        return
    try:
        asyncio.run(_show(name, common, output, is_watching=watch))
    except KeyboardInterrupt:
        if not watch:
            raise


async def _show_timeline(name: str, common: Common, output: Output, svg: Path | None) -> None:
    from rollwright.cli.session import cluster_of, file_named, opened
    from rollwright.cli.timeline import show_timeline

    loaded = file_named(name, common)
    async with opened(common, loaded) as site:
        cluster = loaded.spec.target.cluster if loaded else cluster_of(site, common, name)
        found = loaded.spec.name if loaded else name
        await show_timeline(site, found, cluster, svg=svg, output=output)


async def _show(name: str, common: Common, output: Output, *, is_watching: bool) -> None:
    from rollwright.cli.feedback import say_undelivered
    from rollwright.cli.session import cluster_of, file_named, opened

    loaded = file_named(name, common)
    async with opened(common, loaded) as site:
        cluster = loaded.spec.target.cluster if loaded else cluster_of(site, common, name)
        while True:
            found = await _look(site, loaded.spec.name if loaded else name, cluster)
            if is_watching and is_terminal(sys.stdout):
                sys.stdout.write("\x1b[H\x1b[2J")
            _print(found, output, is_one=bool(name))
            if output == "text":
                await say_undelivered(site, (one.rollout for one in found), cluster)
            if not is_watching:
                return
            await asyncio.sleep(_EVERY.total_seconds())


async def _look(site: Site, name: str, cluster: str) -> list[Overview]:
    from rollwright.engine import operations

    if name:
        return [await operations.status(site, name, cluster=cluster)]
    names = await operations.names(site, cluster=cluster)
    looks = (operations.status(site, one, cluster=cluster) for one in names)
    found = await asyncio.gather(*looks, return_exceptions=True)
    for one, look in zip(names, found, strict=True):
        # One rollout whose state is damaged must not hide the others.
        if isinstance(look, RolloutError) and not isinstance(look, Unreachable):
            sys.stderr.write(printable(f"Warning: {one}: {look.message}\n"))
        elif isinstance(look, BaseException):
            raise look
    return [one for one in found if not isinstance(one, BaseException)]


def _print(found: list[Overview], output: Output, *, is_one: bool) -> None:
    from rollwright.rollouts.describe.statuses import describe_status, health_tone
    from rollwright.rollouts.machine.statuses import status_form
    from rollwright.rollouts.machine.values import list_form

    if output != "text":
        forms: list[Any] = [status_form(one) for one in found]
        write_document(forms[0] if is_one else list_form("StatusList", forms), output)
    elif is_one:
        write_lines(describe_status(found[0]))
    elif found:
        rows = [_row(one) for one in found]
        headers = ("NAME", "HEALTH", "OBJECTS", "REVISION", "OUTCOME", "WHEN", "WHO", "NOTE")
        write_table(headers, rows, [health_tone(one.health) for one in found])
    else:
        sys.stdout.write("no rollouts yet\n")


def _row(one: Overview) -> tuple[str, ...]:
    last = one.state.last
    current = sum(1 for status in one.statuses if status.is_current)
    notes = [
        *(["never rolled out"] if one.is_new else []),
        *(["interrupted"] if one.is_interrupted else []),
        *(["held"] if one.state.hold else []),
        *(["waits for approval"] if one.waiting else []),
        *(["waits for a person"] if one.questions else []),
    ]
    return (
        one.rollout,
        str(one.health),
        f"{current}/{len(one.statuses)}",
        str(last.number) if last else "-",
        last.outcome if last else "-",
        f"{last.ended_at:%Y-%m-%d %H:%M:%SZ}" if last else "-",
        last.actor if last else "-",
        ", ".join(notes),
    )
