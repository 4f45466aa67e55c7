"""Which rights are missing, all at once (AP-71).

Before: the server refused a read or a dry run with 403.
After: one error names every right that the rollout lacks, instead of one right a run.

Asked lazily: only the first refusal makes it worth asking. A run that has its rights, and a plan
in which nothing changes, send no request for this. One SelfSubjectRulesReview per namespace
answers for all kinds in it; where a server says that its rules are incomplete, and for what has
no namespace, SelfSubjectAccessReviews ask verb by verb.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from rollwright.engine.writing.together import together
from rollwright.errors import ClusterError
from rollwright.plugins.contracts import Cluster
from rollwright.rollouts.manifest import ManifestSet, ObjectRef
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import RolloutState

READING = ("get", "list", "watch")
WRITING = ("create", "patch")
GROUP_SHOWN = 20

_VERSION = "authorization.k8s.io/v1"
_DENIED = re.compile(r'cannot \w+ resource "')


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One right: a verb on a kind, in a namespace; in none for what has none."""

    namespace: str
    group: str
    plural: str
    verb: str


def is_denied(error: ClusterError) -> bool:
    """Whether a right is missing; quotas and policies say 403 as well."""
    return error.status == 403 and _DENIED.search(error.message) is not None


@asynccontextmanager
async def telling_rights(
    cluster: Cluster, spec: RolloutSpec, wanted: ManifestSet, state: RolloutState | None
) -> AsyncIterator[None]:
    """Let a refusal for a lack of rights name everything that is lacking.

    Raises:
        ClusterError: Status 403, with the list; or the refusal as it was, when no more is known.
    """
    try:
        yield
    except ClusterError as error:
        if not is_denied(error):
            raise
        try:
            missing = await find_missing(cluster, await needs_of(cluster, spec, wanted, state))
        except ClusterError:
            missing = ()
        if not missing:
            raise
        raise _explained(spec, missing) from error


def _explained(spec: RolloutSpec, missing: Sequence[Need]) -> ClusterError:
    lines = list(_shown(missing))
    more = len(lines) - GROUP_SHOWN
    told = "; ".join([*lines[:GROUP_SHOWN], *([f"and {more} more"] if more > 0 else [])])
    verbs = ", ".join(sorted({one.verb for one in missing}))
    return ClusterError(
        f"{spec.name}: rights are missing: {told}",
        status=403,
        reason="Forbidden",
        hint=f"grant them ({verbs}) with a Role or ClusterRole; `kubectl auth can-i --list` shows"
        " what there is",
    )


def _shown(missing: Iterable[Need]) -> Iterable[str]:
    verbs: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for one in sorted(missing):
        verbs[one.namespace, one.group, one.plural].append(one.verb)
    for (namespace, group, plural), words in verbs.items():
        name = f"{plural}.{group}" if group else plural
        place = f"in namespace {namespace!r}" if namespace else "in the cluster"
        yield f"{', '.join(words)} {name} {place}"


async def needs_of(
    cluster: Cluster, spec: RolloutSpec, wanted: ManifestSet, state: RolloutState | None
) -> frozenset[Need]:
    """Return every right that the rollout may need for what it declares and remembers."""
    discovery = await cluster.discover()
    plurals = {(one.group, one.kind): one for one in discovery.kinds.values()}
    refs = wanted.by_ref()
    verbs: dict[ObjectRef, tuple[str, ...]] = {}
    for ref in refs:
        is_recreated = ref.kind in spec.apply.recreate_immutable
        verbs[ref] = (*READING, *WRITING, *(("delete",) if is_recreated else ()))
    for entry in state.inventory if state else ():
        verbs.setdefault(entry.ref, (*READING, "delete"))
    return frozenset(
        Need(ref.namespace if served.is_namespaced else "", ref.group, served.plural, verb)
        for ref, words in verbs.items()
        if (served := plurals.get(ref.group_kind))
        for verb in words
    )


async def find_missing(cluster: Cluster, needs: Iterable[Need]) -> tuple[Need, ...]:
    """Return the rights that we do not have."""
    by_namespace: dict[str, set[Need]] = defaultdict(set)
    for need in needs:
        by_namespace[need.namespace].add(need)
    spaces = sorted(by_namespace)
    reviewed = await together(_review(cluster, name, by_namespace[name]) for name in spaces)
    unsure = [need for found in reviewed for need in found]
    answers = await together(_may(cluster, need) for need in unsure)
    return tuple(sorted(n for n, is_allowed in zip(unsure, answers, strict=True) if not is_allowed))


async def _review(cluster: Cluster, namespace: str, needs: set[Need]) -> tuple[Need, ...]:
    """Return the rights of a namespace that its rules do not grant."""
    if not namespace:
        return tuple(sorted(needs))
    body = {
        "apiVersion": _VERSION,
        "kind": "SelfSubjectRulesReview",
        "metadata": {},
        "spec": {"namespace": namespace},
    }
    status = (await cluster.create(body)).body.get("status") or {}
    rules = status.get("resourceRules") or ()
    return tuple(sorted(need for need in needs if not any(_grants(rule, need) for rule in rules)))


def _grants(rule: Mapping[str, Any], need: Need) -> bool:
    return (
        not rule.get("resourceNames")
        and _holds(rule.get("verbs"), need.verb)
        and _holds(rule.get("apiGroups"), need.group)
        and _holds(rule.get("resources"), need.plural)
    )


def _holds(words: Any, word: str) -> bool:
    return word in (words or ()) or "*" in (words or ())


async def _may(cluster: Cluster, need: Need) -> bool:
    """Ask about one right; rules may be incomplete, this answer never is."""
    attributes = {
        "namespace": need.namespace,
        "group": need.group,
        "resource": need.plural,
        "verb": need.verb,
    }
    body = {
        "apiVersion": _VERSION,
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": {"resourceAttributes": attributes},
    }
    answer = await cluster.create(body)
    return bool((answer.body.get("status") or {}).get("allowed"))
