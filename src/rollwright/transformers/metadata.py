"""Labels and annotations on every object. Selectors and pod templates stay as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from rollwright.plugins.contracts import TransformRequest
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.manifest import Manifest, ManifestSet
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
    """

    model_config = OPTIONS

    labels: Mapping[Key, LabelValue] = Field(min_length=1)
    target: Target = Target()

    def transform(self, request: TransformRequest) -> ManifestSet:
        """Return the set with the labels."""
        return _set(request.manifests, self.target, "labels", self.labels)


class Annotations(BaseModel):
    """Set annotations in ``metadata``.

    Attributes:
        annotations: What to set; an object's own value of the same key is replaced.
        target: Which objects; every one by default.
    """

    model_config = OPTIONS

    annotations: Mapping[Key, str] = Field(min_length=1)
    target: Target = Target()

    def transform(self, request: TransformRequest) -> ManifestSet:
        """Return the set with the annotations."""
        return _set(request.manifests, self.target, "annotations", self.annotations)


def _set(
    manifests: ManifestSet, target: Target, field: str, values: Mapping[str, str]
) -> ManifestSet:
    def changed(manifest: Manifest) -> Manifest:
        metadata = manifest.body["metadata"]
        both = {**(metadata.get(field) or {}), **values}
        return manifest.with_body({**manifest.body, "metadata": {**metadata, field: both}})

    return replace(
        manifests,
        manifests=tuple(changed(one) if target.matches(one) else one for one in manifests),
    )
