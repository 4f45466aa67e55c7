"""What holds between several fields of a Rollout document.

These rules read the document as it stands, before or without its models, so that a mistake
elsewhere hides none of theirs. What is malformed is passed over: the models speak of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from rollwright.rollouts.spec.configuration import SOURCES, ConfigEntry
from rollwright.rollouts.spec.groups import Step
from rollwright.rollouts.spec.part import Part, key_of
from rollwright.rollouts.spec.secrets import Path, plain_secrets
from rollwright.rollouts.spec.windows import Window

Found: TypeAlias = Iterator[tuple[Path, str]]

OBJECT_ACTIONS = frozenset(
    {
        "Apply",
        "CreateOrUpdate",
        "CreateIfNotExist",
        "CreateOnly",
        "Replace",
        "Recreate",
        "DeleteIfExist",
        "DeleteIfExists",
        "Patch",
        "Job",
    }
)
"""Actions that are nothing without an object; Http, Pause and a site's own may have none."""


_FREE = frozenset({"values", "environment"})
"""Sources whose keys are the user's own."""


def find_broken_rules(document: Mapping[str, Any]) -> Found:
    """Find everything that two fields together get wrong."""
    spec = _mapping(document.get("spec"))
    for index, entry in _entries(spec.get("config")):
        yield from _check_config(entry, ("spec", "config", index))
    yield from _check_groups(spec.get("groups"))
    for index, entry in _entries(spec.get("windows")):
        yield from _check_window(entry, ("spec", "windows", index))
    name = _mapping(document.get("metadata")).get("name")
    yield from _check_dependencies(spec.get("dependsOn"), name)
    yield from _check_selectors(spec)
    yield from _find_secrets({k: v for k, v in spec.items() if k != "config"}, ("spec",))


def _check_config(entry: Mapping[str, Any], path: Path) -> Found:
    given = _given(entry, *SOURCES)
    if len(given) > 1:
        yield path, f"one of {' and '.join(map(repr, given))}, not both"
    if not given and _knows_all(ConfigEntry, entry):
        yield path, f"expected {', '.join(map(repr, SOURCES[:-1]))} or {SOURCES[-1]!r}"
    named = entry.get(given[0]) if given else None
    inner = _given(named, "as") if isinstance(named, Mapping) and given[0] not in _FREE else []
    places = [*_given(entry, "as", "at"), *inner]
    if len(places) > 1:
        yield path, "one place: 'as' or 'at', once"
    if not places and given in (["objects"], ["query"]):
        yield (*path, given[0]), "expected 'as': the key that it is put under"
    if given == ["objects"] and isinstance(named, Mapping):
        yield from _check_objects(named, (*path, "objects"))


def _check_objects(named: Mapping[str, Any], path: Path) -> Found:
    if "name" in named and (others := _given(named, "labels", "fieldSelector")):
        yield path, f"one of 'name' and {others[0]!r}, not both"


def _check_groups(groups: Any) -> Found:
    yield from _find_twins(groups, ("spec", "groups"), "group")
    for index, group in _entries(groups):
        for field in ("steps", "onRollback"):
            path: Path = ("spec", "groups", index, field)
            yield from _find_twins(group.get(field), path, "step")
            for number, step in _entries(group.get(field)):
                yield from _check_step(step, (*path, number))


def _check_step(step: Mapping[str, Any], path: Path) -> Found:
    given = _given(step, "object", "select")
    if len(given) > 1:
        yield path, "one of 'object' and 'select', not both"
    action = step.get("action", "Apply")
    action = action.get("use") if isinstance(action, Mapping) else action
    needs_object = isinstance(action, str) and action in OBJECT_ACTIONS
    if not given and needs_object and _knows_all(Step, step):
        yield path, f"action {action!r} needs 'object' or 'select'"


def _check_window(window: Mapping[str, Any], path: Path) -> Found:
    said = [key for key in ("allow", "deny") if window.get(key) is True]
    if len(said) != 1 and _knows_all(Window, window):
        yield path, "expected either 'allow: true' or 'deny: true'"


def _check_dependencies(names: Any, own_name: Any) -> Found:
    for index, name in enumerate(names if isinstance(names, list) else ()):
        if isinstance(name, str) and name == own_name:
            yield ("spec", "dependsOn", index), f"rollout {name!r} cannot depend on itself"
        elif name in names[:index]:
            yield ("spec", "dependsOn", index), f"{name!r} is named twice"


def _check_selectors(spec: Mapping[str, Any]) -> Found:
    for index, entry in _entries(_mapping(spec.get("health")).get("skip")):
        yield from _refuse_empty(entry, ("spec", "health", "skip", index))
    for index, rule in _entries(_mapping(spec.get("apply")).get("ignore")):
        yield from _refuse_empty(rule.get("target"), ("spec", "apply", "ignore", index, "target"))
    for index, group in _entries(spec.get("groups")):
        for field in ("steps", "onRollback"):
            for number, step in _entries(group.get(field)):
                path = ("spec", "groups", index, field, number, "select")
                yield from _refuse_empty(step.get("select"), path)


def _refuse_empty(selector: Any, path: Path) -> Found:
    if isinstance(selector, Mapping) and all(value in (None, {}) for value in selector.values()):
        yield path, "selects everything; name a kind, a name or labels"


def _find_secrets(value: Any, path: Path) -> Found:
    """Look at the options of every plugin, wherever it is named."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _find_secrets(item, (*path, index))
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "with":
                yield from plain_secrets(item, (*path, key))
            else:
                yield from _find_secrets(item, (*path, key))


def _find_twins(entries: Any, path: Path, what: str) -> Found:
    seen: dict[str, int] = {}
    for index, entry in _entries(entries):
        name = entry.get("name")
        if not isinstance(name, str):
            continue
        first = seen.setdefault(name, index)
        if first != index:
            yield (*path, index, "name"), f"{what} {name!r} stands twice; first at [{first}]"


def _given(entry: Mapping[str, Any], *keys: str) -> list[str]:
    return [key for key in keys if entry.get(key) is not None]


def _knows_all(model: type[Part], entry: Mapping[str, Any]) -> bool:
    """Tell whether no field is misspelled: one mistake is told once."""
    return set(entry) <= {key_of(name, info) for name, info in model.model_fields.items()}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _entries(value: Any) -> Iterable[tuple[int, Mapping[str, Any]]]:
    entries = value if isinstance(value, list) else ()
    return ((i, entry) for i, entry in enumerate(entries) if isinstance(entry, Mapping))
