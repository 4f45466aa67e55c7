"""What a document may say of a webhook.

Before: a Trigger names it. After: ``reader`` reads deliveries with it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from rollwright.plugins.options import OPTIONS
from rollwright.plugins.secret_refs import NamedSecret, SecretSource
from rollwright.rollouts.spec.durations import Duration
from rollwright.rollouts.spec.part import refuse
from rollwright.triggers.webhook.keys import may_be_asked
from rollwright.triggers.webhook.kinds import BY_ISSUER, FORGES, Sender

_MOST_SECRETS = 2


def _compiles(text: str) -> str:
    from rollwright.plugins.cel.compiling import problem_of  # noqa: PLC0415  (few have a filter)

    if problem := problem_of(text, "delivery"):
        raise refuse(problem)
    return text


def _is_asked_safely(url: str) -> str:
    if not may_be_asked(url):
        raise ValueError("expected https://… (plain http:// is for this machine alone)")
    return url


Url = Annotated[str, AfterValidator(_is_asked_safely)]
Some = Annotated[str, Field(min_length=1)]


class Issuer(BaseModel):
    """Who signs the sender's tokens, and what they have to say."""

    model_config = OPTIONS

    issuer: Url = Field(
        default="https://accounts.google.com",
        description="Who signs: the claim `iss`, and where its keys are found.",
    )
    audience: Some = Field(description="Whom tokens must be for: the claim `aud`.")
    subjects: tuple[Some, ...] = Field(
        default=(), description="Who may send: the claim `sub`; globs."
    )
    email: str = Field(default="", description="Account that may send: the claim `email`.")
    keys_url: Url | None = Field(
        default=None, description="Where the issuer's keys are; by default the issuer says it."
    )
    keys_file: str | None = Field(default=None, description="A file with them instead (JWKS).")

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        # An issuer signs for everybody who asks it.
        if not self.subjects and not self.email:
            raise ValueError("name who may send: subjects or email")
        if self.keys_url and self.keys_file:
            raise ValueError("give keysUrl or keysFile, one of them")
        return self


class WebhookOptions(BaseModel):
    """The options of the trigger ``webhook``."""

    model_config = OPTIONS

    type: Sender = Field(description="Who sends, which says how it shows its origin.")
    secret: NamedSecret | None = Field(
        default=None, description="What the sender shares with us; also makes the address."
    )
    former_secret: NamedSecret | None = Field(
        default=None, description="The one before, which is valid until it is taken out."
    )
    secrets: tuple[NamedSecret, ...] = Field(
        default=(), max_length=_MOST_SECRETS, description="Instead of both: one or two."
    )
    username: str = Field(default="", description="Who logs in (azure); empty for anybody.")
    oidc: Issuer | None = Field(default=None, description="Who signs tokens (generic-oidc, gcr).")
    insecure: bool = Field(default=False, description="Take deliveries of anybody.")
    events: tuple[Some, ...] = Field(
        default=(),
        description="Events that count, as the sender calls them. Default: pushes of a forge, all"
        " of others.",
    )
    repositories: tuple[Some, ...] = Field(
        default=(), description="Globs of repositories that count, such as shop/*."
    )
    refs: tuple[Some, ...] = Field(
        default=(), description="Globs of refs that count, such as refs/heads/main."
    )
    paths: tuple[Some, ...] = Field(
        default=(), description="Globs of files of which one must have changed."
    )
    filter: Annotated[str, AfterValidator(_compiles)] | None = Field(
        default=None,
        description="Condition in CEL on `body`, `headers` and `app` (name, labels); for each"
        " rollout, and an error means no.",
    )
    payload: Literal[True] | Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="What of the body becomes the rollout's `trigger` values: true, or a place"
        " such as data.release.",
    )
    max_age: Duration = Field(
        default=timedelta(minutes=10),
        description="How old a delivery may be that says when it was sent.",
    )

    @model_validator(mode="after")
    def _origin_can_be_shown(self) -> Self:
        if self.secrets and (self.secret or self.former_secret):
            raise ValueError("give secret and formerSecret, or secrets")
        if self.former_secret and not self.secret:
            raise ValueError("formerSecret stands beside secret")
        if self.type in BY_ISSUER and self.oidc is None and not self.insecure:
            raise ValueError(f"{self.type} needs oidc: who signs, for whom, and who may send")
        if self.type not in BY_ISSUER and self.oidc is not None:
            raise ValueError(f"oidc does not belong to {self.type}")
        if self.type in FORGES and not all(one.startswith(("refs/", "*")) for one in self.refs):
            raise ValueError("refs are full names, such as refs/heads/main or refs/tags/v*")
        return self

    @model_validator(mode="after")
    def _nobody_is_trusted_unasked(self) -> Self:
        has_check = bool(self.sources) or self.oidc is not None
        if self.insecure and has_check:
            raise ValueError("insecure means no check of origin; take the secret or oidc out")
        if not self.insecure and not has_check:
            raise ValueError("name a secret; without one anybody could send (insecure: true)")
        return self

    @property
    def sources(self) -> tuple[SecretSource, ...]:
        """Where the valid secrets are, the new one first."""
        both = (self.secret, self.former_secret)
        return self.secrets or tuple(one for one in both if one is not None)
