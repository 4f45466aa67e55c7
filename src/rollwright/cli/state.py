"""``rollwright state``: what stores remember; move it, check it, forget it."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from rollwright.cli.options import COMMON, Common, Output, read_duration, usage_error
from rollwright.cli.output import printable, say, write_document, write_table
from rollwright.errors import Refused

if TYPE_CHECKING:
    from rollwright.rollouts.state import RolloutState
    from rollwright.rollouts.state_care import Moved, StateCheck

app = App(name="state", help="Show, check, move or forget what is remembered of rollouts.")

Store = Annotated[str, Parameter(name="--store")]
_DISAGREE = 10


@app.command
def move(  # noqa: PLR0913  (the options of one command)
    source: str,
    target: str,
    /,
    *,
    rollout: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    remove: Annotated[bool, Parameter(negative="")] = False,
    lock_wait: str = "5m",
    output: Output = "text",
    common: Common = COMMON,
) -> None:
    """Copy states from one store to another, and compare them.

    Source and target are names of [stores.<name>] in site.toml. State, snapshots and the
    installation's key are copied; each rollout is locked meanwhile.

    Parameters
    ----------
    source
        Where the states are.
    target
        Where they are to be.
    rollout
        Only this rollout; repeatable.
    remove
        Let the source forget what was moved and compared.
    lock_wait
        How long to wait for a run of each rollout, such as 90s or 0s.
    output
        How it is printed.
    """
    wait = read_duration(lock_wait, "--lock-wait")
    moved = asyncio.run(_move((source, target), rollout, wait, common, is_removed=remove))
    if output != "text":
        from rollwright.rollouts.machine.state import move_form

        write_document(move_form(source, target, moved), output)
        return
    _print_moved(moved, source, target)


async def _move(
    stores: tuple[str, str],
    rollouts: tuple[str, ...],
    wait: timedelta,
    common: Common,
    *,
    is_removed: bool,
) -> tuple[Moved, ...]:
    from rollwright.cli.session import cluster_of, opened
    from rollwright.engine.custody.keeping_state import Move
    from rollwright.engine.site import actor_here

    async with opened(common) as site:
        site.lock_wait = wait
        source, target = stores
        moving = Move(
            site=site, source=source, target=target, actor=actor_here(),
            cluster=cluster_of(site, common), is_removed=is_removed,
        )  # fmt: skip
        return await moving.run(rollouts)


def _print_moved(moved: tuple[Moved, ...], source: str, target: str) -> None:
    if not moved:
        sys.stdout.write(printable(f"store {source} remembers no rollouts; nothing to move\n"))
        return
    headers = ("ROLLOUT", "WHAT", "SNAPSHOTS", "VERSION")
    write_table(headers, [_moved_row(one) for one in moved])
    for one in moved:
        if one.lost:
            say(f"{one.rollout}: {len(one.lost)} snapshots were gone; there is no way back to them")
    if not all(one.is_removed for one in moved):
        say(f"{source} still remembers them; --remove lets it forget")
    say(f"runs keep to [stores.default]: let it be what {target} is before the next one")


def _moved_row(one: Moved) -> tuple[str, ...]:
    what = "copied" if one.is_new else "was there"
    words = f"{what}, removed from the source" if one.is_removed else what
    return one.rollout, words, str(one.snapshot_count), one.version


@app.command
def show(
    name: str, /, *, store: Store = "default", output: Output = "text", common: Common = COMMON
) -> None:
    """Show what a store remembers of a rollout.

    Parameters
    ----------
    name
        A rollout, or its file.
    store
        A store of site.toml.
    output
        How it is printed.
    """
    state, cluster = asyncio.run(_show(name, store, common))
    if output != "text":
        from rollwright.rollouts.machine.state import state_form

        write_document(state_form(state, cluster=cluster, store=store), output)
        return
    _print_state(state, store)


async def _show(name: str, store: str, common: Common) -> tuple[RolloutState, str]:
    from rollwright.cli.session import named
    from rollwright.engine.custody import keeping_state

    async with named(name, common) as (site, rollout, cluster):
        state = await keeping_state.show(site, rollout, cluster=cluster, store=store)
        return state, (await site.cluster_named(cluster)).name


def _print_state(state: RolloutState, store: str) -> None:
    last = state.last
    facts = {
        "rollout": state.rollout,
        "store": f"{store}, version {state.version}, token {state.token}",
        "cluster": state.cluster_id or "-",
        "revision": f"{last.number} {last.outcome} {last.source}" if last else "none",
        "objects": str(len(state.inventory)),
        "running": f"{state.journal.run_id} of {state.journal.owner}" if state.journal else "no",
        "held": f"by {state.hold.actor}: {state.hold.reason}" if state.hold else "no",
        "audit": _audit(state),
    }
    for key, value in facts.items():
        sys.stdout.write(printable(f"{key + ':':10}{value}\n"))
    if state.inventory:
        rows = [(str(one.ref), str(one.wave), one.uid or "-") for one in state.inventory]
        sys.stdout.write("\n")
        write_table(("OBJECT", "WAVE", "UID"), rows)


def _audit(state: RolloutState) -> str:
    if not state.audit:
        return "no entries"
    count = "1 entry" if len(state.audit) == 1 else f"{len(state.audit)} entries"
    return f"{count}; the last: {state.audit_in_time[0].message}"


@app.command
def check(
    name: str,
    /,
    *,
    store: Store = "default",
    exit_code: Annotated[bool, Parameter(name="--exit-code", negative=())] = False,
    output: Output = "text",
    common: Common = COMMON,
) -> int:
    """Compare the inventory of a rollout with the cluster.

    Parameters
    ----------
    name
        A rollout, or its file.
    store
        A store of site.toml.
    exit_code
        Exit with 10 when they disagree.
    output
        How it is printed.
    """
    found = asyncio.run(_check(name, store, common))
    if output != "text":
        from rollwright.rollouts.machine.state import check_form

        write_document(check_form(found), output)
    else:
        _print_check(found)
    return _DISAGREE if exit_code and not found.is_true else 0


async def _check(name: str, store: str, common: Common) -> StateCheck:
    from rollwright.cli.session import named
    from rollwright.engine.custody import keeping_state

    async with named(name, common) as (site, rollout, cluster):
        return await keeping_state.check(site, rollout, cluster=cluster, store=store)


def _print_check(found: StateCheck) -> None:
    count = len(found.state.inventory)
    if found.is_true:
        text = f"{found.rollout}: {count} objects, all as remembered"
        sys.stdout.write(printable(f"{text}\n"))
    else:
        headers = ("OBJECT", "WHAT", "WHY")
        write_table(headers, [(str(one.ref), one.what, one.text) for one in found.findings])
    for note in found.notes:
        say(note)


@app.command
def forget(
    name: str,
    /,
    *,
    confirm: str = "",
    store: Store = "default",
    lock_wait: str = "5m",
    output: Output = "text",
    common: Common = COMMON,
) -> None:
    """Forget a rollout in one store; its objects stay as they are.

    Parameters
    ----------
    name
        The rollout.
    confirm
        The name once more.
    store
        A store of site.toml.
    lock_wait
        How long to wait for a run of this rollout, such as 90s or 0s.
    output
        How it is printed.
    """
    wait = read_duration(lock_wait, "--lock-wait")
    if not confirm:
        raise usage_error(f"forget needs --confirm {name}")
    if confirm != name:
        raise Refused(f"{name}: --confirm names {confirm!r}; nothing was changed")
    state = asyncio.run(_forget(name, store, wait, common))
    if output != "text":
        from rollwright.rollouts.machine.state import forgotten_form

        write_document(forgotten_form(state, store), output)
        return
    words = f"{name} is forgotten in store {store}; {len(state.inventory)} objects stay"
    sys.stdout.write(printable(f"{words}\n"))


async def _forget(name: str, store: str, wait: timedelta, common: Common) -> RolloutState:
    from rollwright.cli.session import cluster_of, opened
    from rollwright.engine.custody import keeping_state
    from rollwright.engine.site import actor_here

    async with opened(common) as site:
        site.lock_wait = wait
        cluster = cluster_of(site, common, name)
        return await keeping_state.forget(
            site, name, actor=actor_here(), cluster=cluster, store=store
        )
