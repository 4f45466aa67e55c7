"""Whether an entry of ``config`` or a renderer counts: its ``when`` (RE-17).

Before: a document says so with an expression over the values and what is rolled out where.
After: ``configuration`` and ``rendering`` leave out what does not count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from rollwright.engine.site import Site
from rollwright.errors import InvalidDocument, excerpt
from rollwright.rollouts.spec import RolloutSpec

_SCOPE = "config"


async def holds(when: str | None, values: Mapping[str, Any], site: Site, spec: RolloutSpec) -> bool:
    """Tell whether an expression is true of the values; what has none always holds.

    Raises:
        InvalidDocument: It is no expression, looks for what there is not, or wants too much.
    """
    if when is None:
        return True
    return await asyncio.to_thread(_holds, when, values, _circumstances(site, spec))


def _holds(when: str, values: Mapping[str, Any], circumstances: Mapping[str, Any]) -> bool:
    from rollwright.plugins.cel.compiling import problem_of  # noqa: PLC0415  (few have a condition)
    from rollwright.plugins.cel.worker import WORKER, Batch  # noqa: PLC0415  (few have a condition)

    if problem := problem_of(when, _SCOPE):
        raise InvalidDocument(f"when: {problem}")
    batch = Batch(
        scope=_SCOPE, expressions=(when,), item="values", items=(values,), values=circumstances
    )
    [[answer]] = WORKER.ask_each(batch)
    if answer.value is None:
        # NB: of what is wrong with values nothing is quoted: they may be secret.
        why = f"needs {answer.limit}" if answer.limit else "has no value: does all of it exist?"
        raise InvalidDocument(
            f"when: {excerpt(when, 80)!r} {why}", hint="has(values.a) tells whether there is an `a`"
        )
    return answer.value


def _circumstances(site: Site, spec: RolloutSpec) -> Mapping[str, Any]:
    trigger = site.trigger
    return {
        "rollout": {"name": spec.name, "labels": dict(spec.labels)},
        "target": {"cluster": spec.target.cluster, "namespace": spec.target.namespace},
        "trigger": {"kind": trigger.kind if trigger else ""},
    }
