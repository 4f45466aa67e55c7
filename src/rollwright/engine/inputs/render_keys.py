"""What a rendering depends on, and whether a tree still is as it was.

Before: a renderer was made of its options; a source gave a tree.
After: ``renders`` finds what is kept under the key, and checks the tree against it.

A tree that is at the same revision is the same. One at another revision is so for a renderer that
names what it read, if these files hold the same and no other file came or went.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.metadata import version
from os import scandir
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel

from rollwright.engine.inputs.render_cache import RenderCache
from rollwright.errors import RenderError
from rollwright.plugins import tree
from rollwright.plugins.contracts import Checkout, Kubernetes, Lookups, RenderRequest
from rollwright.rollouts.spec.uses import Use

MAX_HIDDEN = 10_000
MAX_INPUTS = 20_000
_OF_TREE = frozenset({"checkout", "timeout"})
"""Of a request: what is compared otherwise."""
_SKIPPED = frozenset({".git"})


@cache
def own_version() -> str:
    """Return our version: another one may render otherwise."""
    return version("rollwright")


def options_of(plugin: Any) -> Any:
    """Return the options of a plugin as JSON; ``None`` if they cannot be told."""
    return plugin.model_dump(mode="json") if isinstance(plugin, BaseModel) else None


def is_ours(plugin: Any) -> bool:
    """Whether a plugin is known to depend on nothing but what it is given."""
    own = type(plugin).__module__.startswith("rollwright.")
    return bool(getattr(plugin, "is_repeatable", own)) and options_of(plugin) is not None


async def key_of(cache: RenderCache, use: Use, renderer: Any, request: RenderRequest) -> str | None:
    """Return the key of a rendering; ``None`` if nobody can say what it depends on."""
    if not is_ours(renderer):
        return None
    outside = await _outside(renderer)
    if outside is None:
        return None
    parts = {
        "rollwright": own_version(),
        "renderer": [use.name, type(renderer).__module__, options_of(renderer)],
        "outside": outside,
        "request": {
            one.name: _plain(getattr(request, one.name))
            for one in fields(request)
            if one.name not in _OF_TREE
        },
    }
    try:
        return cache.digest(b"render", orjson.dumps(parts, option=orjson.OPT_SORT_KEYS))
    except TypeError:
        return None


async def _outside(renderer: Any) -> str | None:
    """Return what a renderer depends on beside its request; ``None`` for what changes unseen."""
    tell = getattr(renderer, "outside", None)
    if tell is None:
        return ""
    try:
        found: str | None = await tell()
    except RenderError:
        return None  # rendering says it better
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Kubernetes):
        return [value.version, value.api_versions]
    if isinstance(value, Lookups):
        return True  # what is looked up is compared with each result
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeKey:
    """A tree, as far as its revision says; cheap to make.

    Attributes:
        revision: Digest of the source with its options, the revision, and hidden files.
    """

    revision: str


def tree_key(cache: RenderCache, source: Use, checkout: Checkout) -> TreeKey | None:
    """Return the key of a tree; ``None`` if it has more hidden files than anybody looks at."""
    parts = [source.name, source.options, checkout.revision, _hidden_of(checkout)]
    if parts[-1] is None:
        return None
    try:
        return TreeKey(revision=cache.digest(b"tree", orjson.dumps(parts, default=str)))
    except TypeError:
        return None


def _hidden_of(checkout: Checkout) -> list[Any] | None:
    """Return what identifies files that the revision of a folder leaves out."""
    if not checkout.revision.startswith("path@") or checkout.root.is_file():
        return []
    found: list[Any] = []
    for path in _hidden(str(checkout.root), is_hidden=False):
        info = Path(path).lstat()
        found.append(
            [tree.as_text(path), info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]
        )
        if len(found) > MAX_HIDDEN:
            return None
    return found


def _hidden(folder: str, *, is_hidden: bool) -> Iterator[str]:
    try:
        entries = sorted(scandir(folder), key=lambda one: one.name)
    except OSError:
        return
    for entry in entries:
        is_meant = is_hidden or entry.name.startswith(".")
        if entry.name in _SKIPPED:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _hidden(entry.path, is_hidden=is_meant)
        elif is_meant:
            yield entry.path


def inputs_of(cache: RenderCache, checkout: Checkout, names: tuple[str, ...]) -> Any:
    """Return digests of what a renderer read and of all names; ``None`` if that is not enough."""
    if not names or len(names) > MAX_INPUTS or checkout.fence or not checkout.root.is_dir():
        return None
    try:
        digests = {name: cache.digest(_content(checkout.root, name)) for name in names}
    except RenderError:
        return None  # not of the source
    return {"files": digests, "names": _names(cache, checkout.root)}


def is_unchanged(cache: RenderCache, checkout: Checkout, known: Any) -> bool:
    """Tell whether a tree holds the same as far as a renderer reads it."""
    if not isinstance(known, Mapping) or checkout.fence or not checkout.root.is_dir():
        return False
    try:
        return known["names"] == _names(cache, checkout.root) and all(
            cache.digest(_content(checkout.root, name)) == digest
            for name, digest in known["files"].items()
        )
    except (RenderError, KeyError, AttributeError):
        return False


def _content(root: Path, name: str) -> bytes:
    return tree.read(root, tree.inside(root, name))


def _names(cache: RenderCache, root: Path) -> str:
    named = [tree.name_in(root, path) for path in tree.files(root, root)]
    hidden = [
        tree.as_text(Path(path).relative_to(root).as_posix())
        for path in _hidden(str(root), is_hidden=False)
    ]
    return cache.digest_of([named, hidden, list(tree.links(root))])
