"""What a person means with ``rollwright trigger NAME``, and whether that can be started.

Before: a name and perhaps a key were typed. After: a trigger is fired, or refused with a reason.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from rollwright.cli.options import usage_error
from rollwright.engine.listening.keyed import is_per_key
from rollwright.engine.listening.pending import known_keys
from rollwright.errors import Held, InvalidSpec, NotFound, RolloutError
from rollwright.plugins.contracts import TriggerAttendant
from rollwright.rollouts.spec.own_triggers import OwnTrigger
from rollwright.rollouts.spec.trigger import trigger_of

if TYPE_CHECKING:
    from rollwright.engine.listening.declared import Declared
    from rollwright.engine.listening.service import Service
    from rollwright.rollouts.spec.trigger import TriggerSpec

_SHOWN = 10


async def meant(service: Service, name: str, key: str) -> TriggerSpec:
    """Return the trigger of a name, or one for the rollout of that name.

    Raises:
        NotFound: Nothing is called so.
        InvalidSpec: The trigger cannot be made.
        CycloptsError: A key is missing, or means nothing there.
    """
    declared = service.declared
    if any(one.name == name for one in declared.triggers):
        spec = declared.trigger(name)
        _refuse_broken(service, spec)
        await _check_key(service, spec, key)
        return spec
    if name not in declared.rollouts:
        known = ", ".join(sorted({*declared.rollouts, *(one.name for one in declared.triggers)}))
        raise NotFound(f"no trigger and no rollout {name!r} in the site; known: {known or 'none'}")
    _check_rollout(service, name, key)
    return trigger_of(OwnTrigger(name=name, use="oneoff"), name)


def _refuse_broken(service: Service, spec: TriggerSpec) -> None:
    left_out = service.listening.left_out
    parts = [name for name in left_out if name in {spec.name, *_numbered(spec)}]
    if len(parts) == len(spec.when):
        raise InvalidSpec(problem for name in parts for problem in left_out[name].problems)


def _numbered(spec: TriggerSpec) -> set[str]:
    return {f"{spec.name}-{index}" for index in range(1, len(spec.when))}


async def _check_key(service: Service, spec: TriggerSpec, key: str) -> None:
    """Refuse to run what only stands for its instances, and a key where there are none."""
    if is_per_key(spec, service.site.registry):
        if not key:
            words = f"each key of trigger {spec.name!r} is a rollout; say which with --key"
            raise usage_error(f"{words}; known: {await _known(service, spec)}")
        return
    mine = (one for one in service.listening.all() if one.trigger.name == spec.name)
    if key and not any(isinstance(one.plugin, TriggerAttendant) for one in mine):
        words = "every firing of it is about the rollout itself"
        raise usage_error(f"trigger {spec.name!r} has no instances, so --key means none: {words}")


async def _known(service: Service, spec: TriggerSpec) -> str:
    clusters = sorted({one.spec.target.cluster for one in service.declared.chosen(spec)})
    keys: list[str] = []
    with suppress(RolloutError):  # a store that is away is no reason to say nothing
        keys = sorted(await known_keys(service.site, spec.name, clusters))
    more = [f"and {len(keys) - _SHOWN} more"] if len(keys) > _SHOWN else []
    return ", ".join((*keys[:_SHOWN], *more)) or "none yet"


def _check_rollout(service: Service, name: str, key: str) -> None:
    """Refuse a key of a rollout by its own name, and a rollout that only stands for instances."""
    declared = service.declared
    own = declared.rollouts[name].spec
    those = [one for one in declared.triggers if one.chooses(own.name, own.labels)]
    keyed = [one.name for one in those if _is_keyed(service, one)]
    if key and not keyed:
        raise usage_error(f"rollout {name!r} has no instances, so --key means none")
    if key or (keyed and len(keyed) == len(those)):
        names = " or ".join(f"`rollwright trigger {one} --key KEY`" for one in keyed)
        raise usage_error(f"each key of rollout {name!r} is a rollout of its own: {names}")


def _is_keyed(service: Service, spec: TriggerSpec) -> bool:
    try:
        return is_per_key(spec, service.site.registry)
    except RolloutError:
        return False  # it names a plugin that is not there, and is left out


def refuse_suspended(declared: Declared, spec: TriggerSpec) -> None:
    """Refuse what would start nothing.

    Raises:
        Held: The trigger, or everything that it is for, is suspended.
    """
    if spec.suspend:
        raise Held(f"trigger {spec.name} is suspended", hint="set its suspend: false to fire it")
    chosen = declared.chosen(spec)
    if chosen and all(one.spec.suspend for one in chosen):
        names = ", ".join(one.spec.name for one in chosen)
        raise Held(f"{names}: suspended", hint="set spec.suspend: false to run it")
