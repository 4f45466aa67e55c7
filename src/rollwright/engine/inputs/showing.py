"""Secret values that rendered objects or complaints of renderers would show (RE-33).

Before: values came from live Secrets and encrypted files, or were looked up by a chart.
After: they stand in Secrets alone, which plans mask, and no message quotes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rollwright.documents import path_text
from rollwright.engine.inputs.configured import ValuePath, leaves
from rollwright.errors import InvalidManifests, Problem, RenderError, RolloutError
from rollwright.rollouts.manifest import ManifestSet, is_secret

_OF_CONFIG = "is secret in `config`"
_OF_CONFIG_HINT = (
    "put it into a Secret; or write `reveal: true` at the entry of `config`, if it is none"
)
_LOOKED_UP = "comes from a Secret that the chart looked up"
_LOOKED_UP_HINT = (
    "put it into a Secret; or set `lookup: reveal` among the renderer's options, if it is none"
)


def refuse_shown(
    rendered: ManifestSet, configured: frozenset[str], looked_up: frozenset[str]
) -> None:
    """Refuse objects that would show a secret value in plans: only Secrets are masked.

    Args:
        rendered: The objects.
        configured: Secret texts of ``config``.
        looked_up: Secret texts that charts looked up.

    Raises:
        InvalidManifests: An object that is no Secret holds one; every place is told.
    """
    _refuse(rendered, configured, _OF_CONFIG, _OF_CONFIG_HINT)
    _refuse(rendered, looked_up, _LOOKED_UP, _LOOKED_UP_HINT)


def _refuse(rendered: ManifestSet, hidden: frozenset[str], why: str, hint: str) -> None:
    if not hidden:
        return
    words = f"holds a value that {why}, and plans would show it"
    problems = [
        Problem(where=str(manifest.origin), path=f"{manifest.ref} {path_text(path)}", message=words)
        for manifest in (*rendered, *rendered.hooks)
        if not is_secret(manifest.body)
        for path in _quoting(manifest.body, hidden)
    ]
    if problems:
        raise InvalidManifests(problems, hint=hint)


def _quoting(body: Any, hidden: frozenset[str]) -> Iterator[ValuePath]:
    for path in leaves(body, ()):
        value = body
        for key in path:
            value = value[key]
        if any(text in str(value) for text in hidden):
            yield path


def unquoted(error: RolloutError, hidden: frozenset[str]) -> RolloutError:
    """Return an error of a renderer without the secret values that it quotes; itself if none."""
    said = error.message
    for text in sorted(hidden, key=len, reverse=True):
        said = said.replace(text, "***")
    return error if said == error.message else RenderError(said, hint=error.hint)
