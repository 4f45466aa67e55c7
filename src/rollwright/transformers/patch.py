"""Changes of single fields: JSON patches, merge patches, and Kubernetes' strategic ones."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any, Literal, Self

from pydantic import BaseModel, field_validator, model_validator

from rollwright.errors import RenderError
from rollwright.plugins.contracts import TransformRequest
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.manifest import Body, Manifest, ManifestSet, is_secret
from rollwright.rollouts.strategic import strategic_merge
from rollwright.transformers.editing import as_object, refuse_aimless, with_bodies
from rollwright.transformers.shapes import Shapes
from rollwright.transformers.target import Target

_OPERATIONS = {
    "add": {"value"},
    "remove": set[str](),
    "replace": {"value"},
    "move": {"from"},
    "copy": {"from"},
    "test": {"value"},
}


class Patch(BaseModel):
    """Patch every object that the target means.

    Attributes:
        target: Which objects.
        patch: A list of JSON patch operations (RFC 6902), or a mapping that is merged in, in
            which null removes a field.
        type: How a mapping is merged in: ``merge`` replaces lists (RFC 7386), ``strategic`` merges
            them by the keys that the schema of the kind names, as kubectl and kustomize do;
            ``$patch: delete`` then drops an object or an item.
        optional: Whether it is good that no object is meant.
    """

    model_config = OPTIONS

    target: Target
    patch: tuple[Mapping[str, Any], ...] | Mapping[str, Any]
    type: Literal["merge", "strategic", "json"] | None = None
    optional: bool = False

    @field_validator("patch")
    @classmethod
    def _operations_are_whole(cls, patch: Any) -> Any:
        problems = [
            f"operation {number}: {problem}"
            for number, operation in enumerate(patch if isinstance(patch, tuple) else (), 1)
            if (problem := _operation_problem(operation))
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return patch

    @model_validator(mode="after")
    def _type_fits(self) -> Self:
        if self.type is not None and (self.type == "json") is isinstance(self.patch, Mapping):
            raise ValueError("a patch of type json is a list, one of any other type a mapping")
        return self

    def transform(self, request: TransformRequest) -> ManifestSet:
        """Return the set with its objects patched.

        Raises:
            RenderError: The target means no object, or the patch does not fit one.
            InvalidManifests: Two objects have one identity afterwards.
        """
        if not self.optional:
            refuse_aimless("patch", self.target, request.manifests)
        if self._drops_objects:
            kept = tuple(one for one in request.manifests if not self.target.matches(one))
            return replace(request.manifests, manifests=kept)
        shapes = Shapes(request.manifests)
        return with_bodies(request.manifests, self.target, lambda one: self._patched(one, shapes))

    @property
    def _drops_objects(self) -> bool:
        if not isinstance(self.patch, Mapping):
            return False
        return self.type == "strategic" and self.patch.get("$patch") == "delete"

    def _patched(self, manifest: Manifest, shapes: Shapes) -> Body:
        if not isinstance(self.patch, Mapping):
            body = _operated(manifest, self.patch)
        elif self.type == "strategic":
            body = _merged_by_keys(manifest, self.patch, shapes)
        else:
            body = merged(manifest.body, self.patch)
        return as_object(manifest, body, "patch")


def merged(value: Any, patch: Any) -> Any:
    """Return a value with a merge patch applied; shares what does not change."""
    if not isinstance(patch, Mapping):
        return deepcopy(patch)
    result = dict(value) if isinstance(value, Mapping) else {}
    for key, wanted in patch.items():
        if wanted is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), wanted)
    return result


def _merged_by_keys(manifest: Manifest, patch: Mapping[str, Any], shapes: Shapes) -> Any:
    try:
        return strategic_merge(manifest.body, patch, shapes.of(manifest))
    except ValueError as error:
        hint = f"the object stands in {manifest.origin}"
        raise RenderError(f"patch: {manifest.ref}: {error}", hint=hint) from error


def _operation_problem(operation: Mapping[str, Any]) -> str | None:
    verb = operation.get("op")
    if not isinstance(verb, str) or verb not in _OPERATIONS:
        return f"op is none of {', '.join(_OPERATIONS)}"
    missing = sorted(({"path"} | _OPERATIONS[verb]) - operation.keys())
    if missing:
        return f"{verb} needs {' and '.join(missing)}"
    pointers = [operation[key] for key in ("path", "from") if key in operation]
    if not all(isinstance(one, str) and (not one or one.startswith("/")) for one in pointers):
        return "a path is text that begins with '/'"
    return None


def _operated(manifest: Manifest, operations: tuple[Mapping[str, Any], ...]) -> Any:
    import jsonpatch  # noqa: PLC0415  (only rollouts that patch need it)
    from jsonpointer import JsonPointerException  # noqa: PLC0415  (as above)

    body: Any = deepcopy(manifest.body)
    for number, operation in enumerate(operations, 1):
        about = f"operation {number} ({operation['op']} {operation['path']})"
        try:
            body = jsonpatch.apply_patch(body, [dict(operation)], in_place=True)
        # NB: the library's messages quote values, which may be those of a Secret.
        except jsonpatch.JsonPatchTestFailed as error:
            message = f"patch: {manifest.ref}: {about}: the value is another"
            raise RenderError(message) from _unless_secret(manifest, error)
        except (jsonpatch.JsonPatchException, JsonPointerException, TypeError, KeyError) as error:
            message = f"patch: {manifest.ref}: {about}: there is no such place"
            hint = f"the object stands in {manifest.origin}"
            raise RenderError(message, hint=hint) from _unless_secret(manifest, error)
    return body


def _unless_secret(manifest: Manifest, error: Exception) -> Exception | None:
    """Return the cause, which a traceback shows, if it cannot quote a value of a Secret."""
    return None if is_secret(manifest.body) else error
