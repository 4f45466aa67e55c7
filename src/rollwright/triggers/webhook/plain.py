"""What deliveries say that no forge and no registry sends: scripts, pipelines, CDEvents.

Before: ``bodies`` read one. After: ``choice`` looks at what it names, if it names anything.
"""

from __future__ import annotations

from rollwright.plugins.contracts import Push
from rollwright.triggers.webhook.meaning import PING, Meaning, Sent, at, instant, text


def generic(sent: Sent) -> Meaning:
    """Read anybody's delivery: ``repository`` and ``ref`` of the body count where they stand."""
    body, headers = sent.body, sent.headers
    event = headers.get("x-event", "") or text(body, "event")
    repository = text(body, "repository") or text(body, "repository", "full_name")
    ref = text(body, "ref")
    return Meaning(
        event=PING if event == PING else event,
        id=headers.get("x-delivery-id", "") or headers.get("idempotency-key", ""),
        pushes=(Push(repository=repository, ref=ref),) if repository or ref else (),
        sent_at=instant(at(body, "timestamp")),  # of the body, which may be signed
    )


def cdevents(sent: Sent) -> Meaning:
    """Read a CDEvent, in a body of its own or as a CloudEvent."""
    body, headers = sent.body, sent.headers
    data = at(body, "data") if at(body, "context") is None else body
    return Meaning(
        event=headers.get("ce-type", "") or text(data, "context", "type") or text(body, "type"),
        id=headers.get("ce-id", "") or text(data, "context", "id") or text(body, "id"),
        sent_at=instant(headers.get("ce-time", "") or text(data, "context", "timestamp")),
    )
