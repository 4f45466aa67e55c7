"""Who is told about a rollout: sinks of the site, and those that its document names (NO-11).

Before: a site and a rollout declare them. After: ``telling`` asks each whether an event concerns it.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from rollwright.engine.site import Site
from rollwright.engine.writing.applyset import parent_namespace
from rollwright.errors import NotFound, RolloutError
from rollwright.plugins.contracts import (
    FeedbackBinder,
    FeedbackContext,
    FeedbackSink,
    StateSink,
)
from rollwright.rollouts.feedback import NOTIFIED, Event, Feedback
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.spec.feedback import FeedbackRules, FeedbackUse, FeedbackWhen, SiteSink
from rollwright.rollouts.telling import concerns

_NOT_ASKED = frozenset({"superseded", "refused"})
"""Outcomes that nobody has to hear of, unless a state that is shown would stay wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """A sink, and when it is told.

    Attributes:
        name: What it is called; events are told once per name.
        sink: The sink.
        rules: When, and how often.
        metadata: What goes along with each event.
    """

    name: str
    sink: FeedbackSink
    rules: FeedbackRules
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def usual(self) -> frozenset[Event]:
        """What it tells where no rule says what."""
        found: frozenset[Event] = getattr(self.sink, "usual_events", NOTIFIED)
        return found

    def wants(self, feedback: Feedback) -> bool:
        """Whether it is to be told, if it was not told already."""
        is_asked = feedback.outcome not in _NOT_ASKED or isinstance(self.sink, StateSink)
        is_named = any(feedback.reason in when.reasons for when in self.rules.when)
        return (is_asked or is_named) and concerns(self.rules, self.usual, feedback)


@dataclass(frozen=True, slots=True)
class _Subscription:
    """A sink as it is declared."""

    name: str
    use: str
    options: Mapping[str, Any]
    rules: FeedbackRules
    metadata: Mapping[str, str]
    where: str


def subscribers(site: Site, spec: RolloutSpec) -> tuple[tuple[Subscriber, ...], tuple[str, ...]]:
    """Return who is told about a rollout, and what is wrong with those who cannot be."""
    found: list[Subscriber] = []
    faults: list[str] = []
    built: dict[str, FeedbackSink] = {}
    for one in _declared(site, spec, faults):
        try:
            if one.name not in built:
                built[one.name] = _built(site, spec, one)
        except RolloutError as error:
            faults.append(f"feedback {one.name}: {error.message}")
            continue
        made = Subscriber(name=one.name, sink=built[one.name], rules=one.rules)
        found.append(replace(made, metadata=one.metadata))
    return tuple(found), tuple(dict.fromkeys(faults))


def is_anybody_told(site: Site, spec: RolloutSpec) -> bool:
    """Whether there may be anybody to tell; asks nobody."""
    return bool(site.loaded.file.feedback) or any(True for _ in _uses(spec))


def sink_named(site: Site, spec: RolloutSpec, name: str) -> FeedbackSink:
    """Return a sink of the site, or one that the rollout declares.

    Raises:
        NotFound: There is none of that name.
        PluginNotFound, InvalidSpec: It cannot be made.
    """
    faults: list[str] = []
    entry = site.loaded.file.feedback.get(name)
    if entry is not None:
        return _built(site, spec, _of_site(site, name, entry))
    for one in _declared(site, spec, faults):
        if one.name == name:
            return _built(site, spec, one)
    known = {*site.loaded.file.feedback, *(one.name for one in _declared(site, spec, faults))}
    raise NotFound(
        f"no sink {name!r} in {site.loaded.path or 'site.toml'};"
        f" known: {', '.join(sorted(known)) or 'none'}",
        hint=f"declare it: [feedback.{name}]",
    )


def _built(site: Site, spec: RolloutSpec, one: _Subscription) -> FeedbackSink:
    plugin = site.registry.build(
        "feedback", one.use, one.options, where=one.where, path=f"feedback.{one.name}.with"
    )
    if isinstance(plugin, FeedbackSink):
        return plugin
    binder: FeedbackBinder = plugin
    context = FeedbackContext(
        cluster=partial(site.cluster_named, spec.target.cluster), namespace=parent_namespace(site)
    )
    return binder.bind(context)


def _declared(site: Site, spec: RolloutSpec, faults: list[str]) -> Iterator[_Subscription]:
    sinks = site.loaded.file.feedback
    for name, entry in sinks.items():
        if not entry.only_named:
            yield _of_site(site, name, entry)
    names: dict[str, str] = {}
    for use, scope in _uses(spec):
        named = sinks.get(use.name or "")
        if use.use is not None:
            yield _own(spec, use, scope, names)
        elif named is None:
            known = ", ".join(sorted(sinks)) or "none"
            faults.append(f"{spec.name}: no sink {use.name!r} in the site; known: {known}")
        else:
            base = _of_site(site, use.name or "", named)
            rules = _scoped(use if use.when or use.once_per else named, scope)
            yield replace(base, rules=rules, metadata={**named.metadata, **use.metadata})


def _own(
    spec: RolloutSpec, use: FeedbackUse, scope: FeedbackWhen | None, names: dict[str, str]
) -> _Subscription:
    """Return a sink that the document declares itself; its name tells it from others."""
    what = repr((use.use, use.options))
    label = f"{spec.name}/{use.name or use.use}"
    name, number = label, 1
    while names.setdefault(name, what) != what:
        number += 1
        name = f"{label}-{number}"
    return _Subscription(
        name=name, use=use.use or "", options=use.options, rules=_scoped(use, scope),
        metadata=use.metadata, where=f"rollout {spec.name}",
    )  # fmt: skip


def _of_site(site: Site, name: str, entry: SiteSink) -> _Subscription:
    return _Subscription(
        name=name, use=entry.name, options=entry.options, rules=entry, metadata=entry.metadata,
        where=str(site.loaded.path or "site.toml"),
    )  # fmt: skip


def _uses(spec: RolloutSpec) -> Iterator[tuple[FeedbackUse, FeedbackWhen | None]]:
    """Yield what a document names, with the part of the rollout that it is about."""
    for use in spec.feedback:
        yield use, None
    for group in spec.declared_groups:
        only = (glob.escape(group.name),)
        for use in group.feedback:
            yield use, FeedbackWhen(events=(Event.GROUP_ENDED,), groups=only)
        for step in group.steps:
            for use in step.feedback:
                steps = (glob.escape(step.name),)
                yield use, FeedbackWhen(events=(Event.STEP_ENDED,), groups=only, steps=steps)


def _scoped(rules: FeedbackRules, scope: FeedbackWhen | None) -> FeedbackRules:
    """Return rules that hold for one group or step only."""
    if scope is None:
        return rules
    about = {"events": scope.events, "groups": scope.groups, "steps": scope.steps}
    whens = tuple(when.model_copy(update=about) for when in rules.when) or (scope,)
    return FeedbackRules(when=whens, once_per=rules.once_per)
