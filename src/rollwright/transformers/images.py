"""Images of containers: other names, tags and digests, wherever a pod is described."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Self

from pydantic import BaseModel, Field, model_validator

from rollwright.plugins.contracts import TransformRequest
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.body import POD_SPECS
from rollwright.rollouts.manifest import Body, Manifest, ManifestSet
from rollwright.transformers.editing import with_bodies
from rollwright.transformers.extra import Extra
from rollwright.transformers.places import ABSENT, Step, changed, parse
from rollwright.transformers.target import Target

_IN_POD = tuple(
    parse(path)
    for path in (
        "containers[*].image",
        "initContainers[*].image",
        "ephemeralContainers[*].image",
        "volumes[*].image.reference",
    )
)


class Image(BaseModel):
    """What becomes of one image.

    Attributes:
        name: The image as manifests write it, without tag and digest.
        new_name: Another name.
        new_tag: Another tag; a digest that was written goes.
        tag_suffix: What is added to the tag that was written.
        digest: A digest such as ``sha256:…``; a tag that was written goes.
    """

    model_config = OPTIONS

    name: str = Field(min_length=1)
    new_name: str = ""
    new_tag: str = Field(default="", pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$")
    tag_suffix: str = Field(default="", pattern=r"^[A-Za-z0-9_.-]*$")
    digest: str = Field(default="", pattern=r"^([a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,})?$")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.new_name or self.new_tag or self.tag_suffix or self.digest):
            raise ValueError("expected newName, newTag, tagSuffix or digest")
        if self.tag_suffix and (self.new_tag or self.digest):
            raise ValueError("tagSuffix goes with neither newTag nor digest")
        return self

    def of(self, image: str) -> str:
        """Return what an image is called then; the same if it is another one."""
        name, tag, digest = split(image)
        if name != self.name:
            return image
        if self.new_tag or self.digest:
            tag, digest = self.new_tag, self.digest
        elif self.tag_suffix:
            tag, digest = tag + self.tag_suffix, ""
        return _joined(self.new_name or name, tag, digest)


class Images(BaseModel):
    """Change images in pods and in everything that holds a pod, CronJobs too.

    Attributes:
        images: What becomes of which image.
        paths: Fields of other kinds that name images.
        target: Which objects; every one by default.
    """

    model_config = OPTIONS

    images: tuple[Image, ...] = Field(min_length=1)
    paths: tuple[Extra, ...] = ()
    target: Target = Target()

    def transform(self, request: TransformRequest) -> ManifestSet:
        """Return the set with the images."""
        return with_bodies(request.manifests, self.target, self._renamed)

    def _renamed(self, manifest: Manifest) -> Body:
        body: Body = manifest.body
        for steps in self._places(manifest):
            body = changed(body, steps, self._new)
        return body

    def _places(self, manifest: Manifest) -> Iterator[tuple[Step, ...]]:
        pod = POD_SPECS.get((manifest.ref.group, manifest.ref.kind))
        if pod is not None:
            yield from ((*pod, *steps) for steps in _IN_POD)
        yield from (parse(one.path) for one in self.paths if one.means(manifest))

    def _new(self, value: Any) -> Any:
        if isinstance(value, list):
            return changed(value, parse("[*].image"), self._new)
        if value is ABSENT or not isinstance(value, str):
            return value
        for image in self.images:
            value = image.of(value)
        return value


def split(image: str) -> tuple[str, str, str]:
    """Return name, tag and digest; ``registry:5000/a`` has no tag."""
    name, _, digest = image.partition("@")
    found = re.fullmatch(r"(.+):([^/:]*)", name)
    return (found[1], found[2], digest) if found else (name, "", digest)


def _joined(name: str, tag: str, digest: str) -> str:
    return name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
