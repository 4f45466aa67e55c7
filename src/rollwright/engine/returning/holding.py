"""Holds that people put on and take off, beside the runs.

Before: somebody says ``hold`` or ``release``. After: the next run refuses, or goes on.

Neither takes the lock: freezing a rollout must not wait for the run that one wants to be the
last. A run that is at work goes on to its end, and saves its state over the hold.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from rollwright.engine.run import Run
from rollwright.engine.site import Site
from rollwright.errors import NotFound, StateConflict
from rollwright.rollouts.bookkeeping import same_but_held
from rollwright.rollouts.revisions.holding import put_on_hold, released
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import RolloutState

_ATTEMPTS = 10


async def hold(site: Site, spec: RolloutSpec, *, reason: str, actor: str) -> RolloutState:
    """Hold a rollout for everything until it is released; return its state (RB-07).

    Raises:
        NotFound: Nothing is remembered of the rollout.
        StateConflict: Others wrote its state again and again.
    """
    change = partial(put_on_hold, reason=reason, actor=actor, at=datetime.now(UTC))
    return await _changed(site, spec, change)


async def release(site: Site, spec: RolloutSpec, *, reason: str, actor: str) -> RolloutState:
    """Take the hold off a rollout; return its state, the same if there was none.

    Raises:
        NotFound: Nothing is remembered of the rollout.
        StateConflict: Others wrote its state again and again.
    """
    change = partial(released, reason=reason, actor=actor, at=datetime.now(UTC))
    return await _changed(site, spec, change)


async def _changed(
    site: Site, spec: RolloutSpec, change: Callable[[RolloutState], RolloutState]
) -> RolloutState:
    store = await site.store(spec)
    for attempt in range(1, _ATTEMPTS + 1):
        state = await store.load(spec.name)
        if state is None:
            raise NotFound(f"no rollout {spec.name!r} is remembered")
        after = change(state)
        if after is state:
            return state
        try:
            return await store.save(after, after=state.version)
        except StateConflict:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError  # the last attempt returned or raised


async def save_unless_written(
    run: Run, close: Callable[[RolloutState], RolloutState]
) -> RolloutState:
    """Save the state at the end of a run; a hold that came or went meanwhile is kept.

    Raises:
        StateConflict: Another run wrote the state although we hold the lock.
    """
    state = run.state
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return await run.store.save(close(state), after=state.version)
        except StateConflict as error:
            error.hint = "another run wrote the state: look at `rollwright status`"
            found = await run.store.load(state.rollout)
            same = same_but_held(run.state, found) if found else None
            if same is None or same.version == state.version or attempt == _ATTEMPTS:
                raise
            state = same
    raise AssertionError  # the last attempt returned or raised
