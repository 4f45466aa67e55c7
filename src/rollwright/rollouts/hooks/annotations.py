"""What people write on a hook: our annotations, Argo CD's and Helm's (HK-11).

Before: a manifest has annotations. After: ``hooks`` makes a ``Hook`` of the marks.

One style counts for what an object is: ours, else Argo CD's, else Helm's, as Argo CD itself
prefers its own. Weight, policies and the rest are looked for in that style first, then in the
others, so that a chart may carry one of them for all tools.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from rollwright.rollouts.body import HOOK_ANNOTATIONS
from rollwright.rollouts.manifest import Manifest
from rollwright.rollouts.order.annotations import Findings, read_wave

_T = TypeVar("_T")


class Phase(StrEnum):
    """A moment of a rollout (HK-01)."""

    PRE_APPLY = "pre-apply"
    POST_APPLY = "post-apply"
    """After the objects are Current."""
    ON_FAILURE = "on-failure"
    PRE_DELETE = "pre-delete"
    POST_DELETE = "post-delete"
    PRE_ROLLBACK = "pre-rollback"
    POST_ROLLBACK = "post-rollback"
    TEST = "test"
    """Only when asked."""


class When(StrEnum):
    """In which runs a hook runs."""

    INITIAL = "initial"
    """The first one only."""
    UPGRADE = "upgrade"
    """All but the first."""
    ALWAYS = "always"


class DeletePolicy(StrEnum):
    """When a hook is deleted; several may hold (HK-04)."""

    BEFORE_CREATION = "before-creation"
    """What an earlier run left is deleted before the hook is created."""
    ON_SUCCESS = "on-success"
    ON_FAILURE = "on-failure"


class Style(StrEnum):
    """Whose words a hook is written in."""

    OURS = "rollwright"
    ARGO = "argo"
    HELM = "helm"


class Other(StrEnum):
    """What a phase of another tool may mean instead of one of ours."""

    ORDINARY = "ordinary"
    """The object is planned as if it were no hook."""
    SKIPPED = "skipped"
    """The object is not applied."""


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """A phase, and in which runs."""

    phase: Phase
    when: When = When.ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What the annotations of a hook say.

    Without moments and not ordinary means that the object is not applied.
    """

    moments: tuple[Moment, ...] = ()
    is_ordinary: bool = False
    weight: int = 0
    delete_policies: frozenset[DeletePolicy] = frozenset({DeletePolicy.BEFORE_CREATION})
    is_from_left: bool = False
    keeps_log: bool = False


_HELM_PHASES: Mapping[str, Moment | Other] = {
    "pre-install": Moment(Phase.PRE_APPLY, When.INITIAL),
    "pre-upgrade": Moment(Phase.PRE_APPLY, When.UPGRADE),
    "post-install": Moment(Phase.POST_APPLY, When.INITIAL),
    "post-upgrade": Moment(Phase.POST_APPLY, When.UPGRADE),
    "pre-rollback": Moment(Phase.PRE_ROLLBACK),
    "post-rollback": Moment(Phase.POST_ROLLBACK),
    "pre-delete": Moment(Phase.PRE_DELETE),
    "post-delete": Moment(Phase.POST_DELETE),
    "test": Moment(Phase.TEST),
    "test-success": Moment(Phase.TEST),
    "crd-install": Other.ORDINARY,
}
_ARGO_PHASES: Mapping[str, Moment | Other] = {
    "PreSync": Moment(Phase.PRE_APPLY),
    "Sync": Other.ORDINARY,
    "PostSync": Moment(Phase.POST_APPLY),
    "SyncFail": Moment(Phase.ON_FAILURE),
    "PreDelete": Moment(Phase.PRE_DELETE),
    "PostDelete": Moment(Phase.POST_DELETE),
    "Skip": Other.SKIPPED,
}
_OUR_PHASES: Mapping[str, Moment | Other] = {phase.value: Moment(phase) for phase in Phase}

PHASES: Mapping[Style, Mapping[str, Moment | Other]] = {
    Style.OURS: _OUR_PHASES,
    Style.ARGO: _ARGO_PHASES,
    Style.HELM: _HELM_PHASES,
}
"""What the phases of each style mean."""

POLICIES: Mapping[Style, Mapping[str, DeletePolicy]] = {
    Style.OURS: {policy.value: policy for policy in DeletePolicy},
    Style.ARGO: {
        "BeforeHookCreation": DeletePolicy.BEFORE_CREATION,
        "HookSucceeded": DeletePolicy.ON_SUCCESS,
        "HookFailed": DeletePolicy.ON_FAILURE,
    },
    Style.HELM: {
        "before-hook-creation": DeletePolicy.BEFORE_CREATION,
        "hook-succeeded": DeletePolicy.ON_SUCCESS,
        "hook-failed": DeletePolicy.ON_FAILURE,
    },
}
"""What the delete policies of each style mean."""

HOOKS: Mapping[Style, str] = dict(zip(Style, HOOK_ANNOTATIONS, strict=True))
_PREFIXES = {Style.OURS: "rollwright.dev/", Style.ARGO: "argocd.argoproj.io/"}
_PREFIXES[Style.HELM] = "helm.sh/"
WEIGHT = "hook-weight"
WHEN = "rollwright.dev/hook-when"
FROM = "rollwright.dev/hook-from"
LOGS: Mapping[str, frozenset[str]] = {
    "rollwright.dev/hook-logs": frozenset({"on-success", "on-failure"}),
    "helm.sh/hook-output-log-policy": frozenset({"hook-succeeded", "hook-failed"}),
}
"""Where it stands that a log is kept, and the words for it; the first of a name is success."""

_KEPT_ON_SUCCESS = frozenset({"on-success", "hook-succeeded"})
_INTEGER = re.compile(r"[+-]?[0-9]{1,9}")


def read_hook(manifest: Manifest, findings: Findings) -> Marks | None:
    """Read the annotations of a manifest; ``None`` if it is no hook. Mistakes go to ``findings``."""
    style = next((one for one in Style if HOOKS[one] in manifest.annotations), None)
    if style is None:
        return None
    return _Reader(manifest, style, findings).marks()


@dataclass(frozen=True, slots=True)
class _Reader:
    manifest: Manifest
    style: Style
    findings: Findings

    def marks(self) -> Marks:
        found = self.meanings()
        moments = tuple(sorted({one for one in found if isinstance(one, Moment)}))
        return Marks(
            moments=_merged(self.with_when(moments)),
            # NB: as in Argo CD, Skip counts only where it stands alone.
            is_ordinary=Other.ORDINARY in found,
            weight=self.weight(),
            delete_policies=self.policies(),
            is_from_left=self.is_from_left(),
            keeps_log=self.keeps_log(),
        )

    def meanings(self) -> list[Moment | Other]:
        known, key = PHASES[self.style], HOOKS[self.style]
        words = self.words(key)
        if not words:
            self.complain(key, f"names no phase; known: {', '.join(known)}")
        return self.known(key, words, known, "phase")

    def with_when(self, moments: tuple[Moment, ...]) -> tuple[Moment, ...]:
        if WHEN not in self.manifest.annotations:
            return moments
        text = str(self.manifest.annotations[WHEN]).strip()
        if text not in set(When):
            self.complain(WHEN, f"got {text!r}, expected {', '.join(When)}")
            return moments
        return tuple(Moment(one.phase, When(text)) for one in moments)

    def weight(self) -> int:
        """Return the weight in the hook's own style first; a wave is Argo CD's word for it."""
        own: Mapping[Style, tuple[Callable[[], int | None], ...]] = {
            Style.OURS: (self.our_weight, self.wave, self.helm_weight),
            Style.ARGO: (self.our_weight, self.wave, self.helm_weight),
            Style.HELM: (self.our_weight, self.helm_weight, self.wave),
        }
        found = (read() for read in own[self.style])
        return next((one for one in found if one is not None), 0)

    def our_weight(self) -> int | None:
        return self.integer(_PREFIXES[Style.OURS] + WEIGHT)

    def helm_weight(self) -> int | None:
        return self.integer(_PREFIXES[Style.HELM] + WEIGHT)

    def wave(self) -> int | None:
        one = self.manifest
        return read_wave(one.body, one.ref, str(one.origin), self.findings)

    def integer(self, key: str) -> int | None:
        if key not in self.manifest.annotations:
            return None
        text = str(self.manifest.annotations[key]).strip()
        if _INTEGER.fullmatch(text):
            return int(text)
        self.complain(key, f"a weight is an integer; got {text!r}")
        return None

    def policies(self) -> frozenset[DeletePolicy]:
        others = [style for style in Style if style is not self.style]
        for style in (self.style, *others):
            key = f"{_PREFIXES[style]}hook-delete-policy"
            if words := self.words(key):
                found = self.known(key, words, POLICIES[style], "delete policy")
                return frozenset(found) or frozenset({DeletePolicy.BEFORE_CREATION})
        return frozenset({DeletePolicy.BEFORE_CREATION})

    def is_from_left(self) -> bool:
        text = str(self.manifest.annotations.get(FROM, "restored")).strip()
        if text not in {"left", "restored"}:
            self.complain(FROM, f"got {text!r}, expected left or restored")
        return text == "left"

    def keeps_log(self) -> bool:
        kept = False
        for key, known in LOGS.items():
            words = self.words(key)
            found = self.known(key, words, {word: word for word in sorted(known)}, "log policy")
            kept = kept or bool(_KEPT_ON_SUCCESS & set(found))
        return kept

    def words(self, key: str) -> list[str]:
        """Return the entries of an annotation, as Helm and Argo CD part them."""
        text = str(self.manifest.annotations.get(key) or "")
        words = (word.strip() for word in text.split(","))
        return [word.lower() if key.startswith("helm.sh/") else word for word in words if word]

    def known(self, key: str, words: list[str], known: Mapping[str, _T], what: str) -> list[_T]:
        for word in words:
            if word not in known:
                self.complain(key, f"no {what} {word!r}; known: {', '.join(known)}")
        return [known[word] for word in words if word in known]

    def complain(self, key: str, message: str) -> None:
        path = f"metadata.annotations[{key}]"
        text = f"{self.manifest.ref}: {message}"
        self.findings.problem(str(self.manifest.origin), path, text)


def _merged(moments: tuple[Moment, ...]) -> tuple[Moment, ...]:
    """Make one moment of each phase: first runs and later ones together are all."""
    runs: dict[Phase, set[When]] = {}
    for one in moments:
        runs.setdefault(one.phase, set()).add(one.when)
    return tuple(
        Moment(phase, next(iter(whens)) if len(whens) == 1 else When.ALWAYS)
        for phase, whens in ((phase, runs[phase]) for phase in Phase if phase in runs)
    )
