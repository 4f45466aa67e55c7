"""Which objects a selector of a document means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from rollwright.rollouts.manifest import Manifest, ObjectRef
from rollwright.rollouts.spec import Selector


def is_selected(selector: Selector, ref: ObjectRef, labels: Mapping[str, str]) -> bool:
    """Whether every field that the selector gives matches; namespace and name may be globs."""
    pairs = ((selector.namespace, ref.namespace), (selector.name, ref.name))
    if selector.group is not None and selector.group != ref.group:
        return False
    if selector.kind is not None and selector.kind != ref.kind:
        return False
    if not all(pattern is None or fnmatchcase(text, pattern) for pattern, text in pairs):
        return False
    return all(labels.get(key) == value for key, value in selector.labels.items())


def is_any_selected(selectors: Iterable[Selector], manifest: Manifest) -> bool:
    """Whether one of the selectors means the manifest."""
    return any(is_selected(one, manifest.ref, manifest.labels) for one in selectors)
