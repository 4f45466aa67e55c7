"""The queue, the triggers and the requests at the moment that somebody looks.

Before: somebody asks for the metrics. After: they have figures of that moment, and nothing was
counted while nobody looked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol, runtime_checkable

from rollwright.engine.documents import LoadedRollout
from rollwright.engine.listening.pending import Pending
from rollwright.engine.listening.running import Ended
from rollwright.engine.listening.service import Service
from rollwright.engine.progress import Counted, Listener, Progress, both
from rollwright.engine.telling.metering import Meter
from rollwright.engine.telling.metrics import Metrics, scraped_family
from rollwright.rollouts.spec.durations import parse_duration
from rollwright.rollouts.spec.trigger import TriggerSpec

Rows = Iterator[tuple[tuple[str, ...], float]]


@runtime_checkable
class _Answering(Protocol):
    """A cluster that knows how it was answered, by request and status."""

    @property
    def answers(self) -> Mapping[tuple[str, int], int]: ...


# A registry keeps its collectors by their identity.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gauges:
    """A collector of what a service has to tell.

    Attributes:
        service: The site that listens.
        meter: Knows the names that are told apart.
    """

    service: Service
    meter: Meter

    def describe(self) -> tuple[Any, ...]:
        """Say nothing beforehand; the registry then takes the names as they come."""
        return ()

    def collect(self) -> Iterator[Any]:
        """Yield every family."""
        queue, declared = self.service.dispatcher.queue, self.service.declared
        depth = queue.depth().items()
        yield scraped_family(
            "rollwright_queue_depth", (((lane.value,), count) for lane, count in depth)
        )
        yield _one("rollwright_queue_oldest_seconds", queue.oldest(monotonic()))
        yield _one("rollwright_running", len(queue.running()))
        yield _one("rollwright_rollouts", len(declared.rollouts))
        yield _one("rollwright_declaration_faults", len(declared.faults))
        yield scraped_family("kube_applier_run_queue", self._waiting())
        yield from self._triggers()
        yield from self._declared()
        self.meter.forget_lost()
        yield scraped_family("rollwright_api_requests_total", self._requests())
        yield scraped_family("rollwright_api_answers_total", self._answers())

    def _waiting(self) -> Rows:
        bounded = self.meter.metrics.bounded
        counts = Counter(
            (bounded("namespace", self.meter.namespace(one.rollout)), one.kind)
            for _, one in self.service.dispatcher.queue.waiting()
        )
        return iter(counts.items())

    def _triggers(self) -> Iterator[Any]:
        names = {
            f"{one.name}-{index}" if index else one.name: use.name
            for one in self.service.declared.triggers
            for index, use in enumerate(one.when)
        }
        kinds, faults = Counter(names.values()), self.service.listening.faults
        broken = Counter(kind for name, kind in names.items() if name in faults)
        yield scraped_family("rollwright_triggers", (((kind,), n) for kind, n in kinds.items()))
        yield scraped_family(
            "rollwright_trigger_faults", (((kind,), broken[kind]) for kind in kinds)
        )

    def _declared(self) -> Iterator[Any]:
        """Yield what older systems told of their documents, by namespace."""
        automatic: dict[str, int] = {}
        intervals: dict[str, float] = {}
        for trigger in self.service.declared.triggers:
            for one in self._chosen(trigger):
                namespace = self.meter.metrics.bounded(
                    "namespace", self.meter.namespace(one.spec.name)
                )
                is_on = not (trigger.suspend or one.spec.suspend)
                automatic[namespace] = max(automatic.get(namespace, 0), int(is_on))
                if seconds := _shortest(trigger):
                    intervals[namespace] = min(intervals.get(namespace, seconds), seconds)
        prefix = "kube_applier_waybill_spec"
        yield scraped_family(f"{prefix}_auto_apply", (((n,), v) for n, v in automatic.items()))
        yield scraped_family(f"{prefix}_dry_run", (((n,), 0) for n in automatic))
        yield scraped_family(f"{prefix}_run_interval", (((n,), v) for n, v in intervals.items()))

    def _chosen(self, trigger: TriggerSpec) -> Iterable[LoadedRollout]:
        """Return the rollouts of a trigger; a thousand that name theirs are no million looks."""
        declared = self.service.declared
        names = [one.name for one in trigger.rollouts]
        if not all(names):
            return declared.chosen(trigger)
        return [declared.rollouts[name] for name in names if name in declared.rollouts]

    def _requests(self) -> Rows:
        for name, cluster in self.service.site.connected().items():
            for kind, count in cluster.calls.items():
                yield (name, kind), count

    def _answers(self) -> Rows:
        for name, cluster in self.service.site.connected().items():
            answers = cluster.answers if isinstance(cluster, _Answering) else {}
            for (kind, status), count in answers.items():
                yield (name, kind, str(status) if status else "none"), count


def _shortest(trigger: TriggerSpec) -> float:
    """Return the seconds from one run by interval to the next; zero if there are none."""
    given = [one.options.get("every", "5m") for one in trigger.when if one.name == "interval"]
    return min((parse_duration(str(one)).total_seconds() for one in given), default=0.0)


def _one(name: str, value: float) -> Any:
    return scraped_family(name, iter([((), value)]))


def measured(service: Service, metrics: Metrics) -> Meter:
    """Count everything that a service does from now on; whoever listened so far still does."""
    dispatcher, site = service.dispatcher, service.site
    meter = Meter(metrics=metrics, rollouts=service.declared.rollouts)
    listener, ended, tell = dispatcher.listener, dispatcher.ended, site.tell

    def listen(pending: Pending) -> Listener:
        return both(listener(pending), meter.listener(pending))

    def end(pending: Pending, how: Ended, seconds: float) -> None:
        meter.ended(pending, how, seconds)
        ended(pending, how, seconds)

    def take(progress: Progress) -> None:
        if isinstance(progress, Counted):
            meter.count(progress)

    dispatcher.listener, dispatcher.ended, dispatcher.asked = listen, end, meter.asked
    site.tell = both(tell, take)
    metrics.collect_from(Gauges(service=service, meter=meter))
    return meter
