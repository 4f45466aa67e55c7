"""What goes with its owner, its namespace or its definition (BR-01, BR-02, BR-03)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from rollwright.rollouts.blast.around import (
    Going,
    Reading,
    Scope,
    Served,
    by_kind,
    counted,
    owners_of,
    rollouts_of,
)
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.order.bodies import defined_kind
from rollwright.rollouts.order.kinds import CRD
from rollwright.rollouts.pruning.effects import Effect

_POD, _REPLICA_SET = ("v1", "Pod"), ("apps/v1", "ReplicaSet")
_REVISION, _JOB = ("apps/v1", "ControllerRevision"), ("batch/v1", "Job")
_CHILDREN: Mapping[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("apps", "Deployment"): (_REPLICA_SET, _POD),
    ("apps", "ReplicaSet"): (_POD,),
    ("apps", "StatefulSet"): (_POD, _REVISION, ("v1", "PersistentVolumeClaim")),
    ("apps", "DaemonSet"): (_POD, _REVISION),
    ("", "ReplicationController"): (_POD,),
    ("batch", "Job"): (_POD,),
    ("batch", "CronJob"): (_JOB, _POD),
}
_BUILT_IN_SUFFIX = ".k8s.io"
_MADE_BY_SYSTEM = frozenset({("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")})
_NO_CONTENT = frozenset({"Event"})


def child_scopes(going: Going, served: Iterable[Served]) -> tuple[Scope, ...]:
    """Return the lists that hold what an object owns; any kind may belong to a custom one."""
    kind, namespace = going.ref.group_kind, going.ref.namespace
    if kind in _CHILDREN:
        return tuple(Scope(version, child, namespace) for version, child in _CHILDREN[kind])
    if "." not in kind[0] or kind[0].endswith(_BUILT_IN_SUFFIX):
        return ()
    return tuple(
        Scope(one.api_version, one.kind, namespace)
        for one in served
        if one.kind not in _NO_CONTENT and (one.is_namespaced or not namespace)
    )


def children(going: Going, reading: Reading) -> Iterator[Effect]:
    """Yield what an object takes along, or leaves without an owner (BR-01)."""
    scopes = child_scopes(going, reading.served)
    found = _below(going.live.uid, reading.index(scopes, owners_of))
    counts = by_kind(found)
    why = reading.why_unknown(scopes)
    if why:
        text = f"what it owns is unknown: {why}"
        yield Effect(rule="BR-01", ref=going.ref, text=text, counts=counts, is_unknown=True)
    elif counts:
        is_left = going.propagation == "orphan"
        words = "leaves without an owner" if is_left else "takes along"
        yield Effect(
            rule="BR-01", ref=going.ref, text=f"{words} {counted(counts)}", counts=counts
        )  # fmt: skip


def _below(uid: str, owned: Mapping[str, list[LiveObject]]) -> list[LiveObject]:
    found: dict[str, LiveObject] = {}
    todo = [uid]
    while todo:
        for one in owned.get(todo.pop(), ()):
            if one.uid not in found:
                found[one.uid] = one
                todo.append(one.uid)
    return list(found.values())


def namespace_scopes(going: Going, served: Iterable[Served]) -> tuple[Scope, ...]:
    """Return the lists that hold what lives in a namespace."""
    if going.ref.group_kind != ("", "Namespace"):
        return ()
    return tuple(
        Scope(one.api_version, one.kind, going.ref.name)
        for one in served
        if one.is_namespaced and one.kind not in _NO_CONTENT
    )


def namespace_content(going: Going, reading: Reading) -> Iterator[Effect]:
    """Yield what lives in a namespace, those of other rollouts and of nobody apart (BR-02)."""
    scopes = namespace_scopes(going, reading.served)
    if not scopes:
        return
    everything = [one for scope in scopes for one in reading.lists.get(scope, ())]
    owners = rollouts_of(everything)
    objects = [
        one for one in everything
        if one.uid not in reading.uids and (one.ref.kind, one.ref.name) not in _MADE_BY_SYSTEM
    ]  # fmt: skip
    yield from _content("BR-02", going, reading.why_unknown(scopes), objects, owners, reading)


def definition_scopes(going: Going, served: Iterable[Served]) -> tuple[Scope, ...]:
    """Return the list of a custom kind's objects; one version shows those of all."""
    if going.ref.group_kind != CRD:
        return ()
    group, kind = defined_kind(going.body)
    found = [
        Scope(one.api_version, one.kind)
        for one in served
        if one.kind == kind and one.api_version.rpartition("/")[0] == group
    ]
    return tuple(found[:1])


def definition_instances(going: Going, reading: Reading) -> Iterator[Effect]:
    """Yield the objects of a custom kind that goes (BR-03)."""
    scopes = definition_scopes(going, reading.served)
    if not scopes:
        return
    objects = reading.objects(scopes)
    owners = rollouts_of(objects)
    yield from _content("BR-03", going, reading.why_unknown(scopes), objects, owners, reading)


def _content(
    rule: str,
    going: Going,
    why_unknown: str,
    objects: Iterable[LiveObject],
    owners: Mapping[str, str],
    reading: Reading,
) -> Iterator[Effect]:
    by_owner: dict[str, list[LiveObject]] = defaultdict(list)
    for one in objects:
        by_owner[owners.get(one.uid, "")].append(one)
    for owner, some in sorted(by_owner.items()):
        counts = by_kind(some)
        whose = f"of rollout {owner!r}" if owner else "of nobody"
        whose = "of this rollout" if owner == reading.rollout else whose
        text = f"takes along {counted(counts)} {whose}"
        yield Effect(rule=rule, ref=going.ref, text=text, counts=counts)
    if why_unknown:
        text = f"what else goes with it is unknown: {why_unknown}"
        yield Effect(rule=rule, ref=going.ref, text=text, is_unknown=True)
