"""Changes of single fields: JSON patches (RFC 6902) and merge patches (RFC 7386)."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, field_validator

from rollwright.errors import RenderError
from rollwright.plugins.contracts import TransformRequest
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.body import identity_problems, sendable
from rollwright.rollouts.manifest import Manifest, ManifestSet, is_secret, refuse_twins
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
        patch: A list of JSON patch operations, or a mapping that is merged in, in which null
            removes a field.
        optional: Whether it is good that no object is meant.
    """

    model_config = OPTIONS

    target: Target
    patch: tuple[Mapping[str, Any], ...] | Mapping[str, Any]
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

    def transform(self, request: TransformRequest) -> ManifestSet:
        """Return the set with its objects patched.

        Raises:
            RenderError: The target means no object, or the patch does not fit one.
            InvalidManifests: Two objects have one identity afterwards.
        """
        changed = tuple(
            self._patched(one) if self.target.matches(one) else one for one in request.manifests
        )
        if not self.optional and not any(map(self.target.matches, request.manifests)):
            raise RenderError(
                f"patch: no object matches {self.target}",
                hint="correct the target, or set optional: true",
            )
        refuse_twins(changed)
        return replace(request.manifests, manifests=changed)

    def _patched(self, manifest: Manifest) -> Manifest:
        if isinstance(self.patch, Mapping):
            body = merged(manifest.body, self.patch)
        else:
            body = _operated(manifest, self.patch)
        problems = identity_problems(body, str(manifest.origin))
        if problems:
            raise RenderError(f"patch: {manifest.ref} is no object afterwards: {problems[0]}")
        return manifest.with_body(sendable(body))


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
