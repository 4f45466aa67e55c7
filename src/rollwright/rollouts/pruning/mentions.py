"""Which other objects an object names: what a pod mounts, where traffic goes, who may do what.

Before: bodies, wanted or live. After: ``prune`` keeps what is still in use (PR-16); ``blast``
tells who loses something (BR-05, BR-06, BR-08).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rollwright.rollouts.manifest import Body, ObjectRef
from rollwright.rollouts.order.bodies import group_kind_of, mapping, sequence, spec_of

RBAC = "rbac.authorization.k8s.io"

_TEMPLATES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): (),
    ("", "ReplicationController"): ("spec", "template"),
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "ReplicaSet"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("batch", "Job"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
}


def pod_template(body: Body) -> Mapping[str, Any] | None:
    """Return the pod template of a workload, a Pod itself, or ``None`` for anything else."""
    path = _TEMPLATES.get(group_kind_of(body))
    if path is None:
        return None
    found: Mapping[str, Any] = body
    for step in path:
        found = mapping(found.get(step))
    return found


def used_by_pods(body: Body, *, with_optional: bool = True) -> frozenset[ObjectRef]:
    """Return the ConfigMaps, Secrets, claims and accounts that a workload's pods need to start.

    Args:
        body: Any object; one without pods uses nothing.
        with_optional: Count what pods can start without, too.
    """
    template = pod_template(body)
    if template is None:
        return frozenset()
    namespace = str(mapping(body.get("metadata")).get("namespace") or "")
    found = (
        ObjectRef("", kind, namespace, name)
        for kind, name, is_optional in _named_in(spec_of(template))
        if name and (with_optional or not is_optional)
    )
    return frozenset(found)


def _named_in(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    yield "ServiceAccount", _text(spec.get("serviceAccountName")), False
    for secret in map(mapping, sequence(spec.get("imagePullSecrets"))):
        yield "Secret", _text(secret.get("name")), True
    for volume in map(mapping, sequence(spec.get("volumes"))):
        yield from _in_volume(volume)
    for part in ("initContainers", "containers", "ephemeralContainers"):
        for container in map(mapping, sequence(spec.get(part))):
            yield from _in_environment(container)


def _in_volume(volume: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    claim = mapping(volume.get("persistentVolumeClaim"))
    yield "PersistentVolumeClaim", _text(claim.get("claimName")), False
    projected = mapping(volume.get("projected")).get("sources")
    for source in (volume, *map(mapping, sequence(projected))):
        config, secret = mapping(source.get("configMap")), mapping(source.get("secret"))
        yield "ConfigMap", _text(config.get("name")), bool(config.get("optional"))
        name = secret.get("secretName") or secret.get("name")
        yield "Secret", _text(name), bool(secret.get("optional"))


def _in_environment(container: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    variables = (mapping(mapping(one).get("valueFrom")) for one in sequence(container.get("env")))
    for source in (*variables, *map(mapping, sequence(container.get("envFrom")))):
        for kind, keys in (
            ("ConfigMap", ("configMapKeyRef", "configMapRef")),
            ("Secret", ("secretKeyRef", "secretRef")),
        ):
            for named in (mapping(source.get(key)) for key in keys):
                yield kind, _text(named.get("name")), bool(named.get("optional"))


def sends_to(body: Body) -> frozenset[ObjectRef]:
    """Return the Services that an Ingress, a route or a webhook sends requests to."""
    namespace = str(mapping(body.get("metadata")).get("namespace") or "")
    found = (
        ObjectRef("", "Service", str(place or namespace), name)
        for place, name in _services_of(body)
        if name
    )
    return frozenset(found)


def _services_of(body: Body) -> Iterator[tuple[object, str]]:
    """Yield namespace and name of each; an empty namespace is the object's own."""
    group, kind = group_kind_of(body)
    if (group, kind) == ("networking.k8s.io", "Ingress"):
        yield from _behind_ingress(spec_of(body))
    elif group == "gateway.networking.k8s.io":
        yield from _behind_route(spec_of(body))
    elif group == "admissionregistration.k8s.io":
        clients = (mapping(mapping(one).get("clientConfig")) for one in _hooks_of(body))
        yield from (_address(client.get("service")) for client in clients)
    elif group == "apiregistration.k8s.io":
        yield _address(spec_of(body).get("service"))


def _behind_ingress(spec: Mapping[str, Any]) -> Iterator[tuple[object, str]]:
    rules = (mapping(mapping(rule).get("http")) for rule in sequence(spec.get("rules")))
    paths = (mapping(path) for rule in rules for path in sequence(rule.get("paths")))
    backends = [mapping(path.get("backend")) for path in paths]
    for backend in (mapping(spec.get("defaultBackend")), *backends):
        yield "", _text(mapping(backend.get("service")).get("name"))


def _behind_route(spec: Mapping[str, Any]) -> Iterator[tuple[object, str]]:
    for rule in map(mapping, sequence(spec.get("rules"))):
        for backend in map(mapping, sequence(rule.get("backendRefs"))):
            if backend.get("kind", "Service") == "Service":
                yield _address(backend)


def _hooks_of(body: Body) -> Sequence[Any]:
    return sequence(body.get("webhooks"))


def _address(service: object) -> tuple[object, str]:
    found = mapping(service)
    return found.get("namespace"), _text(found.get("name"))


def bound_by(body: Body) -> frozenset[ObjectRef]:
    """Return the role and the accounts that a binding ties together."""
    if group_kind_of(body) not in {(RBAC, "RoleBinding"), (RBAC, "ClusterRoleBinding")}:
        return frozenset()
    namespace = str(mapping(body.get("metadata")).get("namespace") or "")
    role = mapping(body.get("roleRef"))
    place = namespace if role.get("kind") == "Role" else ""
    found = {ObjectRef(RBAC, str(role.get("kind")), place, _text(role.get("name")))}
    for subject in map(mapping, sequence(body.get("subjects"))):
        if subject.get("kind") == "ServiceAccount":
            where = _text(subject.get("namespace")) or namespace
            found.add(ObjectRef("", "ServiceAccount", where, _text(subject.get("name"))))
    return frozenset(found)


def selects(service: Body, body: Body) -> bool:
    """Whether a Service sends requests to the pods of a workload in its namespace."""
    selector = mapping(spec_of(service).get("selector"))
    template = pod_template(body)
    if not selector or template is None:
        return False
    places = (mapping(one.get("metadata")).get("namespace") for one in (service, body))
    labels = mapping(mapping(template.get("metadata")).get("labels"))
    return len(set(places)) == 1 and selector.items() <= labels.items()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
