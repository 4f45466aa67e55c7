"""``rollwright fan-out``: one rollout to many clusters, batch by batch."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from rollwright.cli.options import GLOBAL, Common, Form, Output, read_duration, usage_error

if TYPE_CHECKING:
    from rollwright.engine.documents import LoadedRollout
    from rollwright.engine.fan_out import RunTarget
    from rollwright.engine.site import Site
    from rollwright.rollouts.fleet import Pace
    from rollwright.rollouts.fleet_report import FleetReport

_MANY = Parameter(negative="", show_default=False)


@Parameter(name="*", group=GLOBAL)
@dataclass(frozen=True, kw_only=True)
class _Common:
    """What every command takes, but for the one cluster that others reach."""

    site: Annotated[Path | None, Parameter(name="--site")] = None
    """Take this site.toml instead of the nearest one."""
    verbose: Annotated[bool, Parameter(name=["--verbose", "-v"])] = False
    """Tell more of what happens."""
    debug: Annotated[bool, Parameter(name="--debug")] = False
    """Show the traceback of an error."""


_COMMON = _Common()


def fan_out(  # noqa: PLR0913  (the options of one command)
    file: Path,
    /,
    *,
    cluster: Annotated[tuple[str, ...], _MANY] = (),
    selector: Annotated[tuple[str, ...], _MANY] = (),
    serial: str = "",
    max_failures: str = "0",
    min_success: str = "0",
    soak: str = "0s",
    max_concurrency: str = "100%",
    yes: Annotated[bool, Parameter(name=["--yes", "-y"])] = False,
    allow_prune: bool = False,
    output: Output = "text",
    common: _Common = _COMMON,
) -> int:
    """Carry one rollout out in many clusters, batch by batch.

    A cluster that was not begun when it stops is as it was; one that was begun comes to its end.
    The same command again goes on where it ended.

    Parameters
    ----------
    file
        A rollout, or a folder with rollout.yaml.
    cluster
        A cluster of site.toml; repeatable, dealt with in this order.
    selector
        A label that further clusters have: key=value; repeatable, all must fit.
    serial
        Sizes of the batches, such as 1,10%,50%; the last one repeats.
    max_failures
        Failures that are tolerated: a number or per cent.
    min_success
        How many of a batch must succeed before the next one starts: a number or per cent.
    soak
        How long a cluster must stay good before it counts, such as 10m.
    max_concurrency
        Clusters in work at the same time: a number or per cent.
    yes
        Do not ask; also gives the approval that the rollout may want.
    allow_prune
        Let pass how many objects are deleted.
    output
        How the report is printed.
    """
    from rollwright.engine.fan_out import make_pace

    pace = make_pace(
        serial=[one.strip() for one in serial.split(",") if one.strip()],
        max_failures=max_failures,
        min_success=min_success,
        soak=read_duration(soak, "--soak"),
        max_concurrency=max_concurrency,
    )
    if not cluster and not selector:
        raise usage_error("name the clusters: --cluster NAME or --selector KEY=VALUE")
    going = _Going(
        names=cluster, labels=_labels(selector), pace=pace, yes=yes, allow_prune=allow_prune
    )
    site = Common(site=common.site, verbose=common.verbose, debug=common.debug)
    report = asyncio.run(_go_through(file, site, going))
    return _print(report, output)


@dataclass(frozen=True, kw_only=True)
class _Going:
    """What the command line says of a fan-out."""

    names: tuple[str, ...]
    labels: Mapping[str, str]
    pace: Pace
    yes: bool
    allow_prune: bool


def _labels(selector: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for one in (part for text in selector for part in text.split(",")):
        key, equals, value = one.strip().partition("=")
        if not key or not equals:
            raise usage_error(f"--selector: expected KEY=VALUE; got {one!r}")
        found[key] = value
    return found


async def _go_through(file: Path, common: Common, going: _Going) -> FleetReport:
    from rollwright.cli.progress import follow
    from rollwright.cli.session import load, opened
    from rollwright.cli.stopping import stoppable
    from rollwright.engine.fan_out import choose_targets, fan_out

    loaded = load(file, common)
    async with opened(common, loaded) as site, follow(is_verbose=common.verbose) as view:
        targets = choose_targets(site, going.names, going.labels)
        view.pause()
        await _ask(loaded, targets, going)
        with stoppable(site, view.take):
            return await fan_out(site, loaded, targets, going.pace, run=_run(site, going))


def _run(site: Site, going: _Going) -> RunTarget:
    from functools import partial

    from rollwright.engine.fan_out import agreeing, run_here
    from rollwright.engine.stages import DIRECT

    stages = DIRECT.allowing_prune() if going.allow_prune else DIRECT
    return partial(run_here, site, stages=agreeing(stages) if going.yes else stages)


async def _ask(loaded: LoadedRollout, targets: tuple[str, ...], going: _Going) -> None:
    """Show the batches, and let the person decide; who cannot be asked has decided."""
    from rollwright.cli.asking import can_ask, confirm
    from rollwright.errors import Refused
    from rollwright.rollouts.fleet import make_fleet

    batches = make_fleet(targets, going.pace).batches
    for number, batch in enumerate(batches, 1):
        sys.stderr.write(f"batch {number}: {', '.join(batch)}\n")
    if going.yes or not can_ask():
        return
    noun = "cluster" if len(targets) == 1 else "clusters"
    if not await confirm(f"Carry {loaded.spec.name} out in {len(targets)} {noun}?"):
        raise Refused(f"{loaded.spec.name}: nobody agreed; nothing was changed")


def _print(report: FleetReport, output: Form) -> int:
    from rollwright.cli.output import write_document, write_lines
    from rollwright.rollouts.fleet_report import describe_fleet
    from rollwright.rollouts.machine.fleet import fleet_form

    if output == "text":
        write_lines(describe_fleet(report))
    else:
        write_document(fleet_form(report), output)
    return report.exit_code
