"""Secrets that options of plugins name: where they are read from, never the secret.

Before: a document holds ``{env: NAME}``, ``{file: PATH}`` or ``{block: NAME}``.
After: the plugin reads it when it opens its first connection.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from rollwright.errors import NotFound
from rollwright.plugins.blocks import secret_of_block
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.spec.secrets import secret_problem


class SecretSource(BaseModel):
    """Where a secret is read from; never the secret."""

    model_config = OPTIONS

    env: str | None = Field(default=None, description="Variable of the environment.")
    file: str | None = Field(default=None, description="Path of a file.")
    block: str | None = Field(default=None, description="Block of the Prefect server.")

    @model_serializer(mode="wrap")
    def _as_it_is_named(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Name it in one way, so that what is written can be read again."""
        return {key: value for key, value in handler(self).items() if value is not None}


def check_secret(value: Any) -> Any:
    """Return what may stand for a secret.

    Raises:
        ValueError: It is the secret itself, or names it in no way of ours; it is not quoted.
    """
    if isinstance(value, SecretSource):
        return value
    if problem := secret_problem(value):
        raise ValueError(problem)
    return value


NamedSecret = Annotated[SecretSource, BeforeValidator(check_secret)]
"""A secret as an option."""


def read_secret(source: SecretSource, what: str) -> str:
    """Return the secret, without the end of its line.

    A block is asked of the Prefect server: where an event loop runs, call it in a thread.

    Args:
        source: Where it is.
        what: What a message calls it, such as ``postgres password``.

    Raises:
        NotFound: The variable, file or block is not there, empty, or not text.
        Unreachable: The Prefect server does not give the block.
    """
    if source.block is not None:
        return secret_of_block(source.block, what).rstrip("\r\n")
    if source.env is not None:
        place, hint = f"variable {source.env}", "set the variable"
        text = os.environ.get(source.env, "")
    else:
        path = Path(source.file or "").expanduser()
        place, hint = f"file {str(path)!r}", "correct the path, or make the file"
        text = _read_file(path, what)
    if not text.strip():
        raise NotFound(f"{what}: {place} is not there, or empty", hint=hint)
    return text.rstrip("\r\n")


def _read_file(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise NotFound(f"{what}: cannot read {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError:
        # Not chained: the error would hold the bytes.
        raise NotFound(f"{what}: file {str(path)!r} is not UTF-8") from None
