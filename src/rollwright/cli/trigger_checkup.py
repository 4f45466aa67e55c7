"""What ``doctor`` says of a site's triggers: which there are, and whether somebody listens.

Before: ``doctor`` looked at the cluster. After: it prints the findings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollwright.cli.diagnosis import Finding, Level
from rollwright.engine.listening.readiness import Verdict, listened_to
from rollwright.engine.listening.service import make_service
from rollwright.engine.site import Site
from rollwright.errors import RolloutError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollwright.engine.listening.service import Service

_SHOWN = 20
_LISTEN = "run `rollwright listen`, as a service for example"


async def trigger_checkup(site: Site) -> list[Finding]:
    """Look at every declared trigger; nothing is said of a site that declares none."""
    try:
        service = make_service(site)
    except RolloutError as error:
        return [_finding("triggers", error.message, "`rollwright lint` says where", Level.FAIL)]
    found = [
        _finding("declared", fault, "`rollwright lint` says more")
        for fault in service.declared.faults[:_SHOWN]
    ]
    if not service.declared.triggers:
        return found
    verdicts = {one.subject: one for one in await listened_to(service)}
    if (whole := verdicts.pop("triggers", None)) is not None:
        return [*found, _finding("triggers", whole.words, "")]
    return [*found, *_of_each(service, verdicts)]


def _of_each(service: Service, verdicts: dict[str, Verdict]) -> Iterator[Finding]:
    for one in service.listening.all():
        subject = f"trigger {one.name}"
        count = len(service.declared.chosen(one.trigger))
        what = f"{one.use.name} for {'1 rollout' if count == 1 else f'{count} rollouts'}"
        if one.trigger.suspend:
            yield _finding(subject, f"{what}, suspended", "", Level.OK)
        elif not count:
            yield _finding(subject, f"{what}: it can start nothing", "`rollwright lint` says why")
        elif (verdict := verdicts.get(subject)) is None:
            words = f"{what}; deliveries come in where somebody listens"
            yield _finding(subject, words, "", Level.OK)
        elif verdict.is_good:
            yield _finding(subject, f"{what}; {verdict.words}", "", Level.OK)
        else:
            yield _finding(subject, f"{what}; {verdict.words}", _LISTEN)


def _finding(subject: str, text: str, advice: str, level: Level = Level.WARN) -> Finding:
    return Finding(level=level, subject=subject, text=text, advice=advice)
