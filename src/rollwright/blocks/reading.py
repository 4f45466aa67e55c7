"""Blocks by their names, read from the Prefect server: as options, or as a secret.

Before: ``plugins.blocks`` was asked for a block that ``site.toml`` or a rollout names; it knows
this module by its name alone, so that nothing imports Prefect where no block is named.
After: the registry makes a plugin of the options, as if they stood in the file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from prefect.blocks.core import Block
from prefect.blocks.system import Secret
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
    temporary_settings,
)
from pydantic import ValidationError

from rollwright.blocks import ALL, Cluster, Site, WebhookSecret
from rollwright.blocks.options import Use
from rollwright.errors import InvalidDocument, NotFound, Unreachable, excerpt
from rollwright.plugins.secret_refs import SecretSource, read_secret

TIMEOUT_SECONDS = 20
"""How long the server may take to give a block."""

T = TypeVar("T")

_ROLES: Mapping[str, str] = {"stores": "as_store", "locks": "as_locks", "sources": "as_source"}


def read_use(reference: str, group: str) -> Use:
    """Return the plugin that a block stands for.

    Args:
        reference: ``SLUG/NAME``.
        group: Kind of plugin that is wanted: ``stores``, ``locks`` or ``sources``.

    Raises:
        NotFound: There is no such block, or it stands for no such plugin.
        Unreachable: The Prefect server does not answer.
    """
    block = _read(reference)
    convert: Callable[[], Use | None] = getattr(block, _ROLES.get(group, ""), lambda: None)
    found = convert()
    if found is None:
        raise _unfit(reference, group.removesuffix("s"), _able(_ROLES.get(group, "")))
    return found


def read_cluster(reference: str, name: str) -> Mapping[str, Any]:
    """Return what ``[clusters.NAME]`` would hold.

    Args:
        reference: ``SLUG/NAME`` of a cluster, or of a site that has a cluster of that name.
        name: The cluster's name in ``site.toml``.

    Raises:
        NotFound: There is no such block, or it is no cluster.
        Unreachable: The Prefect server does not answer.
    """
    block = _read(reference)
    if isinstance(block, Site):
        if name not in block.clusters:
            known = ", ".join(sorted(block.clusters)) or "none"
            raise NotFound(f"block {reference!r} has no cluster {name!r}; known: {known}")
        return block.clusters[name].as_entry()
    if not isinstance(block, Cluster):
        raise _unfit(reference, "cluster", (Cluster, Site))
    return block.as_entry()


def read_text(reference: str, what: str) -> str:
    """Return the secret that a block holds or refers to.

    Args:
        reference: ``SLUG/NAME`` of a webhook secret of ours or a secret of Prefect's.
        what: What a message calls it, such as ``postgres password``.

    Raises:
        NotFound: There is no such block, it is empty, or holds no secret.
        Unreachable: The Prefect server does not answer.
    """
    block = _read(reference)
    if isinstance(block, WebhookSecret) and block.reference is not None:
        place = {name: value for name, value in block.reference.model_dump().items() if value}
        if not place:
            raise _empty(reference, what)
        return read_secret(SecretSource.model_validate(place), what)
    if isinstance(block, WebhookSecret):
        text = block.secret.get_secret_value() if block.secret else ""
    elif isinstance(block, Secret):
        text = _text_of(block.get())
    else:
        raise _unfit(reference, "secret", (WebhookSecret, Secret))
    if not text.strip():
        raise _empty(reference, what)
    return text


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _empty(reference: str, what: str) -> NotFound:
    return NotFound(f"{what}: block {reference!r} holds no text", hint="fill it in")


def _able(method: str) -> tuple[type[Block], ...]:
    return tuple(one for one in ALL if method and hasattr(one, method))


def _unfit(reference: str, role: str, able: tuple[type[Block], ...]) -> NotFound:
    slugs = ", ".join(one.get_block_type_slug() for one in able) or "none"
    return NotFound(
        f"block {reference!r} gives no {role}", hint=f"name one that does, of type {slugs}"
    )


def _read(reference: str) -> Block:
    """Return a block; from a thread of its own, because an event loop may run in ours."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="rollwright-block") as pool:
        return pool.submit(
            asyncio.run, _load(reference, str(PREFECT_API_URL.value() or ""))
        ).result()


async def _load(reference: str, url: str) -> Block:
    if not url:
        raise Unreachable(
            f"block {reference!r}: no Prefect server is configured",
            hint="set PREFECT_API_URL; blocks are kept by a server",
            retryable=False,
        )
    # NB: without this a lost address would start a private server, which has no blocks.
    with temporary_settings(
        {PREFECT_API_URL: url, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False,
         PREFECT_CLIENT_MAX_RETRIES: 1}
    ):  # fmt: skip
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await Block.aload(reference)
        except ValidationError as error:
            # Not chained: the error would hold what the block holds.
            fields = ", ".join(sorted({".".join(map(str, one["loc"])) for one in error.errors()}))
            raise InvalidDocument(
                f"block {reference!r} is not as this version expects it: {fields or 'its fields'}",
                hint="open it on the server's pages, correct and save it",
            ) from None
        except ValueError as error:
            raise _missing(reference, url) from error
        except Exception as error:
            raise _unreachable(reference, url, error) from error


def _missing(reference: str, url: str) -> NotFound:
    return NotFound(
        f"no block {reference!r} on the Prefect server at {url}",
        hint="`prefect block ls` lists them; save it on the server's pages, or register the types"
        " first: prefect block register -m rollwright.blocks",
    )


def _unreachable(reference: str, url: str, error: Exception) -> Unreachable:
    why = excerpt(str(error)) or type(error).__name__
    return Unreachable(
        f"block {reference!r}: the Prefect server at {url} does not give it: {why}",
        hint="see `rollwright doctor`, or name it in site.toml without a block",
    )
