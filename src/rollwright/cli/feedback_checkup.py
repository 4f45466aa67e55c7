"""What ``doctor`` looks at of those who are told about runs.

Before: the site is open. After: ``doctor`` prints the findings; nobody was told anything.
"""

from __future__ import annotations

from rollwright.cli.diagnosis import Finding, Level
from rollwright.engine.operations import named_spec, names
from rollwright.engine.site import Site
from rollwright.engine.telling.letters import undelivered
from rollwright.engine.telling.subscribers import sink_named
from rollwright.errors import RolloutError

_RESEND = "rollwright feedback resend NAME"


def sink_findings(site: Site) -> tuple[Finding, ...]:
    """Return for each sink of the site whether it can be made."""
    return tuple(_sink(site, name) for name in sorted(site.loaded.file.feedback))


def _sink(site: Site, name: str) -> Finding:
    use = site.loaded.file.feedback[name].name
    try:
        sink_named(site, named_spec(name), name)
    except RolloutError as error:
        advice = error.hint or f"correct [feedback.{name}]"
        return Finding(
            level=Level.WARN, subject=f"feedback {name}", text=error.message, advice=advice
        )
    text = f"{use}; `rollwright feedback test {name}` tries it"
    return Finding(level=Level.OK, subject=f"feedback {name}", text=text)


async def letter_findings(site: Site, cluster: str) -> tuple[Finding, ...]:
    """Return of how many rollouts something could not be told; nothing if of none."""
    try:
        lost = {
            name: found
            for name in await names(site, cluster=cluster)
            if (found := await undelivered(site, named_spec(name, cluster)))
        }
    except RolloutError:
        return ()  # the store has a finding of its own
    if not lost:
        return ()
    count = sum(map(len, lost.values()))
    text = f"{count} could not be told, of {', '.join(sorted(lost)[:5])}"
    return (Finding(level=Level.WARN, subject="feedback", text=text, advice=_RESEND),)
