"""``stringData`` of Secrets, written as the ``data`` that the server makes of it (AP-53).

Before: objects were rendered and validated as their author wrote them.
After: what is compared, sent and owned is what is live.

The server keeps ``stringData`` only in its record of who owns what: a value that somebody changed
would look untouched, and a key that left the manifest would stay in the cluster.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rollwright.rollouts.manifest import Body, Manifest, ManifestSet, is_secret


def encoded(wanted: ManifestSet) -> ManifestSet:
    """Return the set with every Secret's ``stringData`` in its ``data``."""
    if not any(_has_texts(one.body) for one in wanted):
        return wanted
    return replace(wanted, manifests=tuple(map(_encoded, wanted)))


def _has_texts(body: Body) -> bool:
    return "stringData" in body and is_secret(body)


def _encoded(manifest: Manifest) -> Manifest:
    body = manifest.body
    if not _has_texts(body):
        return manifest
    texts, data = body.get("stringData"), body.get("data") or {}
    if not (isinstance(texts, Mapping) and isinstance(data, Mapping)) or not _are_texts(texts):
        return manifest  # the server says what is wrong with it
    rest = {key: value for key, value in body.items() if key not in {"stringData", "data"}}
    # NB: where both name a key, the server takes stringData.
    values = {**data, **{key: b64encode(text.encode()).decode() for key, text in texts.items()}}
    return manifest.with_body({**rest, "data": values} if values else rest)


def _are_texts(values: Mapping[str, Any]) -> bool:
    return all(isinstance(value, str) for value in values.values())
