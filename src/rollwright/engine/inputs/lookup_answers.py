"""What a kept rendering looked up, so that it counts only while the answers are the same.

Before: a renderer asked for objects of the target while it rendered.
After: the questions stand with what it gave; they are asked again before it is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollwright.engine.inputs.chart_lookups import Asked
from rollwright.engine.inputs.render_cache import RenderCache
from rollwright.plugins.contracts import Lookup, Lookups

_QUESTIONS, _ANSWERS = "lookups", "answers"


def answers_of(cache: RenderCache, lookups: Lookups | None) -> Mapping[str, Any]:
    """Return what is kept: the questions, and a keyed digest of the answers."""
    if not isinstance(lookups, Asked) or not lookups.found:
        return {}
    questions = [[one.api_version, one.kind, one.namespace, one.name] for one in lookups.found]
    answers = list(lookups.found.values())
    return {_QUESTIONS: questions, _ANSWERS: cache.digest_of(answers)}


def holds_secrets(lookups: Lookups | None) -> bool:
    """Whether a Secret was looked up: its values may stand anywhere in what was rendered."""
    return isinstance(lookups, Asked) and bool(lookups.secret_values)


async def is_answered_alike(
    cache: RenderCache, lookups: Lookups | None, entry: Mapping[str, Any]
) -> bool:
    """Ask again what a kept rendering asked, and tell whether the answers are the same."""
    questions = entry.get(_QUESTIONS, ())
    if not questions:
        return True
    if lookups is None:
        return False
    try:
        asked = [Lookup(api_version=a, kind=k, namespace=ns, name=n) for a, k, ns, n in questions]
    except (TypeError, ValueError):
        return False
    answers = [await lookups.find(one) for one in asked]
    return cache.digest_of(answers) == entry.get(_ANSWERS)
