"""``rollwright trigger``: what a trigger would start, started by hand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

from cyclopts import Parameter

from rollwright.cli.failing import INTERRUPTED
from rollwright.cli.options import COMMON, Common, Output, usage_error

if TYPE_CHECKING:
    from rollwright.engine.listening.declared import Declared
    from rollwright.engine.listening.service import Service
    from rollwright.engine.site import Site
    from rollwright.plugins.contracts import Firing
    from rollwright.rollouts.spec.trigger import TriggerSpec


def trigger(  # noqa: PLR0913  (the options of one command)
    name: str,
    /,
    *,
    key: str = "",
    config: Path | None = None,
    token: str = "",
    again: Annotated[bool, Parameter(negative="")] = False,
    delivery: str = "",
    no_wait: Annotated[bool, Parameter(negative="")] = False,
    listener: Annotated[bool, Parameter(negative="")] = False,
    output: Output = "text",
    common: Common = COMMON,
) -> int:
    """Start at once what a trigger starts, or one rollout of the site.

    A run that is at work is waited for; of several that wait, the newest is carried out. What
    fails is not tried again. With --no-cache everything is rendered anew, whoever makes the run.

    Parameters
    ----------
    name
        A trigger or a rollout of the site.
    key
        Which instance, such as default/main, for a trigger that makes one per key.
    config
        A YAML or JSON file with what the trigger would bring.
    token
        What `rollwright status` shows as lastHandledTrigger once it is done; made up by default.
    again
        Look once more at what the last delivery of a webhook was about, with what it brought.
    delivery
        The id of the delivery that is meant, if not the last one.
    no_wait
        Only note it, for the process that listens; it looks every 15 s.
    listener
        Note it, and wait until the process that listens has done it.
    output
        How each run is printed; json gives a line of JSON each, yaml a document.
    """
    if no_wait and listener:
        raise usage_error("one of --no-wait and --listener, not both")
    if (again or delivery) and (key or config):
        raise usage_error("--again takes a delivery as it came in, without --key and --config")
    meant = delivery if again or delivery else None
    asked = _Asked(name, key, config, token or uuid4().hex, meant)
    return asyncio.run(_fire(asked, common, output, no_wait=no_wait, by_listener=listener))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the person typed; ``delivery`` is empty for the last one, ``None`` for none."""

    name: str
    key: str
    config: Path | None
    token: str
    delivery: str | None

    async def meant(self, service: Service) -> tuple[TriggerSpec, Firing]:
        """Return what is fired, and with what."""
        from rollwright.cli.trigger_meant import meant
        from rollwright.engine.listening.again import delivered_again

        if self.delivery is None:
            return await meant(service, self.name, self.key), self.firing()
        site, declared = service.site, service.declared
        spec, firing = await delivered_again(site, declared, self.name, self.delivery)
        return spec, replace(firing, token=self.token)

    def firing(self) -> Firing:
        from rollwright.engine.site import actor_here
        from rollwright.plugins.contracts import Firing

        config = _values(self.config) if self.config else {}
        return Firing(
            id=uuid4().hex, key=self.key, actor=actor_here(), config=config, token=self.token
        )


async def _fire(
    asked: _Asked, common: Common, output: Output, *, no_wait: bool, by_listener: bool
) -> int:
    from rollwright.cli.listen import tell_notes
    from rollwright.cli.output import write_line
    from rollwright.cli.session import opened
    from rollwright.cli.trigger_meant import refuse_suspended
    from rollwright.cli.trigger_runs import Runs
    from rollwright.engine.inputs.renders import HARD_REFRESH
    from rollwright.engine.listening.running import MANUAL
    from rollwright.engine.listening.service import make_service

    runs = Runs(output=output, is_verbose=common.verbose)
    async with opened(common) as site:
        site.tell = tell_notes
        service = make_service(site, ended=runs.ended, listener=runs.listener)
        service.dispatcher.is_once = True
        spec, firing = await asked.meant(service)
        refuse_suspended(service.declared, spec)
        kind = HARD_REFRESH if common.no_cache else MANUAL
        instances = await service.dispatcher.accept(spec, kind, firing)
        if no_wait:
            write_line(_noted(instances, firing, output))
            return 0
        clusters = _clusters(service.declared, spec, firing.key)
        those = {name: clusters[name] for name in instances}
        if by_listener:
            return await _await_listener(site, [*those.items()], firing, output)
        return await runs.make(service, those, firing)


def _clusters(declared: Declared, spec: TriggerSpec, key: str) -> dict[str, str]:
    """Return where each instance is that a firing may be about."""
    from rollwright.rollouts.instances import instance_name

    return {
        name: one.spec.target.cluster
        for one in declared.chosen(spec)
        for name in (one.spec.name, instance_name(one.spec.name, key))
    }


async def _await_listener(
    site: Site, asked: list[tuple[str, str]], firing: Firing, output: Output
) -> int:
    """Print how each of the runs ended that another process makes of a firing."""
    from datetime import UTC, datetime

    from rollwright.cli.listen import stopped_by_signal
    from rollwright.cli.output import say, write_line
    from rollwright.cli.trigger_runs import answer_line
    from rollwright.engine.listening.answering import answers

    worst, since = 0, datetime.now(UTC)
    with stopped_by_signal() as stop:
        async for answer in answers(site, asked, firing, since=since, stop=stop, tell=say):
            write_line(answer_line(answer.instance, answer.outcome, output))
            worst = max(worst, answer.exit_code)
        if stop.is_set():
            say("the request stays noted; whoever listens carries it out")
            return INTERRUPTED
        return worst


def _noted(instances: tuple[str, ...], firing: Firing, output: Output) -> str:
    from rollwright.cli.output import record_text

    if output == "text":
        return f"noted: {', '.join(instances) or 'nothing'} (token {firing.token})"
    return record_text({"instances": list(instances), "token": firing.token}, output)


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
