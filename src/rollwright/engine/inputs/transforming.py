"""The transformers of a rollout, in declared order.

Before: renderers gave objects. After: validators look at what became of them.
"""

from __future__ import annotations

from rollwright.engine.site import Site
from rollwright.errors import InvalidManifests, Problem, RenderError, RolloutError
from rollwright.plugins.contracts import TransformRequest
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.spec import RolloutSpec


def transformed(site: Site, spec: RolloutSpec, rendered: ManifestSet) -> ManifestSet:
    """Return the set after all transformers.

    Raises:
        RenderError: One does not fit an object; the message says which of them.
        InvalidManifests: After one of them two objects have one identity.
    """
    for number, use in enumerate(spec.transformers, 1):
        transformer = site.registry.build("transformers", use.name, use.options)
        request = TransformRequest(
            manifests=rendered, rollout=spec.name, namespace=spec.target.namespace
        )
        try:
            rendered = transformer.transform(request)
        except RolloutError as error:
            raise _about(error, f"transformer {number}", use.name) from error
        except Exception as error:
            # NB: its words may hold anything, values of Secrets too.
            broken = f"transformer {number}: {use.name} broke: {type(error).__name__}"
            raise RenderError(broken) from error
    return rendered


def _about(error: RolloutError, who: str, name: str) -> RolloutError:
    """Return an error that says whose it is."""
    if isinstance(error, InvalidManifests):
        problems = (
            Problem(where=one.where, path=one.path, message=f"{who} ({name}): {one.message}")
            for one in error.problems
        )
        return InvalidManifests(problems, hint=error.hint)
    if isinstance(error, RenderError):
        said = error.message if error.message.startswith(name) else f"{name}: {error.message}"
        return RenderError(f"{who}: {said}", hint=error.hint)
    return error
