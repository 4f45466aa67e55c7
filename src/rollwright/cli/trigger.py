"""``rollwright trigger``: what a trigger would start, started by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from rollwright.cli.options import COMMON, Common, Output

if TYPE_CHECKING:
    from rollwright.engine.listening.declared import Declared
    from rollwright.rollouts.spec.trigger import TriggerSpec


def trigger(
    name: str,
    /,
    *,
    key: str = "",
    config: Path | None = None,
    no_wait: bool = False,
    output: Output = "text",
    common: Common = COMMON,
) -> int:
    """Start at once what a trigger starts, or one rollout of the site.

    A run that is at work is waited for; of several that wait, the newest is carried out.

    Parameters
    ----------
    name
        A trigger or a rollout of the site.
    key
        Which instance, such as default/main, for a trigger that makes one per key.
    config
        A YAML or JSON file with what the trigger would bring.
    no_wait
        Only note it, for the process that listens; it looks every 15 s.
    output
        How each run is printed; json gives a line of JSON each.
    """
    return asyncio.run(_fire(name, key, config, common, output=output, is_waited=not no_wait))


async def _fire(
    name: str, key: str, config: Path | None, common: Common, *, output: Output, is_waited: bool
) -> int:
    from rollwright.cli.listen import run_line, stopped_by_signal
    from rollwright.cli.output import write_line
    from rollwright.cli.session import opened
    from rollwright.engine.listening.service import make_service
    from rollwright.engine.site import actor_here
    from rollwright.plugins.contracts import Firing

    codes: list[int] = []

    def ended(pending: Any, how: Any, seconds: float) -> None:
        codes.append(how.exit_code)
        write_line(run_line(pending, how, seconds, output))

    async with opened(common) as site:
        service = make_service(site, ended=ended)
        firing = Firing(
            id=uuid4().hex, key=key, actor=actor_here(), config=_values(config) if config else {}
        )
        spec = _meant(service.declared, name)
        instances = await service.dispatcher.accept(spec, "manual", firing)
        if not is_waited:
            write_line(f"noted: {', '.join(instances) or 'nothing'}")
            return 0
        with stopped_by_signal() as stop:
            await service.once(len(instances), stop)
    return max(codes, default=0)


def _meant(declared: Declared, name: str) -> TriggerSpec:
    """Return the trigger of a name, or one for the rollout of that name."""
    from rollwright.errors import NotFound
    from rollwright.rollouts.spec.own_triggers import OwnTrigger
    from rollwright.rollouts.spec.trigger import trigger_of

    if any(one.name == name for one in declared.triggers):
        return declared.trigger(name)
    if name in declared.rollouts:
        return trigger_of(OwnTrigger(name=name, use="oneoff"), name)
    known = ", ".join(sorted({*declared.rollouts, *(one.name for one in declared.triggers)}))
    raise NotFound(f"no trigger and no rollout {name!r} in the site; known: {known or 'none'}")


def _values(file: Path) -> dict[str, Any]:
    from rollwright.documents import load_all
    from rollwright.errors import InvalidDocument, NotFound

    try:
        documents = load_all(file.read_bytes(), name=str(file))
    except OSError as error:
        raise NotFound(f"cannot read {str(file)!r}: {error.strerror}") from error
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise InvalidDocument(f"{file}: expected one mapping of values")
    return dict(documents[0].value)
