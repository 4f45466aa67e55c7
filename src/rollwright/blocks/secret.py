"""Where a secret is read from; and the one secret that a block may hold itself."""

from __future__ import annotations

from typing import Literal, Self

from prefect.blocks.core import Block
from pydantic import BaseModel, Field, HttpUrl, SecretStr, model_validator

from rollwright.blocks.options import DOCUMENTATION


class SecretReference(BaseModel):
    """A secret by its place on the machine that uses it; never the secret."""

    env: str = Field(default="", description="Variable of the environment that holds it.")
    file: str = Field(default="", description="Path of a mounted file that holds it.")

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        if self.env and self.file:
            raise ValueError("a secret is read from one place: give env or file")
        return self


class WebhookSecret(Block):
    """The secret that signs deliveries of a webhook, or where it is read from.

    Every client of the Prefect server can read what blocks hold. A reference is therefore
    better; the value itself is for installations that have no other place for it.

    Example:
        Load the secret of a webhook:

        ```python
        from rollwright.blocks import WebhookSecret

        webhook_secret = WebhookSecret.load("BLOCK_NAME")
        ```
    """

    _block_type_slug = "rollwright-webhook-secret"
    _block_type_name = "Rollwright webhook secret"
    _documentation_url = HttpUrl(f"{DOCUMENTATION}#webhook-secret")

    kind: Literal["webhook-secret"] = Field(
        default="webhook-secret", description="Tells blocks of a union apart."
    )
    secret: SecretStr | None = Field(
        default=None, description="The secret itself; a reference is better."
    )
    reference: SecretReference | None = Field(
        default=None, description="Variable or mounted file that the secret is read from."
    )

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if self.secret is not None and self.reference is not None:
            raise ValueError("a secret is there once: give secret or reference")
        return self
