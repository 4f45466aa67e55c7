"""What must hold before a plan can be made at all.

Before: the wanted objects were placed, the live ones read.
After: ``planning`` makes the plan; the server is asked for forecasts.

Every problem is found before anything is sent, and all are told at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from rollwright.errors import GuardRefused, InvalidManifests, InvalidSpec, Problem, Refused
from rollwright.rollouts.change import Change, Operation, Way
from rollwright.rollouts.fates import owner_of
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import Body, Manifest, ManifestSet, ObjectRef
from rollwright.rollouts.order.bodies import defined_kind, mapping, sequence, spec_of
from rollwright.rollouts.ownership.modes import annotation_mistakes, leaves_alone
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.spec import GroupsFile, RolloutSpec
from rollwright.rollouts.state import RolloutState
from rollwright.rollouts.steps.untouched import left_alone


def check_supported(spec: RolloutSpec) -> None:
    """Refuse what this version reads but does not carry out: ignoring it would surprise.

    Raises:
        InvalidSpec: The document asks for such a thing; every one is told.
    """
    asked = {
        "spec.groups": isinstance(spec.groups, GroupsFile),
        "spec.windows": bool(spec.windows),
        "spec.dependsOn": bool(spec.depends_on),
    }
    problems = [
        Problem(where=spec.name, path=path, message="is not carried out by this version yet")
        for path, is_asked in asked.items()
        if is_asked
    ]
    if problems:
        raise InvalidSpec(problems, hint="take it out of the document")


def is_crd(body: Body) -> bool:
    """Whether the object is a CustomResourceDefinition."""
    is_kind = body.get("kind") == "CustomResourceDefinition"
    return is_kind and str(body.get("apiVersion", "")).startswith("apiextensions.k8s.io/")


def defined_kinds(wanted: ManifestSet) -> frozenset[tuple[str, str]]:
    """Return (``apiVersion``, kind) of everything that the set's CRDs define and serve."""
    crds = (manifest.body for manifest in wanted if is_crd(manifest.body))
    return frozenset(kind for crd in crds for kind in _kinds_of(crd))


def _kinds_of(crd: Body) -> Iterator[tuple[str, str]]:
    group, kind = defined_kind(crd)
    for version in map(mapping, sequence(spec_of(crd).get("versions"))):
        if version.get("served", True):
            yield f"{group}/{version.get('name')}", kind


def served_by_plan(wanted: ManifestSet) -> frozenset[str]:
    """Return the API groups that APIServices of the set will serve."""
    return frozenset(
        str(spec_of(manifest.body).get("group", ""))
        for manifest in wanted
        if manifest.ref.group_kind == ("apiregistration.k8s.io", "APIService")
    )


def comes_with_plan(manifest: Manifest, live: LiveSet) -> bool:
    """Whether the object's kind or namespace exists only once the plan has run so far."""
    identity = (manifest.api_version, manifest.ref.kind)
    return identity in live.unknown_kinds or manifest.ref.namespace in live.absent_namespaces


def simulated(wanted: ManifestSet, live: LiveSet) -> frozenset[ObjectRef]:
    """Return the objects that the server cannot be asked about yet (AP-67).

    Their kind or namespace comes with the plan, or the plan changes the schema of their kind:
    a dry run against the old one would refuse a field that the new one has.
    """
    redefined = {
        kind
        for manifest in wanted
        if is_crd(manifest.body) and _is_redefined(manifest, live)
        for kind in _kinds_of(manifest.body)
    }
    return frozenset(
        manifest.ref
        for manifest in wanted
        if comes_with_plan(manifest, live) or (manifest.api_version, manifest.ref.kind) in redefined
    )


def _is_redefined(crd: Manifest, live: LiveSet) -> bool:
    found = live.get(crd.ref)
    return found is not None and not is_within(spec_of(crd.body), spec_of(found.body))


def is_within(part: Any, whole: Any) -> bool:
    """Whether a value stands in another, which may have more fields: defaults of the server."""
    if part == whole:
        return True
    if isinstance(part, Mapping) and isinstance(whole, Mapping):
        return all(key in whole and is_within(value, whole[key]) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(is_within, part, whole))
    return False


def check_premises(
    spec: RolloutSpec, wanted: ManifestSet, live: LiveSet, known: Collection[tuple[str, str]]
) -> None:
    """Refuse objects of unknown kinds, in missing namespaces, or of another rollout.

    Args:
        spec: What was declared.
        wanted: The placed objects.
        live: What was read.
        known: (``apiVersion``, kind) of everything the server serves, for hints.

    Raises:
        InvalidManifests: A kind nobody serves, or a namespace that does not exist.
        Refused: An object belongs to another rollout.
    """
    defined, groups = defined_kinds(wanted), served_by_plan(wanted)
    problems = []
    for manifest in wanted:
        identity = (manifest.api_version, manifest.ref.kind)
        is_coming = identity in defined or manifest.ref.group in groups
        if identity in live.unknown_kinds and not is_coming:
            problems.append(_unknown_kind(manifest, live, known))
    problems += _missing_namespaces(spec, wanted, live)
    problems += annotation_mistakes(wanted)
    if problems:
        raise InvalidManifests(problems)
    _refuse_foreign(spec, wanted, live)


def _unknown_kind(manifest: Manifest, live: LiveSet, known: Collection[tuple[str, str]]) -> Problem:
    where, ref = str(manifest.origin), manifest.ref
    if why := live.missing_groups.get(ref.group):
        message = f"{ref}: group {ref.group!r} cannot be read: {why}"
        return Problem(where=where, path="", message=message)
    message = f"{ref}: the cluster serves no kind {ref.kind!r} in {manifest.api_version!r}"
    versions = sorted({version for version, kind in known if kind == ref.kind})
    if versions:
        message += f"; it serves {ref.kind} in {', '.join(versions)}"
    elif close := get_close_matches(ref.kind, {kind for _, kind in known}, n=1):
        message += f"; did you mean {close[0]!r}?"
    return Problem(where=where, path="", message=message)


def _missing_namespaces(spec: RolloutSpec, wanted: ManifestSet, live: LiveSet) -> Iterator[Problem]:
    declared = {m.ref.name for m in wanted if m.ref.group_kind == ("", "Namespace")}
    if spec.target.create_namespace:
        declared.add(spec.target.namespace)
    told: set[str] = set()
    for manifest in wanted:
        namespace = manifest.ref.namespace
        if namespace not in live.absent_namespaces or namespace in declared | told:
            continue
        told.add(namespace)
        message = (
            f"{manifest.ref}: namespace {namespace!r} does not exist; declare it in the rollout,"
            " or create it first"
        )
        yield Problem(where=str(manifest.origin), path="metadata.namespace", message=message)


def _refuse_foreign(spec: RolloutSpec, wanted: ManifestSet, live: LiveSet) -> None:
    left = left_alone(spec, wanted)
    foreign = [
        f"{ref} belongs to rollout {owner!r}"
        for ref, manifest in wanted.by_ref().items()
        if (found := live.get(ref))
        and not leaves_alone(manifest)
        and ref not in left
        and (owner := owner_of(found)) not in {"", spec.name, *spec.apply.take_from}
    ]
    if foreign:
        raise Refused(
            f"{spec.name}: {'; '.join(sorted(foreign))}",
            hint="an object has one owner: remove it from one of the two rollouts; to move it"
            " here, name that rollout in apply.takeFrom",
        )


def check_not_emptied(spec: RolloutSpec, wanted: ManifestSet, state: RolloutState | None) -> None:
    """Refuse to read "nothing was rendered" as "delete everything" (PR-05).

    Raises:
        GuardRefused: Nothing was rendered and the inventory is not empty.
    """
    if len(wanted) or state is None or not state.inventory:
        return
    count = len(state.inventory)
    raise GuardRefused(
        f"guard PR-05: {spec.name}: the source rendered no object, and {count} were applied before",
        hint="check the source's path; to remove the rollout use `rollwright delete`",
    )


def find_moved(plan: Plan, live: LiveSet) -> tuple[str, ...]:
    """Return what is no longer as it was when the plan was made (VR-06).

    A status that moved does not count, nor an object that nobody is going to write.
    """
    return tuple(
        f"{change.ref} {why}"
        for change in plan.changes
        if change.writes and (why := _why_moved(change, live.get(change.ref)))
    )


def _why_moved(change: Change, found: LiveObject | None) -> str:
    if not change.is_owned or change.follows or change.way is Way.CREATE:
        return ""
    if not change.live_uid:
        return "was created meanwhile" if found is not None else ""
    if found is None:
        return "" if change.operation is Operation.PRUNE else "was deleted meanwhile"
    if found.uid != change.live_uid:
        return "was deleted and created again meanwhile"
    if found.resource_version == change.live_resource_version:
        return ""
    is_same = not change.live_digest or found.declared_digest == change.live_digest
    return "" if is_same else "was changed meanwhile"
