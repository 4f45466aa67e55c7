"""Who loses something: other rollouts, traffic, accounts, policies (BR-05, BR-06, BR-08, BR-09)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from rollwright.rollouts.blast.around import Going, Reading, Scope, Served, named
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.order.bodies import mapping, sequence
from rollwright.rollouts.ownership.fields import ROLLOUT_LABEL
from rollwright.rollouts.pruning.effects import Effect
from rollwright.rollouts.pruning.mentions import (
    RBAC,
    bound_by,
    pod_template,
    selects,
    sends_to,
    used_by_pods,
)

_USED = frozenset({"ConfigMap", "Secret", "PersistentVolumeClaim", "ServiceAccount"})
_WORKLOADS = (
    ("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"), ("batch/v1", "CronJob"),
)  # fmt: skip
_ROUTES = ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute")
_HOOKS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
_ADMISSION = "admissionregistration.k8s.io"
_BINDINGS = (RBAC, "RoleBinding"), (RBAC, "ClusterRoleBinding")
_SERVICE, _ACCOUNT = ("", "Service"), ("", "ServiceAccount")


def user_scopes(going: Going, served: Iterable[Served]) -> tuple[Scope, ...]:
    """Return the lists of workloads of others that may use an object."""
    del served
    if going.ref.group or going.ref.kind not in _USED:
        return ()
    return tuple(
        Scope(version, kind, going.ref.namespace, is_whole=True, is_foreign=True)
        for version, kind in _WORKLOADS
    )


def users(going: Going, reading: Reading) -> Iterator[Effect]:
    """Yield workloads of others whose pods use an object (BR-05)."""
    scopes = user_scopes(going, reading.served)
    yield from _naming(going, reading, scopes, "BR-05", (_used_by, "is used by"))


def traffic_scopes(going: Going, served: Iterable[Served]) -> tuple[Scope, ...]:
    """Return the lists of what sends requests to an object."""
    namespace = going.ref.namespace
    if pod_template(going.body) is not None:
        return (Scope("v1", "Service", namespace, is_whole=True),)
    if going.ref.group_kind != _SERVICE:
        return ()
    routes = [
        Scope(one.api_version, one.kind, namespace, is_whole=True)
        for one in served
        if one.kind in _ROUTES and one.api_version.startswith("gateway.networking.k8s.io/")
    ]
    hooks = [Scope(f"{_ADMISSION}/v1", kind, is_whole=True) for kind in _HOOKS]
    ingresses = Scope("networking.k8s.io/v1", "Ingress", namespace, is_whole=True)
    return (ingresses, *routes, *hooks)


def traffic(going: Going, reading: Reading) -> Iterator[Effect]:
    """Yield Services, Ingresses, routes and webhooks that point to what goes (BR-06)."""
    scopes = traffic_scopes(going, reading.served)
    if going.ref.group_kind == _SERVICE:
        yield from _naming(going, reading, scopes, "BR-06", (_sends_to, "gets requests from"))
        return
    found = [one for one in reading.objects(scopes) if selects(one.body, going.body)]
    yield from _told(going, found, "BR-06", "gets requests from", reading.why_unknown(scopes))


def access_scopes(going: Going, served: Iterable[Served]) -> tuple[Scope, ...]:
    """Return the lists of bindings that name a role or an account."""
    del served
    kind = going.ref.group_kind
    if kind not in {(RBAC, "Role"), (RBAC, "ClusterRole"), _ACCOUNT}:
        return ()
    version = f"{RBAC}/v1"
    place = going.ref.namespace if kind == (RBAC, "Role") else ""
    bindings = Scope(version, "RoleBinding", place, is_whole=True)
    if kind == (RBAC, "Role"):
        return (bindings,)
    return (bindings, Scope(version, "ClusterRoleBinding", is_whole=True))


def access(going: Going, reading: Reading) -> Iterator[Effect]:
    """Yield bindings that lose their role or account, and who loses rights (BR-08)."""
    scopes = access_scopes(going, reading.served)
    yield from _naming(going, reading, scopes, "BR-08", (_bound_by, "is bound by"))
    if going.ref.group_kind in _BINDINGS:
        subjects = map(mapping, sequence(going.body.get("subjects")))
        names = [f"{one.get('kind')} {one.get('name')}" for one in subjects]
        if names:
            role = mapping(going.body.get("roleRef"))
            text = f"{', '.join(names)} lose what {role.get('kind')} {role.get('name')} grants"
            yield Effect(rule="BR-08", ref=going.ref, text=text)


def policies(going: Going, reading: Reading) -> Iterator[Effect]:
    """Yield webhooks and admission policies that stop guarding (BR-09)."""
    del reading
    if going.ref.group != _ADMISSION:
        return
    hooks = [str(mapping(one).get("name")) for one in sequence(going.body.get("webhooks"))]
    what = f"{len(hooks)} webhooks ({', '.join(hooks)})" if hooks else "it"
    verb = "stop" if len(hooks) > 1 else "stops"
    what = hooks[0] if len(hooks) == 1 else what
    yield Effect(rule="BR-09", ref=going.ref, text=f"{what} {verb} guarding")


def dependants(reading: Reading) -> Iterator[Effect]:
    """Yield rollouts that declare to depend on one that goes whole (BR-05)."""
    ref = ObjectRef("rollwright.dev", "Rollout", "", reading.rollout)
    for name in sorted(reading.dependants):
        yield Effect(rule="BR-05", ref=ref, text=f"rollout {name!r} depends on it")


def _used_by(live: LiveObject) -> frozenset[ObjectRef]:
    return used_by_pods(live.body)


def _sends_to(live: LiveObject) -> frozenset[ObjectRef]:
    return sends_to(live.body)


def _bound_by(live: LiveObject) -> frozenset[ObjectRef]:
    return bound_by(live.body)


def _naming(
    going: Going,
    reading: Reading,
    scopes: tuple[Scope, ...],
    rule: str,
    how: tuple[Callable[[LiveObject], frozenset[ObjectRef]], str],
) -> Iterator[Effect]:
    mentions, words = how
    found = reading.index(scopes, mentions).get(going.ref, [])
    yield from _told(going, found, rule, words, reading.why_unknown(scopes))


def _told(
    going: Going, found: list[LiveObject], rule: str, words: str, why_unknown: str
) -> Iterator[Effect]:
    if found:
        whose = sorted(
            {str(one.labels[ROLLOUT_LABEL]) for one in found if ROLLOUT_LABEL in one.labels}
        )
        tail = f" (rollouts {', '.join(whose)})" if whose else ""
        text = f"{words} {named(one.ref for one in found)}{tail}"
        yield Effect(rule=rule, ref=going.ref, text=text)
    if why_unknown:
        text = f"what it {words} is not known: {why_unknown}"
        yield Effect(rule=rule, ref=going.ref, text=text, is_unknown=True)
