"""The declared groups, checked and asked about before anything is planned.

Before: the objects are rendered, or read; the steps name them, their actions and their checks.
After: ``make_plan`` has the groups with the words of their plugins and the server's forecasts.

An unknown action, an option that does not fit, a check that nobody has: all of it is told before
anything is applied (DOC-18, DOC-39).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rollwright.actions.command_allowed import why_refused
from rollwright.engine.reading.admission import unasked_webhook
from rollwright.engine.reading.permissions import is_denied
from rollwright.engine.site import Site
from rollwright.engine.writing.object_actions import patch_request
from rollwright.engine.writing.together import together
from rollwright.errors import ClusterError, InvalidManifests, InvalidSpec, PluginNotFound, Problem
from rollwright.plugins.contracts import Cluster, fitting_kinds
from rollwright.rollouts.change import Forecast, Prediction
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import Manifest, ManifestSet, ObjectRef
from rollwright.rollouts.spec import RolloutSpec, Use
from rollwright.rollouts.steps.course import ALIASES, Course, StepPlace, chart, text_of
from rollwright.rollouts.steps.full_put import is_same_account, prepared
from rollwright.rollouts.steps.options import OPTIONS, check_options, is_object_action
from rollwright.rollouts.steps.stepping import first_places, step_of


def find_course(site: Site, spec: RolloutSpec, wanted: ManifestSet) -> Course | None:
    """Return the groups with their objects and the words of their plugins; ``None`` without any.

    Raises:
        InvalidSpec: A step names an object, an action, a check or an option that there is not.
    """
    course = chart(spec, wanted)
    return None if course is None else check_course(site, spec, course)


def check_course(site: Site, spec: RolloutSpec, course: Course) -> Course:
    """Return the groups with the words of their plugins.

    Raises:
        InvalidSpec: A step names an action, a check or an option that there is not.
    """
    plugins = _Plugins(site=site, spec=spec, problems=list(check_options(spec, course)))
    for step, group, use, path in _uses(course):
        plugin = plugins.made(group, use, path)
        if plugin is not None and (why := _why_unfit(plugin, group, step)):
            plugins.complain(path, f"{use.name}: {why}")
    if plugins.problems:
        raise InvalidSpec(dict.fromkeys(plugins.problems))
    return replace(course, words=plugins.words)


@dataclass(kw_only=True)
class _Plugins:
    """The plugins that steps name, each made once, and what is wrong with them."""

    site: Site
    spec: RolloutSpec
    problems: list[Problem]
    known: dict[tuple[str, str, str], object | None] = field(default_factory=dict)

    @property
    def words(self) -> Mapping[tuple[str, str], str]:
        """What each of them will do, by name and options."""
        return {key[1:]: str(one) for key, one in self.known.items() if one is not None}

    def made(self, group: str, use: Use, path: str) -> object | None:
        """Return a plugin; ``None`` if it cannot be, which is told once."""
        key = (group, use.name, text_of(use.options))
        if key not in self.known:
            self.known[key] = self._make(group, use, path)
        return self.known[key]

    def complain(self, path: str, message: str) -> None:
        self.problems.append(Problem(where=self.spec.name, path=path, message=message))

    def _make(self, group: str, use: Use, path: str) -> object | None:
        try:
            plugin: object = self.site.registry.build(
                group, use.name, use.options, where=self.spec.name, path=f"{path}.with"
            )
        except PluginNotFound as error:
            self.complain(path, _unknown(error, path))
            return None
        except InvalidSpec as error:
            self.problems += error.problems
            return None
        for why in (*_unknown_databases(self.site, plugin), *_unstartable(self.site, plugin)):
            self.complain(f"{path}.with", why)
        return plugin


def _why_unfit(plugin: object, group: str, step: StepPlace) -> str:
    """Say why a plugin can do nothing with the objects of its step; empty if it can."""
    kinds = fitting_kinds(plugin)
    others = [one.ref for one in step.manifests if one.ref.group_kind not in kinds]
    is_fit = not others or (group == "checks" and len(others) < len(step.manifests))
    if not kinds or is_fit:
        return ""
    wanted = " or ".join(sorted(kind for _, kind in kinds))
    what = "is" if len(others) == 1 else "are"
    return f"{', '.join(map(str, others))} {what} no {wanted}"


def _unknown_databases(site: Site, plugin: object) -> Iterator[str]:
    """Yield the databases that a plugin names and the site does not have (DOC-34)."""
    known = site.loaded.file.databases
    for name in getattr(plugin, "databases", ()):
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            yield f"no database {name!r} in site.toml; known: {names}"


def _unstartable(site: Site, plugin: object) -> Iterator[str]:
    """Yield why the site does not let a program be started that a plugin names."""
    for name in getattr(plugin, "programs", ()):
        allowed = site.loaded.file.plugins.commands
        if refusal := why_refused(name, site.loaded.root.resolve(), allowed):
            yield f"{refusal.message}; {refusal.hint}"


def _uses(course: Course) -> Iterator[tuple[StepPlace, str, Use, str]]:
    """Yield every plugin that a step names: its step, its kind, its options, its place."""
    for step in course.all_steps:
        if not is_object_action(step):
            yield step, "actions", step.declared.action, f"{step.path}.action"
        for name in ("success", "failure"):
            for number, use in enumerate(getattr(step.declared, name)):
                yield step, "checks", use, f"{step.path}.{name}[{number}]"


def _unknown(error: PluginNotFound, path: str) -> str:
    if error.name in OPTIONS and error.group == "actions":
        return f"action {error.name!r} needs 'object' or 'select'"
    if error.group == "actions":
        known = sorted({*OPTIONS, *ALIASES, *error.known})
        return f'unknown action "{error.name}": available actions are [{", ".join(known)}]'
    kind = "failure check" if ".failure[" in path else "check"
    return f'unknown {kind} "{error.name}": available checks are [{", ".join(error.known)}]'


async def foretold(cluster: Cluster, course: Course, live: LiveSet) -> Course:
    """Return the groups with the server's answers to dry runs of actions that are no apply.

    Raises:
        InvalidManifests: The server refuses such an action; every refusal is told.
    """
    asked = [
        (step, one, found)
        for step, one in first_places(course)
        if step.action in _ASKING and (found := live.get(one.ref)) and not found.is_being_deleted
    ]
    problems: list[Problem] = []

    async def ask(
        step: StepPlace, one: Manifest, found: LiveObject
    ) -> tuple[tuple[str, ObjectRef], Forecast | None]:
        key = (step.name, one.ref)
        try:
            body = (await _ASKING[step.action](cluster, course, step, one, found)).body
        except ClusterError as error:
            if is_denied(error):
                raise
            if not unasked_webhook(error):
                message = f"step {step.name!r}: {error.message}"
                where = str(one.origin)
                problems.append(Problem(where=where, path=step.path, message=message))
            return key, None
        return key, Forecast(prediction=Prediction.SERVER, body=body)

    answers = await together(ask(*one) for one in asked)
    if problems:
        raise InvalidManifests(problems)
    return replace(course, forecasts={key: one for key, one in answers if one is not None})


async def _ask_put(
    cluster: Cluster, _course: Course, _step: StepPlace, one: Manifest, found: LiveObject
) -> LiveObject:
    if is_same_account(one.body, found.body):
        return found
    return await cluster.replace(dict(prepared(one.body, found.body)), is_dry_run=True)


async def _ask_patch(
    cluster: Cluster, course: Course, step: StepPlace, one: Manifest, _found: LiveObject
) -> LiveObject:
    planned = step_of(step, course)
    return await cluster.patch(patch_request(planned, one.ref, one.api_version, is_dry_run=True))


_ASKING: Mapping[str, Any] = {"Replace": _ask_put, "Patch": _ask_patch}
