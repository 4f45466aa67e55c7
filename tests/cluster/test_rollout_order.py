"""The order in which requests leave, seen at the port, and what stops the line."""

from __future__ import annotations

import secrets

import pytest

from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster


class Recording:
    """A cluster port that notes the writes, as they are sent and as they are answered."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.sent = []
        self.answered = []
        self.watched = []

    def __getattr__(self, name):
        return getattr(self.cluster, name)

    async def apply(self, request):
        if request.is_dry_run:
            return await self.cluster.apply(request)
        self.sent.append(request.ref)
        answer = await self.cluster.apply(request)
        self.answered.append((request.ref, len(self.sent)))
        return answer

    def watch(self, request):
        self.watched.append(request)
        return self.cluster.watch(request)


@pytest.fixture
async def recording(shop):
    """Carry the shop's rollout out through a recording port."""

    async def carry_out():
        async with shop.open() as site:
            recording = Recording(await site.cluster(shop.load().spec))
            site.use_cluster(recording, "here")
            return await shop.rollout(site=site), recording

    return carry_out


@pytest.fixture
def group(shop, kubectl):
    """An API group that no other test uses; what the test made of it goes at the end."""
    group = f"{secrets.token_hex(4)}.example.com"
    yield group
    later = "--wait=false", "--ignore-not-found"
    kubectl("delete", "validatingwebhookconfiguration", f"deny.{group}", *later)
    kubectl("delete", "namespace", f"{shop.name}-x", *later)
    kubectl("delete", "crd", f"baskets.{group}", *later)


def place(recording, name):
    return next(number for number, ref in enumerate(recording.sent) if ref.name == name)


async def test_what_is_needed_comes_first_and_hooks_of_the_api_last(shop, make, recording, group):
    extra = f"{shop.name}-x"
    shop.declare(prune={"protect": []})
    hook = {
        "name": f"deny.{group}", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail",
        "clientConfig": {"service": {"name": "hook", "namespace": shop.name}},
        "rules": [{"apiGroups": [group], "apiVersions": ["v1"], "operations": ["*"], "resources": ["*"]}],
    }  # fmt: skip
    shop.write(
        {"apiVersion": f"{group}/v1", "kind": "Basket", "metadata": {"name": "one", "namespace": extra},
         "status": {}},
        make.crd(group),
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": extra}},
        {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
         "metadata": {"name": f"deny.{group}"}, "webhooks": [hook]},
        make.service("hook"),
        make.deployment("hook"),
    )  # fmt: skip

    report, recorded = await recording()

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert place(recorded, f"baskets.{group}") < place(recorded, "one")
    assert place(recorded, extra) < place(recorded, "one")
    assert recorded.sent[-1].kind == "ValidatingWebhookConfiguration"
    assert is_linear_extension(report.plan, recorded)


def is_linear_extension(plan, recorded):
    """Whether every request left after the answers to those it needs."""
    sent = {ref: number for number, ref in enumerate(recorded.sent)}
    answered = dict(recorded.answered)
    gates = {
        gate.id: gate.members for wave in plan.waves for step in wave.steps for gate in step.gates
    }
    for change in plan.changes:
        before = [edge.ref for edge in change.needs]
        before += [ref for gate in change.gates for ref in gates[gate]]
        for ref in before:
            if ref in answered and answered[ref] > sent[change.ref] + 1:
                return False
            if ref in sent and sent[ref] > sent[change.ref]:
                return False
    return True


async def test_waves_are_barriers(shop, make, recording):
    def in_wave(body, number):
        annotations = {"rollwright.dev/wave": str(number)}
        return {**body, "metadata": {**body["metadata"], "annotations": annotations}}

    shop.write(
        in_wave(make.config("last"), 2),
        in_wave(make.deployment("web", "slow-start"), 1),
        in_wave(make.config("first"), 0),
    )

    report, recorded = await recording()

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert [ref.name for ref in recorded.sent] == ["first", "web", "last"]
    web = next(change for change in report.changes if change.ref.name == "web")
    last = next(change for change in report.changes if change.ref.name == "last")
    assert web.ended_at <= last.started_at


async def test_a_failure_stops_what_depends_on_it_and_lets_the_others_end(shop, make, recording):
    annotations = {"rollwright.dev/depends-on": f"apps/namespaces/{shop.name}/Deployment/broken"}
    impatient = {"rollwright.dev/timeout": "1s"}
    shop.write(
        make.deployment("broken", "never-ready", annotations=impatient),
        make.deployment("dependant", annotations=annotations),
        make.deployment("other", "slow-start"),
    )

    report, _ = await recording()

    outcomes = {change.ref.name: change for change in report.changes}
    assert report.outcome is Outcome.TIMED_OUT
    assert outcomes["dependant"].outcome is Outcome.SKIPPED
    assert outcomes["dependant"].message == f"because Deployment/{shop.name}/broken did not succeed"
    assert outcomes["other"].outcome is Outcome.SUCCEEDED
    assert await shop.get("Deployment", "dependant") is None


async def test_a_kind_is_watched_once_however_many_objects_are_waited_for(shop, make, recording):
    shop.write(*(make.deployment(f"web-{number}") for number in range(6)))

    report, recorded = await recording()

    assert report.outcome is Outcome.SUCCEEDED
    assert len(recorded.watched) == len(set(recorded.watched))
    assert [one.kind for one in recorded.watched].count("Deployment") == 1


async def test_a_thousand_objects_in_one_rollout(shop, make, recording, written):
    shop.write(every="\n---\n".join(ONE.format(number=number) for number in range(1000)))

    report, recorded = await recording()

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert len(recorded.sent) == 1000
    assert report.calls["watch"] == 0
    assert written(await shop.plan()) == {}


ONE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c-{number}}}\ndata: {{key: value}}"
