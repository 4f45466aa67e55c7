"""What people write on an object to influence its order (OR-45 to OR-51).

Our own annotations and those of other tools are read alike, so that existing manifests work
unchanged; where an object carries both, ours wins and a note says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from rollwright.errors import Problem
from rollwright.rollouts.manifest import Body, ObjectRef, canonical_group_kind
from rollwright.rollouts.order.bodies import defined_kind, is_definition, mapping

PREFIX = "rollwright.dev/"
FOREIGN: Mapping[str, str] = {
    "wave": "argocd.argoproj.io/sync-wave",
    "depends-on": "config.kubernetes.io/depends-on",
    "change-group": "kapp.k14s.io/change-group",
    "change-rule": "kapp.k14s.io/change-rule",
    "default-order": "kapp.k14s.io/disable-default-change-group-and-rules",
}
"""Our annotation without its prefix, and its older sibling (OR-50)."""

DEFAULT_GROUP_PREFIXES = ("change-groups.rollwright.dev/", "change-groups.kapp.k14s.io/")
"""What may stand before the name of a default group."""

_WAVE = re.compile(r"[+-]?[0-9]{1,9}")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_APP = re.compile(r"app:([^/]*)/(.*)", re.DOTALL)

Verb: TypeAlias = Literal["upsert", "delete"]


@dataclass(slots=True)
class Findings:
    """What is wrong or worth a note, collected so that it is said once and whole."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def problem(self, where: str, path: str, message: str) -> None:
        """Record a mistake of the input."""
        self.problems.append(Problem(where=where, path=path, message=message))

    def tolerate(self) -> None:
        """Turn the problems so far into notes."""
        self.notes.extend(f"ignored: {problem}" for problem in self.problems)
        self.problems.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An object that another one depends on; ``app`` names the rollout it belongs to, if any."""

    ref: ObjectRef
    app: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRule:
    """One ``upsert after upserting GROUP``."""

    verb: Verb
    is_after: bool
    target_verb: Verb
    group: str

    def __str__(self) -> str:
        order = "after" if self.is_after else "before"
        target = "upserting" if self.target_verb == "upsert" else "deleting"
        return f"{self.verb} {order} {target} {self.group}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Everything that an object's annotations say about its order.

    ``wave`` is ``None`` when the object names none; ``has_defaults`` whether the default groups
    and rules hold for it.
    """

    wave: int | None = None
    depends_on: tuple[Reference, ...] = ()
    groups: tuple[str, ...] = ()
    rules: tuple[ChangeRule, ...] = ()
    has_defaults: bool = True


NO_MARKS = Marks()


def read_marks(body: Body, ref: ObjectRef, where: str, findings: Findings) -> Marks:
    """Read the annotations of an object; mistakes go to ``findings``."""
    annotations = mapping(mapping(body.get("metadata")).get("annotations"))
    reader = _Reader(body, ref, where, findings, annotations)
    if not reader.has_any():
        return NO_MARKS
    return Marks(
        wave=reader.wave(),
        depends_on=tuple(dict.fromkeys(reader.depends_on())),
        groups=tuple(dict.fromkeys(reader.groups())),
        rules=tuple(dict.fromkeys(reader.rules())),
        has_defaults=reader.has_defaults(),
    )


def read_wave(body: Body, ref: ObjectRef, where: str, findings: Findings) -> int | None:
    """Read only the wave that an object names; ``None`` if it names none."""
    annotations = mapping(mapping(body.get("metadata")).get("annotations"))
    return _Reader(body, ref, where, findings, annotations).wave()


@dataclass(frozen=True, slots=True)
class _Reader:
    body: Body
    ref: ObjectRef
    where: str
    findings: Findings
    annotations: Mapping[str, object]

    def has_any(self) -> bool:
        starts = (PREFIX, *FOREIGN.values())
        return any(str(key).startswith(starts) for key in self.annotations)

    def wave(self) -> int | None:
        for key, text in self._chosen("wave"):
            if _WAVE.fullmatch(text.strip()):
                return int(text)
            self._complain(key, f"a wave is an integer; got {text!r}")
        return None

    def has_defaults(self) -> bool:
        for key, text in self._chosen("default-order"):
            # NB: the older sibling switches off by being there, whatever it says.
            if key == FOREIGN["default-order"] or text == "off":
                return False
            if text != "on":
                self._complain(key, f"got {text!r}, expected 'on' or 'off'")
        return True

    def depends_on(self) -> Iterator[Reference]:
        for key, text in self._chosen("depends-on"):
            for word in text.split(","):
                reference = parse_reference(word.strip())
                if reference is not None:
                    yield reference
                else:
                    self._complain(
                        key,
                        f"{word.strip()!r} names no object; expected "
                        "group/namespaces/NAMESPACE/KIND/NAME or group/KIND/NAME",
                    )

    def groups(self) -> Iterator[str]:
        for key, text in self._chosen("change-group"):
            name = self._filled(key, text.strip())
            if name and not name.split()[1:]:
                yield group_name(name)
            elif name is not None:
                self._complain(key, f"got {text!r}, expected the name of one group")

    def rules(self) -> Iterator[ChangeRule]:
        for key, text in self._chosen("change-rule"):
            rule = parse_rule(text)
            if rule is None:
                self._complain(
                    key,
                    f"got {text!r}, expected 'upsert|delete before|after upserting|deleting GROUP'",
                )
            elif (group := self._filled(key, rule.group)) is not None:
                yield ChangeRule(
                    verb=rule.verb,
                    is_after=rule.is_after,
                    target_verb=rule.target_verb,
                    group=group_name(group),
                )

    def _chosen(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield key and value of every annotation of this name, ours before the others'."""
        own, foreign = PREFIX + name, FOREIGN[name]
        may_have_suffix = name.startswith("change-")
        for key in sorted(map(str, self.annotations)):
            stem, suffix = _split(key, (own, foreign), may_have_suffix=may_have_suffix)
            if stem == foreign and own + suffix in self.annotations:
                self.findings.notes.append(f"{self.ref}: {own + suffix} wins over {key}")
            elif stem:
                yield key, str(self.annotations[key])

    def _filled(self, key: str, text: str) -> str | None:
        values = self._placeholders()
        unknown = [name for name in _PLACEHOLDER.findall(text) if name not in values]
        if unknown:
            known = ", ".join(f"{{{name}}}" for name in values)
            self._complain(key, f"no placeholder {{{unknown[0]}}} here; known: {known}")
            return None
        return _PLACEHOLDER.sub(lambda found: values[found[1]], text)

    def _placeholders(self) -> dict[str, str]:
        group, kind = self.ref.group_kind
        values = {
            "name": self.ref.name,
            "namespace": self.ref.namespace,
            "api-group": group,
            "kind": kind,
        }
        if is_definition(self.body):
            values["crd-group"], values["crd-kind"] = defined_kind(self.body)
        return values

    def _complain(self, key: str, message: str) -> None:
        path = f"metadata.annotations[{key}]"
        self.findings.problem(self.where, path, f"{self.ref}: {message}")


def _split(key: str, stems: tuple[str, str], *, may_have_suffix: bool) -> tuple[str, str]:
    for stem in stems:
        if key == stem:
            return stem, ""
        if may_have_suffix and key.startswith(f"{stem}."):
            return stem, key.removeprefix(stem)
    return "", ""


def group_name(name: str) -> str:
    """Return a group's name without what marks it as a default group."""
    for prefix in DEFAULT_GROUP_PREFIXES:
        name = name.removeprefix(prefix)
    return name


def parse_reference(text: str) -> Reference | None:
    """Read one object reference of ``depends-on`` (OR-46); ``None`` when it is malformed."""
    app = ""
    if found := _APP.fullmatch(text):
        app, text = found[1], found[2]
        if not app:
            return None
    match text.split("/"):
        case [group, "namespaces", namespace, kind, name] if namespace and kind and name:
            return Reference(ref=_ref(group, kind, namespace, name), app=app)
        case [group, kind, name] if kind and name:
            return Reference(ref=_ref(group, kind, "", name), app=app)
        case _:
            return None


def _ref(group: str, kind: str, namespace: str, name: str) -> ObjectRef:
    return ObjectRef(*canonical_group_kind(group, kind), namespace, name)


def parse_rule(text: str) -> ChangeRule | None:
    """Read one change rule (OR-47); ``None`` when it is malformed."""
    match text.split():
        case [
            "upsert" | "delete" as verb,
            "before" | "after" as order,
            "upserting" | "deleting" as target,
            group,
        ]:
            return ChangeRule(
                verb=verb,
                is_after=order == "after",
                target_verb="upsert" if target == "upserting" else "delete",
                group=group,
            )
        case _:
            return None
