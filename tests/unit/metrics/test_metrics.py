"""What is counted: by the names that dashboards know, and never without a bound."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families

from rollwright.engine.listening.pending import Pending
from rollwright.engine.listening.running import Ended
from rollwright.engine.progress import Counted
from rollwright.engine.telling import metrics as module
from rollwright.engine.telling.metrics import FAMILIES, OLDER, OTHER, OURS, Metrics
from rollwright.errors import Unreachable
from rollwright.plugins.contracts import Firing
from rollwright.rollouts.manifest import ObjectRef

GOOD = {"app": "shop", "cluster": ""}


def a_pending(name="shop", **more):
    given = {"instance": name, "rollout": name, "cluster": "", "trigger": "go", "kind": "git"}
    return Pending(**{**given, "at": datetime.now(UTC), "firing": Firing(id="1"), **more})


def failed(**more):
    return Ended(outcome="failed", message="no", **more)


async def test_a_run_is_counted_by_its_outcome(estate):
    estate.declare("shop")
    await estate.listen()

    assert estate.value("rollwright_runs_total", **GOOD, outcome="succeeded") == 1


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("rollout_executions_total", {}),
        ("rollout_execution_duration_seconds_count", {}),
        ("run_latency_seconds_count", {"success": "true"}),
        ("namespace_apply_count", {"namespace": "shop", "success": "true"}),
        ("kube_applier_last_run_success", {"namespace": "shop"}),
        (
            "kube_applier_run_latency_seconds_count",
            {"namespace": "shop", "success": "true", "dryrun": "false"},
        ),
        ("hive_syncsetinstance_resources_applied_total", {"type": "apply", "result": "success"}),
        ("rollwright_run_duration_seconds_count", GOOD),
        ("rollwright_phase_duration_seconds_count", {"cluster": "", "phase": "render"}),
        ("rollwright_answer_seconds_count", {"cluster": ""}),
        ("rollwright_app_status", {**GOOD, "phase": "succeeded"}),
        ("rollwright_objects", GOOD),
        ("rollwright_changes_total", {**GOOD, "operation": "create"}),
        ("rollwright_lock_wait_seconds_count", {"cluster": ""}),
        ("rollwright_renders_total", {"result": "miss"}),
        ("rollwright_firings_total", {"kind": "oneoff"}),
        ("rollwright_rollouts", {}),
        ("rollwright_triggers", {"kind": "oneoff"}),
    ],
)
async def test_one_good_run_counts_one(estate, name, labels):
    estate.declare("shop")
    await estate.listen()

    assert estate.value(name, **labels) == 1


async def test_requests_are_counted_as_the_cluster_counts_them(estate):
    estate.declare("shop")
    await estate.listen()

    assert estate.value("rollwright_api_requests_total", cluster="", kind="apply") == 1


async def test_what_is_as_it_was_needs_no_dry_run(estate):
    estate.declare("shop")
    for _ in range(2):
        estate.metrics = Metrics()
        await estate.listen()

    assert estate.value("rollwright_dry_runs_saved_total", **GOOD) == 1


async def test_a_failed_run_counts_as_failed_by_both_names(estate):
    estate.declare("shop")
    service = estate.service()
    pending = a_pending()
    estate.meter.listener(pending)
    service.dispatcher.ended(pending, failed(cause="LockLost"), 1.0)

    assert estate.value("rollout_executions_failed_total") == 1
    assert estate.value("rollwright_lock_losses_total", cluster="") == 1
    assert estate.value("rollwright_run_errors_total", cause="LockLost") == 1


async def test_the_status_of_an_app_is_one_at_a_time(estate):
    estate.declare("shop")
    estate.service()
    estate.meter.ended(a_pending(), failed(), 1.0)
    estate.meter.ended(a_pending(), Ended(outcome="succeeded", message="", is_good=True), 1.0)

    assert estate.value("rollwright_app_status", **GOOD, phase="failed") == 0
    assert estate.value("rollwright_app_status", **GOOD, phase="succeeded") == 1


async def test_a_run_that_waits_for_a_person_has_no_duration_yet(estate):
    estate.declare("shop")
    estate.service()
    estate.meter.ended(a_pending(), Ended(outcome="waiting", message="for Ada"), 1.0)

    assert estate.value("rollout_executions_total") == 0
    assert estate.value("rollwright_runs_total", **GOOD, outcome="waiting") == 1


async def test_an_outcome_that_nobody_knows_is_a_failure(estate):
    estate.declare("shop")
    estate.service()
    estate.meter.ended(a_pending(), Ended(outcome="any word at all", message=""), 1.0)

    assert estate.value("rollwright_runs_total", **GOOD, outcome="failed") == 1


async def test_what_somebody_changed_by_hand_is_drift(estate):
    estate.declare("shop")
    await estate.listen()
    ref = ObjectRef("", "ConfigMap", "shop", "shop")
    wanted = estate.meter._wanted
    estate.cluster.put({**estate.cluster.objects[ref], "data": {"k": "by hand"}})
    service = estate_again(estate, wanted)
    await estate.listen(service)

    assert estate.value("rollwright_drifted_objects", **GOOD) == 1


async def test_what_was_asked_for_is_no_drift(estate):
    estate.declare("shop")
    await estate.listen()
    wanted = estate.meter._wanted
    estate.write("shop", more="of it")
    await estate.listen(estate_again(estate, wanted))

    assert estate.value("rollwright_drifted_objects", **GOOD) is None


def estate_again(estate, wanted):
    estate.metrics = Metrics()
    service = estate.service()
    estate.meter._wanted.update(wanted)
    return service


class Away:
    """A store that does not answer."""

    async def load(self, _name):
        raise Unreachable("the store is away")


async def test_a_firing_that_cannot_be_noted_is_a_failure_of_the_queue(estate):
    estate.declare("shop")
    service = estate.service()
    service.site.use_store(Away())
    with pytest.raises(Unreachable):
        await service.dispatcher.accept(service.declared.trigger("shop-go"), "git", Firing(id="1"))

    assert estate.value("kube_applier_run_queue_failures", namespace="shop", type="git") == 1


async def test_what_waits_shows_in_its_lane_and_by_its_kind(estate):
    estate.declare("shop")
    service = estate.service()
    await service.dispatcher.accept(service.declared.trigger("shop-go"), "git", Firing(id="1"))

    assert estate.value("rollwright_queue_depth", lane="smooth") == 1
    assert estate.value("kube_applier_run_queue", namespace="shop", type="git") == 1


async def test_a_trigger_that_broke_off_shows_by_its_kind(estate):
    estate.declare("shop")
    service = estate.service()
    service.listening.faults["shop-go"] = "away"

    assert estate.value("rollwright_trigger_faults", kind="oneoff") == 1


@pytest.mark.parametrize(
    ("what", "name", "labels"),
    [
        (
            Counted("database", "error", 0.2),
            "database_transaction_duration_seconds_count",
            {"result": "error"},
        ),
        (Counted("render", "hit"), "rollwright_renders_total", {"result": "hit"}),
        (
            Counted("feedback slack", "delivered"),
            "rollwright_feedback_total",
            {"sink": "slack", "outcome": "delivered"},
        ),
    ],
)
async def test_what_is_told_outside_of_runs_counts_too(estate, what, name, labels):
    estate.declare("shop")
    estate.service().site.tell(what)

    assert estate.value(name, **labels) == 1


async def test_deliveries_are_counted_by_what_became_of_them(estate):
    estate.declare("shop")
    estate.service()
    estate.meter.delivery("webhook", "not noted")

    name = "rollwright_webhook_deliveries_total"
    assert estate.value(name, kind="webhook", outcome="not-noted") == 1


def test_beyond_the_bound_names_are_other():
    metrics = Metrics(max_values=2)
    for app in "abcd":
        metrics.add("rollwright_runs_total", app=app, cluster="c", outcome="failed")
    labels = {"app": OTHER, "cluster": "c", "outcome": "failed"}

    assert metrics.registry.get_sample_value("rollwright_runs_total", labels) == 2


async def test_instances_of_a_key_are_counted_as_their_rollout(estate):
    estate.declare("shop")
    estate.service()
    for key in range(50):
        estate.meter.ended(a_pending(instance=f"shop-{key}"), failed(), 1.0)

    assert estate.value("rollwright_runs_total", **GOOD, outcome="failed") == 50


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_no_label_is_without_a_bound(family):
    unbounded = {"name", "object", "message", "instance", "key", "revision", "file", "trigger"}

    assert set(family.labels) & unbounded == set()


def test_every_older_name_stands_in_the_table_with_its_owner():
    text = module.__doc__ or ""

    assert [one.name for one in OLDER if f"``{one.name}" not in text] == []


def test_ours_all_begin_alike():
    assert [one.name for one in OURS if not one.name.startswith("rollwright_")] == []


async def test_what_is_exposed_is_what_the_table_says(estate):
    estate.declare("shop")
    await estate.listen()
    text, _ = estate.metrics.shown()
    shown = {one.name for one in families(text.decode())}
    known = {name.removesuffix("_total") for name in FAMILIES} | set(FAMILIES)

    assert {name for name in shown if not name.endswith("_created")} <= known


async def test_who_asks_for_open_metrics_gets_them(estate):
    estate.declare("shop")
    await estate.listen()
    text, kind = estate.metrics.shown("application/openmetrics-text; version=1.0.0")

    assert kind.startswith("application/openmetrics-text")
    assert len(list(open_families(text.decode()))) > len(OURS)


def test_two_services_share_no_figures():
    one, other = Metrics(), Metrics()
    one.add("rollout_executions_total")

    assert other.registry.get_sample_value("rollout_executions_total") == 0


def test_importing_it_imports_no_client_library():
    code = (
        "import sys, rollwright.engine.telling.metrics; print('prometheus_client' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


async def test_what_is_declared_no_more_is_shown_no_more(estate):
    estate.declare("shop")
    estate.service()
    estate.meter.ended(a_pending(), failed(), 1.0)
    del estate.meter.rollouts["shop"]
    estate.metrics.shown()

    assert estate.value("rollwright_app_status", **GOOD, phase="failed") is None


@pytest.mark.parametrize(("options", "seconds"), [({"every": "1m30s"}, 90), ({}, 300)])
async def test_the_interval_of_a_namespace_has_its_older_name(estate, options, seconds):
    estate.declare("shop", use="interval", options=options)
    estate.service()
    prefix = "kube_applier_waybill_spec"

    assert estate.value(f"{prefix}_run_interval", namespace="shop") == seconds
    assert estate.value(f"{prefix}_auto_apply", namespace="shop") == 1
    assert estate.value(f"{prefix}_dry_run", namespace="shop") == 0


async def test_what_is_suspended_does_not_start_by_itself(estate):
    estate.declare("shop", use="interval", suspend=True)
    estate.service()

    assert estate.value("kube_applier_waybill_spec_auto_apply", namespace="shop") == 0
