"""Service and Ingress (HL-95..105).

Whether an address is needed is a matter of policy: some controllers never publish one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from rollwright.rollouts.health.context import AddressPolicy
from rollwright.rollouts.health.subject import (
    Finding,
    Subject,
    current,
    in_progress,
    latest,
    moment,
)
from rollwright.rollouts.manifest import Body
from rollwright.rollouts.status import HealthWarning, Status

ADDRESS_POLICY = "rollwright.dev/load-balancer-address"
LEGACY_CLASS = "kubernetes.io/ingress.class"
DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
LAST_CHANGE = "endpoints.kubernetes.io/last-change-trigger-time"
SERVICE_NAME = "kubernetes.io/service-name"


def service(s: Subject) -> Finding:
    """Judge a Service."""
    kind = s.spec.get("type") or "ClusterIP"
    if kind == "ExternalName":
        return current("external-name", f"an alias of {s.spec.get('externalName')}")
    found = _load_balancer(s) if kind == "LoadBalancer" else current("exists", f"type {kind}")
    return _endpoints(s, found, (s.ref.name,))


def _load_balancer(s: Subject) -> Finding:
    if not s.spec.get("clusterIP"):
        return in_progress("cluster-ip", "NoIPAssigned", "no cluster IP is assigned yet")
    addresses = [*_addresses(s.body), *(s.spec.get("externalIPs") or ())]
    if addresses:
        return current("address", f"address {', '.join(addresses)}")
    balancer = s.spec.get("loadBalancerClass")
    words = "no address" + (f" from load balancer class {balancer!r}" if balancer else " yet")
    if _service_policy(s) is AddressPolicy.NOT_REQUIRED:
        return _no_address(f"{words}; none is required")
    return in_progress("address", "NoAddress", words)


def _service_policy(s: Subject) -> AddressPolicy:
    own = s.annotations.get(ADDRESS_POLICY)
    if own is not None:
        return AddressPolicy(own)
    options = s.options
    balancer = s.spec.get("loadBalancerClass") or ""
    return options.load_balancer_classes.get(balancer, options.load_balancer_address)


def _no_address(words: str) -> Finding:
    warnings = (HealthWarning(code="NoAddressPublished", text=words),)
    return Finding(Status.CURRENT, "no-address", "NoAddressPublished", words, warnings=warnings)


def _addresses(body: Body) -> list[str]:
    balancer = (body.get("status") or {}).get("loadBalancer") or {}
    entries = balancer.get("ingress") or ()
    return [str(one.get("ip") or one.get("hostname") or "assigned") for one in entries]


def ingress(s: Subject) -> Finding:
    """Judge an Ingress."""
    return _endpoints(s, _ingress_address(s), tuple(dict.fromkeys(_backends(s))))


def _ingress_address(s: Subject) -> Finding:
    addresses = _addresses(s.body)
    if addresses:
        return current("address", f"address {', '.join(addresses)}")
    name = class_name(s.body, s.context.ingress_classes)
    words = f"no address from ingress class {name!r}" if name else "no address yet"
    policy = s.options.ingress_classes.get(name, s.options.ingress_address)
    if policy is AddressPolicy.NOT_REQUIRED:
        return _no_address(f"{words}; none is required")
    waits = in_progress("address", "NoAddress", words)
    return _unless_silent(s, name, waits) if policy is AddressPolicy.AUTO else waits


def _unless_silent(s: Subject, name: str, waits: Finding) -> Finding:
    """HL-103: a class none of whose old Ingresses has an address never publishes any."""
    if s.context.ingresses is None:
        return waits
    classes = s.context.ingress_classes
    peers = [s.body, *(one for one in s.context.ingresses if class_name(one, classes) == name)]
    if any(_addresses(one) for one in peers):
        return waits
    births = [moment((one.get("metadata") or {}).get("creationTimestamp")) for one in peers]
    window = s.options.windows.ingress_address
    if any(s.is_over(born, window) for born in births):
        return _no_address(f"{waits.message}; this class never publishes one")
    recheck_at = min(born for born in births if born is not None) + window
    return Finding(waits.status, waits.test, waits.reason, waits.message, recheck_at=recheck_at)


def class_name(ingress: Body, classes: Iterable[Body]) -> str:
    """Return the name of an Ingress's class, which may be the default one; empty when unknown."""
    metadata = ingress.get("metadata") or {}
    own = (ingress.get("spec") or {}).get("ingressClassName")
    own = own or (metadata.get("annotations") or {}).get(LEGACY_CLASS)
    if own:
        return str(own)
    for one in classes:
        described = one.get("metadata") or {}
        if (described.get("annotations") or {}).get(DEFAULT_CLASS) == "true":
            return str(described.get("name"))
    return ""


def _backends(s: Subject) -> Iterator[str]:
    paths = [
        path
        for rule in s.spec.get("rules") or ()
        for path in (rule.get("http") or {}).get("paths") or ()
    ]
    backends = [s.spec.get("defaultBackend") or {}, *(path.get("backend") or {} for path in paths)]
    for backend in backends:
        name = (backend.get("service") or {}).get("name") or backend.get("serviceName")
        if name:
            yield str(name)


def _endpoints(s: Subject, found: Finding, backends: tuple[str, ...]) -> Finding:
    """HL-105: each backend has a ready endpoint, and the set has come to rest."""
    if not s.options.endpoints_required or found.status is not Status.CURRENT:
        return found
    slices = [one for one in s.context.endpoint_slices if _namespace(one) == s.ref.namespace]
    for backend in backends:
        if not any(_is_ready(one) for one in slices if _service_of(one) == backend):
            return in_progress(
                "endpoints", "NoEndpoints", f"service {backend} has no ready endpoint"
            )
    changes = [_changed_at(one) for one in slices if _service_of(one) in backends]
    start = s.context.endpoints_changed_at or latest(*changes)
    window = s.options.windows.endpoints
    if start is None or s.is_over(start, window):
        return found
    words = "the endpoints changed a moment ago"
    return Finding(
        Status.IN_PROGRESS, "endpoints", "EndpointsChanging", words, recheck_at=start + window
    )


def _namespace(body: Body) -> str:
    return str((body.get("metadata") or {}).get("namespace") or "")


def _service_of(endpoint_slice: Body) -> str | None:
    return ((endpoint_slice.get("metadata") or {}).get("labels") or {}).get(SERVICE_NAME)


def _is_ready(endpoint_slice: Body) -> bool:
    endpoints = endpoint_slice.get("endpoints") or ()
    return any((one.get("conditions") or {}).get("ready") is not False for one in endpoints)


def _changed_at(endpoint_slice: Body) -> datetime | None:
    metadata = endpoint_slice.get("metadata") or {}
    return moment((metadata.get("annotations") or {}).get(LAST_CHANGE))
