"""What Rollwright counts, by which names, and whose names those are.

Before: ``metering`` hears what runs tell. After: ``webhooks.probes`` shows it at ``/metrics``.

Dashboards and alerts of older systems go on: what they counted has the name it had there.

========================================================== =========================================
name                                                       whose
========================================================== =========================================
``rollout_execution_duration_seconds``                     rollout documents (service and command)
``rollout_executions_total``                               rollout documents
``rollout_executions_failed_total``                        rollout documents
``database_transaction_duration_seconds{result}``          rollout documents in a database
``run_latency_seconds{success}``                           directories, 0.4
``namespace_apply_count{namespace,success}``               directories, 0.4
``last_run_timestamp_seconds``                             directories, 2.5
``kube_applier_run_latency_seconds{namespace,success,…}``  directories, waybill
``kube_applier_namespace_apply_count{namespace,success}``  directories, waybill
``kube_applier_last_run_success{namespace}``               directories, waybill
``kube_applier_last_run_timestamp_seconds{namespace}``     directories, waybill
``kube_applier_run_queue{namespace,type}``                 directories, waybill
``kube_applier_run_queue_failures{namespace,type}``        directories, waybill
``kube_applier_waybill_spec_auto_apply{namespace}``        directories, waybill
``kube_applier_waybill_spec_dry_run{namespace}``           directories, waybill
``kube_applier_waybill_spec_run_interval{namespace}``      directories, waybill
``kube_applier_git_sync_count{success}``                   directories, waybill
``kube_applier_git_sync_latency_seconds{success}``         directories, waybill
``kube_applier_git_last_sync_timestamp``                   directories, waybill
``hive_syncsetinstance_resources_applied_total{…}``        sync sets
``rollwright_…``                                           ours
========================================================== =========================================

No label takes whatever comes (FB-11): objects, keys and messages are none, instances of one
rollout are counted as that rollout, and beyond ``MAX_VALUES`` names of a kind the rest is
``other``. So older metrics that had names of objects or exit codes of kubectl are not here.

Older counters without ``_total`` are exposed as gauges, because the client library would rename
them; ``rate()`` and ``increase()`` work on them all the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.registry import Collector

Kind = Literal["counter", "gauge", "histogram", "summary", "scraped"]

MAX_VALUES = 1000
"""How many rollouts, clusters and namespaces are told apart."""
OTHER = "other"
"""What the rest is called."""

BOUNDED = frozenset({"app", "cluster", "namespace", "sink"})
"""Labels whose values are declared by people; all others are words of this program."""

RUN_BUCKETS = (1.0, 5.0, 10.0, 30.0, 60.0, 90.0, 120.0, 150.0, 300.0, 600.0)
"""Those of the older systems, so that their dashboards fit."""
PHASE_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
SHORT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name as it is exposed, its kind, what it means, its labels."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = field(default=())


def _counter(name: str, help_: str, *labels: str) -> Family:
    return Family(name, "counter", help_, labels)


def _gauge(name: str, help_: str, *labels: str) -> Family:
    return Family(name, "gauge", help_, labels)


def _scraped(name: str, help_: str, *labels: str) -> Family:
    return Family(name, "scraped", help_, labels)


OLDER = (
    Family("rollout_execution_duration_seconds", "summary", "Seconds that runs took."),
    _counter("rollout_executions_total", "Runs that ended."),
    _counter("rollout_executions_failed_total", "Runs that did not end well."),
    Family(
        "database_transaction_duration_seconds",
        "histogram",
        "Seconds of transactions with databases of the site.",
        ("result",),
        SHORT_BUCKETS,
    ),
    Family("run_latency_seconds", "histogram", "Seconds of runs.", ("success",), RUN_BUCKETS),
    _gauge("namespace_apply_count", "Runs by target namespace.", "namespace", "success"),
    _gauge("last_run_timestamp_seconds", "When the last run ended."),
    Family(
        "kube_applier_run_latency_seconds",
        "histogram",
        "Seconds of runs by target namespace.",
        ("namespace", "success", "dryrun"),
        RUN_BUCKETS,
    ),
    _gauge(
        "kube_applier_namespace_apply_count", "Runs by target namespace.", "namespace", "success"
    ),
    _gauge("kube_applier_last_run_success", "Whether the last run went well.", "namespace"),
    _gauge("kube_applier_last_run_timestamp_seconds", "When the last run ended.", "namespace"),
    _scraped("kube_applier_run_queue", "Runs that wait.", "namespace", "type"),
    _gauge(
        "kube_applier_run_queue_failures",
        "Requests that could not be queued; who fired tries again.",
        "namespace",
        "type",
    ),
    _scraped(
        "kube_applier_waybill_spec_auto_apply",
        "Whether triggers start rollouts of the namespace.",
        "namespace",
    ),
    _scraped("kube_applier_waybill_spec_dry_run", "Always 0: a trigger applies.", "namespace"),
    _scraped(
        "kube_applier_waybill_spec_run_interval",
        "Seconds between runs by interval, of the most frequent rollout.",
        "namespace",
    ),
    _gauge("kube_applier_git_sync_count", "Fetches of git sources.", "success"),
    Family(
        "kube_applier_git_sync_latency_seconds",
        "histogram",
        "Seconds of fetches of git sources.",
        ("success",),
        PHASE_BUCKETS,
    ),
    _gauge("kube_applier_git_last_sync_timestamp", "When a git source was fetched last."),
    _counter(
        "hive_syncsetinstance_resources_applied_total",
        "Objects that were written, by the way.",
        "type",
        "result",
    ),
)
"""Families of older systems."""

OURS = (
    _counter("rollwright_runs_total", "Runs that ended.", "app", "cluster", "outcome"),
    Family(
        "rollwright_run_duration_seconds",
        "histogram",
        "Seconds of runs, from the turn in the queue to the end.",
        ("app", "cluster"),
        RUN_BUCKETS,
    ),
    Family(
        "rollwright_phase_duration_seconds",
        "histogram",
        "Seconds of each phase of runs.",
        ("cluster", "phase"),
        PHASE_BUCKETS,
    ),
    Family(
        "rollwright_answer_seconds",
        "histogram",
        "Seconds from a firing to the end of the run that answers it.",
        ("cluster",),
        RUN_BUCKETS,
    ),
    _gauge("rollwright_app_status", "1 for how the last run ended.", "app", "cluster", "phase"),
    _gauge(
        "rollwright_last_success_timestamp_seconds", "When it last went well.", "app", "cluster"
    ),
    _gauge("rollwright_objects", "Objects of the last plan.", "app", "cluster"),
    _counter("rollwright_changes_total", "Objects written.", "app", "cluster", "operation"),
    _counter("rollwright_dry_runs_saved_total", "Objects that needed none.", "app", "cluster"),
    _gauge(
        "rollwright_drifted_objects",
        "Objects that the last run found changed although nothing else was asked for.",
        "app",
        "cluster",
    ),
    _counter("rollwright_guard_breaches_total", "Guards that were breached.", "app", "cluster"),
    _counter("rollwright_run_errors_total", "Runs that broke off, by kind of error.", "cause"),
    _counter("rollwright_lock_losses_total", "Runs that lost their lock.", "cluster"),
    Family(
        "rollwright_lock_wait_seconds",
        "histogram",
        "Seconds that runs waited for their lock and their place.",
        ("cluster",),
        PHASE_BUCKETS,
    ),
    _counter("rollwright_renders_total", "Renderings, kept ones (hit) and new ones.", "result"),
    _counter("rollwright_feedback_total", "What was told to others.", "sink", "outcome"),
    _counter("rollwright_webhook_deliveries_total", "Deliveries that came in.", "kind", "outcome"),
    _counter("rollwright_firings_total", "Firings that were taken.", "kind"),
    _scraped("rollwright_queue_depth", "Runs that wait.", "lane"),
    _scraped("rollwright_queue_oldest_seconds", "Seconds that the oldest due one waits."),
    _scraped("rollwright_running", "Runs at work."),
    _scraped("rollwright_triggers", "Triggers that are declared.", "kind"),
    _scraped("rollwright_trigger_faults", "Triggers whose last try failed.", "kind"),
    _scraped("rollwright_rollouts", "Rollouts that are declared."),
    _scraped("rollwright_declaration_faults", "Documents that cannot be read."),
    _scraped("rollwright_api_requests_total", "API requests.", "cluster", "kind"),
    _scraped("rollwright_api_answers_total", "Answers to them.", "cluster", "kind", "code"),
)
"""Families of our own."""

FAMILIES = {one.name: one for one in (*OLDER, *OURS)}
"""Every family by its name; ``scraped`` ones are asked for when somebody looks."""


class Metrics:
    """A registry of its own, with every family that is counted as things happen.

    Args:
        max_values: How many values of a label that people declare are told apart.
    """

    def __init__(self, *, max_values: int = MAX_VALUES) -> None:
        from prometheus_client import CollectorRegistry  # noqa: PLC0415  (most commands count none)

        self.registry: CollectorRegistry = CollectorRegistry(auto_describe=False)
        self._max_values = max_values
        self._known: dict[str, set[str]] = {label: set() for label in BOUNDED}
        self._counted = {
            one.name: _made(one, self.registry)
            for one in FAMILIES.values()
            if one.kind != "scraped"
        }

    def add(self, name: str, amount: float = 1.0, /, **labels: str) -> None:
        """Count something."""
        self._child(name, labels).inc(amount)

    def put(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge."""
        self._child(name, labels).set(value)

    def observe(self, name: str, seconds: float, /, **labels: str) -> None:
        """Take the seconds of something into a histogram or summary."""
        self._child(name, labels).observe(seconds)

    def drop(self, name: str, /, **labels: str) -> None:
        """Show a series no more whose subject is gone."""
        family = self._counted[name]
        with contextlib.suppress(KeyError):
            family.remove(*(labels[label] for label in FAMILIES[name].labels))

    def bounded(self, label: str, value: str) -> str:
        """Return the value, or ``other`` once there are too many of its kind."""
        if label not in BOUNDED:
            return value
        known = self._known[label]
        if value in known or len(known) < self._max_values:
            known.add(value)
            return value
        return OTHER

    def collect_from(self, collector: Collector) -> None:
        """Ask a collector whenever somebody looks."""
        self.registry.register(collector)

    def shown(self, accept: str = "") -> tuple[bytes, str]:
        """Return everything as text and the type of that text, OpenMetrics if it is asked for."""
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415  (as above)

        encode, kind = choose_encoder(accept)
        return encode(self.registry), kind

    def _child(self, name: str, labels: dict[str, str]) -> Any:
        family = self._counted[name]
        if not labels:
            return family
        return family.labels(**{label: self.bounded(label, one) for label, one in labels.items()})


def _made(family: Family, registry: CollectorRegistry) -> Any:
    import prometheus_client as client  # noqa: PLC0415  (as above)

    words: dict[str, Any] = {"labelnames": family.labels, "registry": registry}
    if family.kind == "histogram":
        return client.Histogram(family.name, family.help, buckets=family.buckets, **words)
    made = {"counter": client.Counter, "gauge": client.Gauge, "summary": client.Summary}
    return made[family.kind](family.name, family.help, **words)


def sample_names() -> frozenset[str]:
    """Return every name that an expression of a dashboard or an alert may use."""
    endings = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
    return frozenset(
        family.name + ending
        for family in FAMILIES.values()
        for ending in endings.get(family.kind, ("",))
    )


def scraped_family(name: str, rows: Iterable[tuple[tuple[str, ...], float]]) -> Any:
    """Return a family that is asked for when somebody looks, with its present values."""
    from prometheus_client.core import (  # noqa: PLC0415  (as above)
        CounterMetricFamily,
        GaugeMetricFamily,
    )

    family = FAMILIES[name]
    make = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    made = make(name, family.help, labels=family.labels)
    for labels, value in rows:
        made.add_metric(labels, value)
    return made
