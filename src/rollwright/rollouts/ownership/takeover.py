"""Objects of other tools: their marks, their managers, and who may take them over (AP-49, IN-07).

Before: objects were read that are not ours yet.
After: ``guards`` refuses an object that another tool calls its own, unless the document says that
the tool hands over; ``migration`` then folds its fields and removes its marks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from rollwright.rollouts.change import Change, Operation
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import Manifest, ObjectRef
from rollwright.rollouts.ownership.fields import ROLLOUT_LABEL
from rollwright.rollouts.plan import Guard
from rollwright.rollouts.spec import ApplyPolicy
from rollwright.rollouts.spec.ownership import Adoption, Tool

_MANAGED_BY = "app.kubernetes.io/managed-by"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """How a tool's objects are recognized.

    Attributes:
        managers: Its field managers.
        labels, annotations: Names of its marks; one that ends in ``/`` or ``-`` is a prefix.
        values: Labels that are a mark only with that value.
        implied: Tools whose marks it sets as well.
    """

    managers: frozenset[str]
    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    values: Mapping[str, str] | None = None
    implied: tuple[Tool, ...] = ()


SIGNS: Mapping[Tool, Signs] = {
    Tool.HELM: Signs(
        managers=frozenset({"helm", "Helm"}),
        annotations=("meta.helm.sh/release-",),
        values={_MANAGED_BY: "Helm"},
    ),
    Tool.FLUX: Signs(
        managers=frozenset({"kustomize-controller", "helm-controller", "flux", "flux-client-side-apply"}),
        labels=("kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/"),
        annotations=("kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/"),
        implied=(Tool.HELM,),
    ),
    Tool.ARGOCD: Signs(
        managers=frozenset({"argocd-controller", "argocd-application-controller"}),
        labels=("argocd.argoproj.io/instance",),
        annotations=("argocd.argoproj.io/tracking-id", "argocd.argoproj.io/installation-id"),
    ),
    Tool.KAPP: Signs(
        managers=frozenset({"kapp", "kapp-controller"}),
        labels=("kapp.k14s.io/app", "kapp.k14s.io/association"),
        annotations=("kapp.k14s.io/identity", "kapp.k14s.io/original"),
    ),
    Tool.KLUCTL: Signs(
        managers=frozenset({"kluctl"}),
        labels=("kluctl.io/discriminator",),
        annotations=("kluctl.io/deployment-item-dir",),
    ),
    Tool.FLEET: Signs(
        managers=frozenset({"fleetagent"}),
        labels=("objectset.rio.cattle.io/",),
        annotations=("objectset.rio.cattle.io/",),
    ),
    Tool.CONFIG_SYNC: Signs(
        managers=frozenset({"configsync"}),
        labels=("configsync.gke.io/", "configmanagement.gke.io/"),
        annotations=("configsync.gke.io/", "configmanagement.gke.io/", "config.k8s.io/owning-inventory"),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What of a live object says that a tool owns it."""

    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.labels or self.annotations)

    def __str__(self) -> str:
        return ", ".join((*self.labels, *self.annotations))


@lru_cache(maxsize=64)
def handing_over(adopt: Adoption, takeover: tuple[Tool, ...]) -> frozenset[Tool]:
    """Return the tools whose objects may be taken: those that are named, or all."""
    named = {*Tool} if adopt is Adoption.ALL else {*takeover}
    return frozenset(named | {also for one in named for also in SIGNS[one].implied})


@lru_cache(maxsize=64)
def managers_of(tools: frozenset[Tool]) -> frozenset[str]:
    """Return the field managers of tools."""
    return frozenset(name for tool in tools for name in SIGNS[tool].managers)


def marks_of(tool: Tool, live: LiveObject, wanted: Manifest) -> Marks:
    """Return a tool's marks on an object; what the manifest sets itself is none."""
    return _marks(tool, live, wanted.labels, wanted.annotations)


def taken_by(live: LiveObject) -> str:
    """Return which tool marked an object of ours as its own, and by what; empty for none.

    Marks that we applied ourselves, because a chart renders them, say nothing.
    """
    metadata = live.owned_fields.get("f:metadata") or {}
    labels, annotations = (
        {name.removeprefix("f:") for name in metadata.get(part) or ()}
        for part in ("f:labels", "f:annotations")
    )
    # Of a whole family of annotations many only ask a tool for something: not to prune, say.
    asking = {
        one for one in live.annotations if not any(one in s.annotations for s in SIGNS.values())
    }
    for tool in Tool:
        if marks := _marks(tool, live, labels, annotations | asking):
            return f"{tool.value} ({marks})"
    return ""


def _marks(
    tool: Tool, live: LiveObject, ours: Container[str], our_annotations: Container[str]
) -> Marks:
    signs, values = SIGNS[tool], SIGNS[tool].values or {}
    valued = [name for name, value in values.items() if live.labels.get(name) == value]
    labels = {*_named(signs.labels, live.labels), *valued}
    annotations = _named(signs.annotations, live.annotations)
    return Marks(
        labels=tuple(sorted(one for one in labels if one not in ours)),
        annotations=tuple(sorted(one for one in annotations if one not in our_annotations)),
    )


def _named(names: Iterable[str], there: Iterable[str]) -> Iterator[str]:
    for found in there:
        if any(found == one or (one[-1] in "/-" and found.startswith(one)) for one in names):
            yield found


def owners(live: LiveObject, wanted: Manifest, allowed: Collection[Tool]) -> Mapping[Tool, Marks]:
    """Return the tools that mark an object as theirs and do not hand over.

    Flux sets Helm's marks on what it installs as a chart: then it alone is named.
    """
    found = {tool: marks_of(tool, live, wanted) for tool in Tool if tool not in allowed}
    found = {tool: marks for tool, marks in found.items() if marks}
    covered = {also for tool in found for also in SIGNS[tool].implied}
    return {tool: marks for tool, marks in found.items() if tool not in covered}


def source_of(managers: Iterable[str]) -> str:
    """Return what fields are taken over from, in words: tools by name, kubectl as what it does."""
    names = set(managers)
    tools = [tool.value for tool in Tool if names & SIGNS[tool].managers]
    known = managers_of(frozenset(Tool))
    words = [*tools, *(["client-side apply"] if names - known or not tools else [])]
    return " and ".join(words)


def notes_on_takeover(changes: Iterable[Change]) -> tuple[str, ...]:
    """Say of how many objects the fields of others become ours (AP-47)."""
    counts = Counter(
        source_of(others)
        for change in changes
        # What we wrote ourselves without an apply, such as a mark, is nobody else's.
        if change.writes and (others := tuple(set(change.taken_over) - {change.manager}))
    )
    return tuple(
        f"takes over {count} {'object' if count == 1 else 'objects'} from {source}"
        for source, count in sorted(counts.items())
    )


def guard_adoptions(
    apply: ApplyPolicy, changes: Iterable[Change], live: LiveSet
) -> Iterator[Guard]:
    """Yield the guards that adopted objects breach (AP-49, IN-07)."""
    allowed = handing_over(apply.adopt, apply.takeover)
    for change in sorted(changes, key=lambda one: one.ref):
        found = live.get(change.ref)
        if change.operation is not Operation.ADOPT or found is None or change.wanted is None:
            continue
        if _moves(change, found):
            continue  # the document names the other rollout
        if apply.adopt is Adoption.MUST_MATCH and not _is_proven(change, found):
            message = f"{change.ref} {change.why}, and apply.adopt is mustMatch"
            yield _refusal("IN-07", "mustMatch", change.ref, message)
        for tool, marks in owners(found, change.wanted, allowed).items():
            message = (
                f"{change.ref} belongs to {tool.value} ({marks});"
                f" if {tool.value} lets it go, say apply.takeover: [{tool.value}]"
            )
            yield _refusal("AP-49", "no other owner", change.ref, message)
    yield from _everything(apply, changes)


def _everything(apply: ApplyPolicy, changes: Iterable[Change]) -> Iterator[Guard]:
    """IN-07: who adopts whatever is there has somebody look at the plan."""
    refs = [str(one.ref) for one in changes if one.operation is Operation.ADOPT]
    if apply.adopt is Adoption.ALL and refs:
        yield Guard(
            id="IN-07",
            limit="adoptAll",
            value=f"{len(refs)} adopted",
            is_breached=True,
            message=f"apply.adopt is adoptAll: somebody has to agree to take {', '.join(sorted(refs))}",
            is_waivable=True,
        )


def _moves(change: Change, found: LiveObject) -> bool:
    """Whether the object comes from another rollout."""
    owner = found.labels.get(ROLLOUT_LABEL, "")
    return (
        bool(owner)
        and change.wanted is not None
        and owner != change.wanted.labels.get(ROLLOUT_LABEL)
    )


def _is_proven(change: Change, found: LiveObject) -> bool:
    """Whether label and owned fields say that we applied it, though the inventory was lost."""
    is_marked = ROLLOUT_LABEL in found.labels
    return is_marked and bool(found.owned_fields) and "created again" not in change.why


def _refusal(identity: str, limit: str, ref: ObjectRef, message: str) -> Guard:
    return Guard(id=identity, limit=limit, value=str(ref), is_breached=True, message=message)
