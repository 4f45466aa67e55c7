"""What the deliveries of registries say: something was put under a name.

Before: ``bodies`` read one. After: ``choice`` looks at the name alone; no source of a rollout is a
registry's repository, so that every rollout of the trigger is looked at.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error

import orjson

from rollwright.plugins.contracts import Push
from rollwright.triggers.webhook.meaning import (
    Meaning,
    Sent,
    at,
    instant,
    items,
    person,
    text,
    texts,
)

_HARBOR_PUSHES = frozenset({"harbor.artifact.pushed", "harbor.chart.uploaded"})


def harbor(sent: Sent) -> Meaning:
    """Read a delivery of Harbor, in its own format or as a CloudEvent."""
    body, event = sent.body, text(sent.body, "type")
    is_cloud_event = at(body, "specversion") is not None
    told = at(body, "data" if is_cloud_event else "event_data")
    name = text(told, "repository", "repo_full_name")
    tags = tuple(text(one, "tag") for one in items(told, "resources"))
    return Meaning(
        event=event,
        id=text(body, "id") if is_cloud_event else "",
        pushes=_images(name, tags),
        is_push=event.lower().startswith(("push", "upload")) or event in _HARBOR_PUSHES,
        sent_at=instant(at(body, "time" if is_cloud_event else "occur_at")),
        actor=person(text(body, "operator")),
    )


def quay(sent: Sent) -> Meaning:
    """Read a delivery of Quay."""
    body = sent.body
    return Meaning(
        event="push", pushes=_images(text(body, "repository"), texts(body, "updated_tags"))
    )


def dockerhub(sent: Sent) -> Meaning:
    """Read a delivery of Docker Hub."""
    body = sent.body
    return Meaning(
        event="push",
        pushes=_images(text(body, "repository", "repo_name"), (text(body, "push_data", "tag"),)),
        sent_at=instant(at(body, "push_data", "pushed_at")),
        actor=person(text(body, "push_data", "pusher")),
    )


def nexus(sent: Sent) -> Meaning:
    """Read a delivery of Nexus Repository."""
    body = sent.body
    return Meaning(
        event=text(body, "action"),
        id=sent.headers.get("x-nexus-webhook-delivery", ""),
        pushes=_images(
            text(body, "repositoryName"),
            (text(body, "component", "version"), text(body, "asset", "name")),
        ),
        is_push=text(body, "action") in {"CREATED", "UPDATED"},
        sent_at=instant(_iso(text(body, "timestamp"))),
        actor=person(text(body, "initiator")),
    )


def acr(sent: Sent) -> Meaning:
    """Read a delivery of Azure Container Registry."""
    body = sent.body
    return Meaning(
        event=text(body, "action"),
        id=text(body, "id"),
        pushes=_images(text(body, "target", "repository"), (text(body, "target", "tag"),)),
        is_push=text(body, "action") in {"push", "chart_push"},
        sent_at=instant(text(body, "timestamp")),
        actor=person(text(body, "actor", "name")),
    )


def gcr(sent: Sent) -> Meaning:
    """Read what Google's registries send through Pub/Sub."""
    message = at(sent.body, "message")
    try:
        inner = orjson.loads(b64decode(text(message, "data"), validate=True))
    except (Base64Error, ValueError):
        inner = None
    # us-docker.pkg.dev/shop/images/web:1 or …@sha256:…
    named = (text(inner, "tag") or text(inner, "digest")).partition("@")[0]
    folder, _, last = named.rpartition("/")
    image, _, tag = last.partition(":")
    return Meaning(
        event=text(inner, "action"),
        id=text(message, "messageId") or text(message, "message_id"),
        pushes=_images(f"{folder}/{image}" if folder else image, (tag,)),
        is_push=text(inner, "action") == "INSERT",
        sent_at=instant(text(message, "publishTime") or text(message, "publish_time")),
    )


def _images(name: str, tags: tuple[str, ...]) -> tuple[Push, ...]:
    there = tuple(dict.fromkeys(tag for tag in tags if tag)) or ("",)
    return tuple(Push(repository=name, ref=tag) for tag in there) if name else ()


def _iso(moment: str) -> str:
    """Write ``2016-11-10T23:57:49.664 +0000`` as RFC 3339 has it."""
    return moment.replace(" ", "").replace("+0000", "+00:00")
