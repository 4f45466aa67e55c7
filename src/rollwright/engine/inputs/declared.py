"""Plugins that a document names for its objects: what is wrong with any of them, with its line.

Before: ``load_rollout`` read the document; only the registry knows a plugin's options.
After: ``fetching`` and ``rendering`` make the plugins, which are known to fit then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from rollwright.documents import nearest_line
from rollwright.engine.site import Site
from rollwright.errors import InvalidSpec, PluginNotFound, Problem
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.spec.uses import Use

Named: TypeAlias = tuple[str, Use, str]
"""The group of a plugin, what is declared of it, and where."""

_PARTS = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def check_source(site: Site, spec: RolloutSpec) -> None:
    """Refuse a source that there is not, or options that do not fit it.

    Raises:
        InvalidSpec: Every problem at once, with its place in the document.
    """
    _check(site, spec, [("sources", spec.source, "spec.source")])


def check_plugins(site: Site, spec: RolloutSpec) -> None:
    """Refuse renderers, transformers and validators that there are not, or whose options are wrong.

    Raises:
        InvalidSpec: Every problem at once, with its place in the document.
    """
    _check(site, spec, _uses(site, spec))


def _check(site: Site, spec: RolloutSpec, uses: Iterable[Named]) -> None:
    problems = []
    for group, use, path in uses:
        try:
            site.registry.build(group, use.name, use.options, path=f"{path}.with")
        except PluginNotFound as error:
            hint = f"; {error.hint}" if error.hint else ""
            problems.append(Problem(where="", path=f"{path}.use", message=f"{error}{hint}"))
        except InvalidSpec as error:
            problems += error.problems
    if problems:
        raise InvalidSpec(_placed(site, spec, one) for one in problems)


def _uses(site: Site, spec: RolloutSpec) -> Iterator[Named]:
    for group, field, uses in (
        ("renderers", "render", spec.renderers),
        ("transformers", "transform", spec.transformers),
        ("validators", "validate", spec.validators),
    ):
        is_list = _is_list(site, field)
        for index, use in enumerate(uses):
            yield group, use, f"spec.{field}[{index}]" if is_list else f"spec.{field}"


def _is_list(site: Site, field: str) -> bool:
    """Tell whether a field is written as a list: the only renderer may stand without one."""
    document = site.rollout.document.value if site.rollout else None
    body = document.get("spec") if isinstance(document, Mapping) else None
    return not isinstance(body, Mapping) or isinstance(body.get(field), list)


def _placed(site: Site, spec: RolloutSpec, problem: Problem) -> Problem:
    """Return a problem with the file and line of its path."""
    if problem.where or not problem.path.startswith("spec."):
        return problem  # of another text: a file of rules, a block
    if site.rollout is None:
        return replace(problem, where=spec.name)
    path = tuple(int(number) if number else key for number, key in _PARTS.findall(problem.path))
    line = nearest_line(site.rollout.document, path)
    return replace(problem, where=f"{site.rollout.path}:{line}")
