"""Who sends deliveries, how each shows that it did, and what its deliveries say.

Before: an option names the kind. After: ``reader`` uses what stands here under its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from rollwright.triggers.webhook import forges, plain, registries
from rollwright.triggers.webhook.meaning import Read
from rollwright.triggers.webhook.origin import (
    Shown,
    addressed,
    addressed_and,
    logged_in,
    signed,
    signed_as_named,
    signed_payload,
    told,
    told_or_borne,
)


class Sender(StrEnum):
    """Kinds of senders."""

    GITHUB = "github"
    GITEA = "gitea"
    BITBUCKET = "bitbucket"
    BITBUCKET_SERVER = "bitbucket-server"
    GITLAB = "gitlab"
    AZURE = "azure"
    GENERIC_HMAC = "generic-hmac"
    GENERIC_OIDC = "generic-oidc"
    GCR = "gcr"
    HARBOR = "harbor"
    QUAY = "quay"
    DOCKERHUB = "dockerhub"
    NEXUS = "nexus"
    ACR = "acr"
    CDEVENTS = "cdevents"
    GENERIC = "generic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of sender.

    Attributes:
        shown: Checks the origin with a secret; ``None`` for tokens that an issuer signs.
        read: Reads what a delivery says.
        is_signed: Whether the body is signed, so that the same body again is a repetition.
    """

    shown: Shown | None
    read: Read
    is_signed: bool = False


_HUB = signed("x-hub-signature", prefix="sha256=")
_NEXUS = signed("x-nexus-webhook-signature", algorithm="sha1")

KINDS: Mapping[Sender, Kind] = {
    Sender.GITHUB: Kind(
        shown=signed("x-hub-signature-256", prefix="sha256="), read=forges.github, is_signed=True
    ),
    Sender.GITEA: Kind(
        shown=signed_payload(*(f"x-{one}-signature" for one in forges.KIN)), read=forges.gitea, is_signed=True
    ),
    Sender.BITBUCKET: Kind(shown=_HUB, read=forges.bitbucket, is_signed=True),
    Sender.BITBUCKET_SERVER: Kind(shown=_HUB, read=forges.bitbucket_server, is_signed=True),
    Sender.GITLAB: Kind(shown=told("x-gitlab-token"), read=forges.gitlab),
    Sender.AZURE: Kind(shown=logged_in, read=forges.azure),
    Sender.GENERIC_HMAC: Kind(shown=signed_as_named, read=plain.generic, is_signed=True),
    Sender.GENERIC_OIDC: Kind(shown=None, read=plain.generic),
    Sender.GCR: Kind(shown=None, read=registries.gcr),
    Sender.HARBOR: Kind(shown=addressed_and(told_or_borne("authorization"), "authorization"), read=registries.harbor),
    Sender.QUAY: Kind(shown=addressed, read=registries.quay),
    Sender.DOCKERHUB: Kind(shown=addressed, read=registries.dockerhub),
    Sender.NEXUS: Kind(
        shown=addressed_and(_NEXUS, "x-nexus-webhook-signature"), read=registries.nexus
    ),
    Sender.ACR: Kind(shown=addressed, read=registries.acr),
    Sender.CDEVENTS: Kind(shown=addressed, read=plain.cdevents),
    Sender.GENERIC: Kind(shown=addressed, read=plain.generic),
}  # fmt: skip
"""By their names."""

BY_ISSUER = frozenset(kind for kind, one in KINDS.items() if one.shown is None)
"""Who shows a token that an issuer signed."""
FORGES = frozenset(
    {
        Sender.GITHUB,
        Sender.GITEA,
        Sender.BITBUCKET,
        Sender.BITBUCKET_SERVER,
        Sender.GITLAB,
        Sender.AZURE,
    }
)
"""Whose deliveries speak of git repositories."""
