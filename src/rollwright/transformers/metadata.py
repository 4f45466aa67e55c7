"""Labels and annotations on objects; in their selectors and templates where that is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from rollwright.plugins.contracts import TransformRequest
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.manifest import Body, Manifest, ManifestSet
from rollwright.transformers.editing import mapping, with_bodies
from rollwright.transformers.extra import Extra
from rollwright.transformers.label_fields import Places, selector_places, template_places
from rollwright.transformers.places import changed, parse
from rollwright.transformers.target import Target

_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_PREFIX = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
_KEY = re.compile(rf"(?:{_PREFIX}/)?{_WORD}")
_VALUE = re.compile(rf"(?:{_WORD})?")


def _is_key(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(f"not a key: {key[:80]!r}; expected such as 'app' or 'example.com/app'")
    return key


def _is_label_value(value: str) -> str:
    if not _VALUE.fullmatch(value):
        raise ValueError("not a label's value: at most 63 letters, digits, '-', '_' and '.'")
    return value


Key = Annotated[str, AfterValidator(_is_key)]
LabelValue = Annotated[str, AfterValidator(_is_label_value)]


class Labels(BaseModel):
    """Set labels in ``metadata``.

    Attributes:
        labels: What to set; an object's own value of the same key is replaced.
        target: Which objects; every one by default.
        include_selectors: Whether selectors and templates get them too. A selector of a workload
            that exists cannot be changed.
        include_templates: Whether the templates of pods, jobs and volume claims get them too.
        paths: More places that hold labels, such as ``spec.podMetadata.labels``, by kind.
    """

    model_config = OPTIONS

    labels: Mapping[Key, LabelValue] = Field(min_length=1)
    target: Target = Target()
    include_selectors: bool = False
    include_templates: bool = False
    paths: tuple[Extra, ...] = ()

    def transform(self, request: TransformRequest) -> ManifestSet:
        """Return the set with the labels."""
        return with_bodies(request.manifests, self.target, self._labelled)

    def _labelled(self, manifest: Manifest) -> Body:
        return _with_values(manifest.body, self._places(manifest), self.labels)

    def _places(self, manifest: Manifest) -> Places:
        yield ("metadata", "labels"), True
        if self.include_selectors or self.include_templates:
            yield from template_places(manifest, "labels")
        if self.include_selectors:
            yield from selector_places(manifest)
        yield from _extra(self.paths, manifest)


class Annotations(BaseModel):
    """Set annotations in ``metadata``.

    Attributes:
        annotations: What to set; an object's own value of the same key is replaced.
        target: Which objects; every one by default.
        include_templates: Whether the templates of pods and jobs get them too.
        paths: More places that hold annotations, by kind.
    """

    model_config = OPTIONS

    annotations: Mapping[Key, str] = Field(min_length=1)
    target: Target = Target()
    include_templates: bool = False
    paths: tuple[Extra, ...] = ()

    def transform(self, request: TransformRequest) -> ManifestSet:
        """Return the set with the annotations."""
        return with_bodies(request.manifests, self.target, self._annotated)

    def _annotated(self, manifest: Manifest) -> Body:
        return _with_values(manifest.body, self._places(manifest), self.annotations)

    def _places(self, manifest: Manifest) -> Places:
        yield ("metadata", "annotations"), True
        if self.include_templates:
            yield from template_places(manifest, "annotations")
        yield from _extra(self.paths, manifest)


def _extra(paths: tuple[Extra, ...], manifest: Manifest) -> Places:
    return ((parse(one.path), True) for one in paths if one.means(manifest))


def _with_values(body: Body, places: Places, values: Mapping[str, str]) -> Body:
    changed_body: Any = body
    for steps, is_made in places:

        def put(old: Any, is_made: bool = is_made) -> Any:  # noqa: FBT001  (bound now)
            if not is_made and not isinstance(old, Mapping):
                return old
            return {**mapping(old), **values}

        changed_body = changed(changed_body, steps, put, create=is_made)
    result: Body = changed_body
    return result
