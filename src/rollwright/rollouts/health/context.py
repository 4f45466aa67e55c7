"""What a verdict may take into account besides the object: all of it may be absent.

Before: ``engine`` read pods, events and classes with the watches it holds anyway.
After: ``compute`` and ``judge_wait`` look here; a part that is missing makes a verdict less
precise, never wrong: with an empty context it comes from the object alone (HL-09).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from rollwright.rollouts.manifest import Body

if TYPE_CHECKING:
    from rollwright.rollouts.health.custom import CustomRule


class AddressPolicy(StrEnum):
    """Whether a Service or an Ingress must have an address to be Current."""

    REQUIRED = "required"
    NOT_REQUIRED = "notRequired"
    AUTO = "auto"


class SuspendedPolicy(StrEnum):
    """What a wait does with a suspended object, whoever suspended it (HL-03)."""

    PASS = "pass"  # noqa: S105  (the word of the option, no password)
    WAIT = "wait"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """How long each cause of failure may last before it counts; zero means at once (HL-130)."""

    status: timedelta = timedelta(seconds=30)
    not_found: timedelta = timedelta(seconds=10)
    unschedulable: timedelta = timedelta(seconds=15)
    image_pull: timedelta = timedelta(seconds=120)
    invalid_image: timedelta = timedelta(0)
    config_error: timedelta = timedelta(seconds=60)
    crash_loop: timedelta = timedelta(seconds=60)
    crash_restart_count: int = 3
    quota: timedelta = timedelta(seconds=15)
    admission: timedelta = timedelta(seconds=15)
    hpa_metrics: timedelta = timedelta(minutes=5)
    condition_flap: timedelta = timedelta(seconds=30)
    terminating: timedelta = timedelta(seconds=60)
    ingress_address: timedelta = timedelta(minutes=10)
    endpoints: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Objects that health leaves out; an empty field means any."""

    kind: str = ""
    name: str = ""
    namespace: str = ""
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthOptions:
    """What a rollout, a site or an object may set.

    Attributes:
        fail_fast: Whether a cause that lasts longer than its window fails a wait before any
            deadline (HL-128).
        min_available: Count or percentage of updated pods that is enough (HL-39).
        load_balancer_classes: Address policy by ``loadBalancerClass``, stronger than the default.
        ingress_classes: Address policy by name of the IngressClass (HL-103).
        endpoints_required: Whether each backend needs a ready endpoint (HL-105).
        suspended: ``None`` passes exactly when the wanted manifest asks for it (HL-03).
        skip: Objects that are left out of every wait and of the sum (HL-07).
    """

    windows: Windows = Windows()
    timeout: timedelta = timedelta(minutes=10)
    progress_timeout: timedelta = timedelta(minutes=5)
    soak: timedelta = timedelta(0)
    fail_fast: bool = True
    min_available: str | None = None
    wait_for_jobs: bool = True
    load_balancer_address: AddressPolicy = AddressPolicy.REQUIRED
    load_balancer_classes: Mapping[str, AddressPolicy] = field(default_factory=dict)
    ingress_address: AddressPolicy = AddressPolicy.AUTO
    ingress_classes: Mapping[str, AddressPolicy] = field(default_factory=dict)
    endpoints_required: bool = False
    suspended: SuspendedPolicy | None = None
    skip: tuple[Skip, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthContext:
    """Everything around the object.

    Attributes:
        wanted: The manifest that we applied.
        applied_at: When we applied it; older events do not count.
        crd_schema_declares_status: Whether the schema of a custom kind declares
            ``status.conditions`` or ``status.observedGeneration`` (``declares_status``).
        ingresses: All Ingresses of the cluster, the evidence of the ``auto`` policy; ``None``
            when nobody looked.
        pods: Pods of the object, of every revision, and pods that may use a claim.
        events: Events of the object and of what belongs to it, of either API version.
        children: Further dependents, counted while a deletion waits for them.
        endpoint_slices: Slices of the backends, for ``endpoints_required``.
        instance_count: Objects of a CustomResourceDefinition that still exist.
        target_rolled_out_at: When the target of an autoscaler last began a rollout.
        endpoints_changed_at: When the ready endpoints last changed, if somebody watched.
        finalizer_controllers: Whether a ready controller is known, by finalizer.
        first_seen: When an observer first saw a cause, by ``Cause.key``; without it the
            object's own times are used.
        previous_logs: Last log lines of a container's previous life, by pod and container.
        secret_values: Texts that no message may show.
        rules: Custom rules, strongest first: of the rollout, then of the site.
    """

    wanted: Body | None = field(default=None, repr=False)
    applied_at: datetime | None = None
    options: HealthOptions = HealthOptions()
    rules: tuple[CustomRule, ...] = ()
    crd_schema_declares_status: bool | None = None
    storage_classes: tuple[Body, ...] = ()
    ingress_classes: tuple[Body, ...] = ()
    ingresses: tuple[Body, ...] | None = None
    pods: tuple[Body, ...] = ()
    replica_sets: tuple[Body, ...] = ()
    controller_revisions: tuple[Body, ...] = ()
    events: tuple[Body, ...] = ()
    children: tuple[Body, ...] = ()
    nodes: tuple[Body, ...] = ()
    endpoint_slices: tuple[Body, ...] = ()
    instance_count: int | None = None
    target_rolled_out_at: datetime | None = None
    endpoints_changed_at: datetime | None = None
    finalizer_controllers: Mapping[str, bool] = field(default_factory=dict)
    first_seen: Mapping[str, datetime] = field(default_factory=dict)
    previous_logs: Mapping[tuple[str, str], str] = field(default_factory=dict)
    secret_values: frozenset[str] = field(default=frozenset(), repr=False)


EMPTY = HealthContext()
