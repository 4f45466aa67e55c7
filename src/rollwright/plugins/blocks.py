"""Prefect blocks that ``site.toml`` or a document names, for whoever may not know Prefect.

Before: ``{block: SLUG/NAME}`` stands where a plugin, a cluster or a secret is named.
After: what the block holds is used as if it stood there.

The reader is known by its name alone and imported when the first block is read: nothing imports
Prefect where no block is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from rollwright.errors import InvalidSpec, Problem

READER = "rollwright.blocks.reading"
"""Module with ``read_use``, ``read_cluster`` and ``read_text``."""

BLOCK = "block"
"""Name of the plugin that stands for a block: ``{use: block, with: {name: SLUG/NAME}}``."""

GROUPS = ("stores", "locks", "sources")
"""Kinds of plugins that a block may stand for."""

PLAIN_SECRET = "secret"  # noqa: S105  (a type of Prefect's blocks)


def named_by_block(group: str, options: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return plugin and options of a block; options beside the block's name go over its own.

    Waits for the server: where an event loop runs, call it in a thread.

    Args:
        group: Kind of plugin that is wanted.
        options: ``{name: SLUG/NAME, with: {…}}``.

    Raises:
        InvalidSpec: They name no block.
    """
    reference, more = options.get("name"), options.get("with", {})
    if not isinstance(reference, str) or not isinstance(more, Mapping):
        problem = Problem(where="", path="with.name", message="expected TYPE/NAME of a block")
        raise InvalidSpec([problem], hint="write {block: TYPE/NAME, with: {…}}")
    name, found = import_module(READER).read_use(reference, group)
    return name, {**found, **more}


def cluster_of_block(reference: str, name: str) -> Mapping[str, Any]:
    """Return what ``[clusters.NAME]`` would hold; waits for the server."""
    entry: Mapping[str, Any] = import_module(READER).read_cluster(reference, name)
    return entry


def secret_of_block(reference: str, what: str) -> str:
    """Return a secret; a name without a type is that of Prefect's own; waits for the server."""
    full = reference if "/" in reference else f"{PLAIN_SECRET}/{reference}"
    text: str = import_module(READER).read_text(full, what)
    return text
