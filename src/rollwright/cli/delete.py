"""``rollwright delete``: a rollout with all its objects, after a look at what goes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, TextIO

from cyclopts import Parameter

from rollwright.cli.asking import ask, can_ask
from rollwright.cli.options import (
    COMMON,
    Common,
    Output,
    read_allowed,
    read_duration,
    usage_error,
)
from rollwright.cli.output import write_document, write_lines
from rollwright.errors import Refused

if TYPE_CHECKING:
    from rollwright.engine.removal.removing import Removed
    from rollwright.engine.site import Site
    from rollwright.rollouts.report import Report


def delete(  # noqa: PLR0913  (the options of one command)
    name: str,
    /,
    *,
    confirm: str = "",
    mark: Annotated[bool, Parameter(negative="")] = False,
    due: Annotated[bool, Parameter(negative="")] = False,
    cancel: Annotated[bool, Parameter(negative="")] = False,
    orphan: Annotated[bool, Parameter(negative="")] = False,
    keep: Annotated[bool, Parameter(negative="")] = False,
    allow_delete: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    lock_wait: str = "5m",
    output: Output = "text",
    common: Common = COMMON,
) -> int:
    """Remove a rollout with all its objects.

    What goes is shown first; on a terminal you are asked to type the name.

    Parameters
    ----------
    name
        The rollout.
    confirm
        The name once more, instead of typing it.
    mark
        Only mark what would go; it may go with --due after 15 minutes, protected kinds after 24
        hours.
    due
        Delete what was marked, once its time of grace is over.
    cancel
        Take the marks off again.
    orphan
        Take the rollout's labels off its objects and forget it; the objects stay.
    keep
        Forget the rollout and touch nothing in the cluster.
    allow_delete
        Let an object go that asks for a person's word: KIND/NAMESPACE/NAME; repeatable.
    lock_wait
        How long to wait for a run of this rollout, such as 90s or 0s.
    output
        How the report is printed.
    """
    wait = read_duration(lock_wait, "--lock-wait")
    allowed = read_allowed(allow_delete)
    if confirm and confirm != name:
        raise Refused(
            f"{name}: --confirm names {confirm!r}; nothing was changed",
            hint="write the rollout's own name twice, not its folder:"
            " `rollwright delete NAME --confirm NAME`",
        )
    asked = {"mark": mark, "due": due, "cancel": cancel, "orphan": orphan, "keep": keep}
    ways = [way for way, is_asked in asked.items() if is_asked]
    if len(ways) > 1:
        raise usage_error(f"--{ways[0]} and --{ways[1]} exclude each other")
    wish = _Wish(
        name=name, way="".join(ways), confirm=confirm, allowed=allowed, lock_wait=wait,
        output=output, common=common,
    )  # fmt: skip
    return asyncio.run(_remove(wish))


@dataclass(frozen=True, kw_only=True)
class _Wish:
    """What the command line asks for; ``way`` empty means as the rollout's file says."""

    name: str
    way: str
    confirm: str
    allowed: frozenset[str]
    lock_wait: timedelta
    output: Output
    common: Common


async def _remove(wish: _Wish) -> int:
    from rollwright.cli.carrying import print_report
    from rollwright.cli.progress import follow
    from rollwright.cli.session import cluster_of, opened
    from rollwright.cli.stopping import stoppable
    from rollwright.rollouts.report import Report

    async with opened(wish.common) as site, follow(is_verbose=wish.common.verbose) as view:
        site.lock_wait, site.allowed = wish.lock_wait, wish.allowed
        cluster = cluster_of(site, wish.common, wish.name)
        with stoppable(site, view.take):
            way = wish.way or _declared_way(site, wish)
            act = _delete if way in {"delete", "due"} else _change
            done = await act(site, wish, cluster, view.pause, way)
    return print_report(done, wish.output) if isinstance(done, Report) else _print(done, wish)


def _declared_way(site: Site, wish: _Wish) -> str:
    """Return what the rollout's file says; without a person it may mean to mark at first."""
    from rollwright.engine.removal.removing import deletion_of

    policy = deletion_of(site, wish.name)
    if policy.policy != "delete":
        return policy.policy.value
    is_marked = policy.two_phase and not wish.confirm and not can_ask()
    return "mark" if is_marked else "delete"


async def _delete(
    site: Site, wish: _Wish, cluster: str, pause: Callable[[], None], way: str
) -> Report:
    from rollwright.engine import operations
    from rollwright.engine.approval.permitting import refuse_breached
    from rollwright.rollouts.describe.plans import describe_plan

    is_due = way == "due"
    removal = await operations.prepare_delete(site, wish.name, cluster=cluster, is_due=is_due)
    pause()
    write_lines(describe_plan(removal), _beside(wish))
    if is_due:
        refuse_breached(removal.breached)
    elif not wish.confirm:
        await _ask(wish.name, "delete all this")
    return await operations.delete(site, removal, cluster=cluster)


async def _change(
    site: Site, wish: _Wish, cluster: str, pause: Callable[[], None], way: str
) -> Removed:
    from rollwright.engine import operations
    from rollwright.engine.removal import removing
    from rollwright.rollouts.describe.plans import describe_plan

    spec = operations.named_spec(wish.name, cluster)
    state = await operations.remembered(site, spec)
    trigger = operations.manual_trigger(wish.name, kind="delete")
    if way == "cancel":
        return await removing.cancel(site, spec, trigger)
    if way == "mark":
        removal = await removing.plan_removal(site, spec, state)
        pause()
        write_lines(describe_plan(removal), _beside(wish))
        return await removing.mark(site, spec, removal, trigger)
    pause()
    if not wish.confirm:
        what = "take its labels off" if way == "orphan" else "forget it"
        count = len(state.inventory)
        await _ask(wish.name, f"{what} and leave {count} objects in the cluster")
    act = removing.orphan if way == "orphan" else removing.keep
    return await act(site, spec, trigger)


def _beside(wish: _Wish) -> TextIO:
    return sys.stdout if wish.output == "text" else sys.stderr


def _print(removed: Removed, wish: _Wish) -> int:
    from rollwright.rollouts.describe.lines import Line, Tone
    from rollwright.rollouts.machine.records import removed_form

    if wish.output == "text":
        lines = [Line(f"{removed.rollout}: {removed.message}", Tone.GOOD)]
        lines += [Line(str(ref), Tone.QUIET, 1) for ref in removed.refs]
        write_lines(lines)
    else:
        form = removed_form(
            removed.rollout, removed.action, removed.message, removed.refs, removed.removal
        )
        write_document(form, wish.output)
    return 0


async def _ask(name: str, what: str) -> None:
    if not can_ask():
        raise Refused(
            f"{name}: nobody confirmed; nothing was changed",
            hint=f"look at what goes, then add --confirm {name}",
        )
    answer = await ask(f"Type {name} to {what}: ")
    if answer.strip() != name:
        raise Refused(f"{name}: not confirmed; nothing was changed")
