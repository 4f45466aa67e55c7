"""The installation as it is declared: ``site.toml`` and the environment over it.

Before: somebody wrote ``deployments/site.toml``, or nothing: then the defaults hold.
After: ``engine.site`` builds the ports that it names.

``model`` holds the sections with their defaults, ``environment`` lays ``ROLLWRIGHT_…`` over
them, ``lines`` finds lines for messages, ``reading`` is the way in.
"""

from __future__ import annotations

from rollwright.engine.site_file.environment import RESERVED
from rollwright.engine.site_file.model import (
    ClusterEntry,
    KeySource,
    LimitEntry,
    PluginsSection,
    RolloutsSection,
    SiteFile,
    SiteSection,
    WebhooksSection,
    site_schema,
)
from rollwright.engine.site_file.reading import LoadedSite, find_site, load_site, parse_site

__all__ = [
    "RESERVED",
    "ClusterEntry",
    "KeySource",
    "LimitEntry",
    "LoadedSite",
    "PluginsSection",
    "RolloutsSection",
    "SiteFile",
    "SiteSection",
    "WebhooksSection",
    "find_site",
    "load_site",
    "parse_site",
    "site_schema",
]
