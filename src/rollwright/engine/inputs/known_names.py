"""What documents of the older format may name on one site, and how the site reads them.

Before: a file or a renderer gave such a document.
After: it is read, or refused by the names that there are (DOC-18, DOC-39).

Such documents know no options, so of the built-in actions they may name those that need none;
and every plugin of the site.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rollwright import actions, checks
from rollwright.engine.site_file import LoadedSite, find_site, load_site
from rollwright.plugins.registry import GROUPS, Registry
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.spec import read_older
from rollwright.rollouts.spec.older import ACTIONS, CHECKS, Known


def registry_of(loaded: LoadedSite) -> Registry:
    """Return where the plugins of a site come from."""
    plugins = loaded.file.plugins
    return Registry(
        allow=plugins.allow,
        site=loaded.root,
        files={group: dict(table) for group in GROUPS if (table := getattr(plugins, group, None))},
        where=str(loaded.path or "site.toml"),
    )


def known_on(loaded: LoadedSite, registry: Registry) -> Known:
    """Return what documents of the older format may name on a site."""
    mine = set(registry.names("actions")) - set(actions.BUILTIN)
    theirs = set(registry.names("checks")) - set(checks.BUILTIN)
    return Known(
        actions=ACTIONS | mine,
        checks=CHECKS | theirs,
        parallel_steps=loaded.file.steps.parallel,
    )


def known_at(folder: Path, site: Path | None = None) -> Known:
    """Return what documents of the older format may name that stand in a folder.

    Args:
        folder: The folder.
        site: The site.toml that counts; by default the one that is found from the folder.

    Raises:
        InvalidSpec: site.toml or a ``ROLLWRIGHT_…`` variable is wrong.
    """
    loaded = load_site(site or find_site(folder), start=folder)
    return known_on(loaded, registry_of(loaded))


def with_known_groups(rendered: ManifestSet, name: str, known: Known) -> ManifestSet:
    """Return a rendered set whose rollout names only what there is, and says what runs together.

    Raises:
        InvalidSpec: It names what there is not.
    """
    if rendered.rollout is None:
        return rendered
    read_older(rendered.rollout, name=f"rendered rollout of {name}", known=known)
    if not known.parallel_steps:
        return rendered
    return replace(rendered, rollout=_saying_parallel(rendered.rollout))


def _saying_parallel(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a document whose groups all say whether their steps run together (DOC-8)."""
    groups = [
        {**group, "parallel": True} if group.get("parallel") is None else group
        for group in document["spec"]["groups"]
    ]
    return {**document, "spec": {**document["spec"], "groups": groups}}
