"""Admission webhooks and missing rights, on a real API server (AP-65, AP-66, AP-71)."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from base64 import b64encode
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from rollwright.errors import ClusterError, GuardRefused, Refused
from rollwright.rollouts.change import Prediction
from rollwright.rollouts.report import Outcome
from rollwright.sandbox.certificates import Authority

pytestmark = pytest.mark.cluster

LIMIT = 1
"""Seconds that the API server waits for a webhook."""


@pytest.fixture
def shop(shop):
    shop.declare(prune={"protect": []}, validate=[])
    return shop


async def approved(shop):
    """Roll out as somebody who looked at the plan and said yes to it."""
    plan = await shop.plan()
    return await shop.rollout(approved=plan.id)


@asynccontextmanager
async def webhook(shop, kubectl, tmp_path, answer, *, kind="Validating"):
    """A webhook for ConfigMaps of the test's namespaces; ``answer`` maps a review to a response."""
    authority = Authority(f"{shop.name}-hooks")
    pair = authority.server("webhook")
    (tmp_path / "hook.pem").write_bytes(pair.certificate + pair.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "hook.pem")

    async def handle(request):
        review = (await request.json())["request"]
        response = {"uid": review["uid"], **await answer(review)}
        return web.json_response(
            {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
        )

    app = web.Application()
    app.router.add_post("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    name = f"{kind.lower()}.{shop.name}.example.com"
    names = {"key": "kubernetes.io/metadata.name", "operator": "In",
             "values": [shop.name, f"{shop.name}-new"]}  # fmt: skip
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
            "resources": ["configmaps"]}  # fmt: skip
    bundle = b64encode(authority.pair.certificate).decode()
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{
            "name": name, "failurePolicy": "Fail", "sideEffects": "NoneOnDryRun",
            "admissionReviewVersions": ["v1"], "timeoutSeconds": LIMIT, "rules": [rule],
            "namespaceSelector": {"matchExpressions": [names]},
            "clientConfig": {"url": f"https://127.0.0.1:{port}/", "caBundle": bundle},
        }],
    }  # fmt: skip
    await asyncio.to_thread(kubectl, "create", "-f", "-", stdin=json.dumps(configuration))
    try:
        yield name
    finally:
        await asyncio.to_thread(kubectl, "delete", f"{kind}WebhookConfiguration".lower(), name)
        await runner.cleanup()


async def no_dry_run(review):
    """What a webhook with side effects says to a dry run."""
    if not review.get("dryRun"):
        return {"allowed": True}
    status = {"code": 400, "message": "this webhook does not support dry run"}
    return {"allowed": False, "status": status}


def probed(review):
    """Refuse nothing but the object that ``active`` asks with."""
    is_probe = review["name"] == "probe"
    return {"allowed": not is_probe, "status": {"message": "probe seen"}}


async def active(shop, kubectl, until):
    """Wait until the API server knows of a webhook."""
    body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}})
    command = ("-n", shop.name, "create", "--dry-run=server", "-f", "-")
    for _ in range(100):
        try:
            await asyncio.to_thread(kubectl, *command, stdin=body)
        except AssertionError as error:
            if until in str(error):
                return
        await asyncio.sleep(0.1)
    pytest.fail("the webhook was never called")


async def test_a_webhook_without_dry_run_makes_an_object_unpredictable(
    shop, make, kubectl, tmp_path
):
    shop.write(make.config("a"))

    async with webhook(shop, kubectl, tmp_path, no_dry_run) as name:
        await active(shop, kubectl, "dry run")
        plan = await shop.plan()
        with pytest.raises(Refused, match="needs an approval"):
            await shop.rollout()
        report = await approved(shop)

    (change,) = plan.changes
    assert change.prediction is Prediction.NONE
    assert name in " ".join(change.notes)
    assert [guard.id for guard in plan.breached] == ["AP-65"]
    assert report.outcome is Outcome.SUCCEEDED, report.message


POLICIES = {"allow": None, "refuse": GuardRefused}


@pytest.mark.parametrize("policy", POLICIES)
async def test_the_policy_says_what_becomes_of_an_unpredictable_object(
    shop, make, kubectl, tmp_path, policy
):
    shop.declare(apply={"unpredictable": policy})
    shop.write(make.config("a"))
    error = None

    async with webhook(shop, kubectl, tmp_path, no_dry_run):
        await active(shop, kubectl, "dry run")
        try:
            await (shop.rollout() if policy == "allow" else approved(shop))
        except GuardRefused as refused:
            error = type(refused)

    assert error is POLICIES[policy]
    assert bool(await shop.get("ConfigMap", "a")) is (policy == "allow")


async def test_a_dry_run_that_times_out_in_a_webhook_once_is_asked_again(
    shop, make, kubectl, tmp_path
):
    slow = {"count": 0}

    async def answer(review):
        if review["name"] == "a":
            slow["count"] += 1
            if slow["count"] == 1:
                await asyncio.sleep(3)
        return probed(review)

    shop.write(make.config("a"))
    async with webhook(shop, kubectl, tmp_path, answer):
        await active(shop, kubectl, "probe seen")
        plan = await shop.plan()

    (change,) = plan.changes
    assert change.prediction is Prediction.SERVER


async def test_a_webhook_that_never_answers_makes_an_object_unpredictable(
    shop, make, kubectl, tmp_path
):
    async def answer(review):
        if review["name"] == "a":
            await asyncio.sleep(3)
        return probed(review)

    shop.write(make.config("a"))
    async with webhook(shop, kubectl, tmp_path, answer) as name:
        await active(shop, kubectl, "probe seen")
        plan = await shop.plan()

    (change,) = plan.changes
    assert change.webhook == name


async def test_admission_that_contradicts_the_simulation_stops_the_run(
    shop, make, kubectl, tmp_path
):
    async def answer(review):
        if review["name"] != "settings":
            return probed(review)
        patch = json.dumps([{"op": "replace", "path": "/data/key", "value": "other"}]).encode()
        return {"allowed": True, "patchType": "JSONPatch", "patch": b64encode(patch).decode()}

    namespace = f"{shop.name}-new"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    shop.write(space, make.config("settings", namespace))
    async with webhook(shop, kubectl, tmp_path, answer, kind="Mutating"):
        await active(shop, kubectl, "probe seen")
        report = await shop.rollout()

    left = kubectl("-n", namespace, "get", "configmaps", "-o", "name")
    await shop.remove()
    assert report.outcome is Outcome.FAILED
    (failure,) = report.failures
    assert "data.key would be 'other'" in failure.message
    assert "settings" not in left


# ---------------------------------------------------------------- rights


async def test_every_missing_right_is_told_at_once(shop, make, kubectl, sandbox, tmp_path):
    kubectl("-n", shop.name, "create", "serviceaccount", "poor")
    token = kubectl("-n", shop.name, "create", "token", "poor").strip()
    raw = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    raw["users"] = [{"name": "poor", "user": {"token": token}}]
    raw["contexts"][0]["context"]["user"] = "poor"
    path = tmp_path / "poor.kubeconfig"
    path.write_text(json.dumps(raw))
    kubectl("-n", shop.name, "create", "role", "some", "--verb=get,list,create",
            "--resource=secrets,leases,configmaps")  # fmt: skip
    kubectl("-n", shop.name, "create", "rolebinding", "some", "--role=some",
            f"--serviceaccount={shop.name}:poor")  # fmt: skip
    shop.settle(kubeconfig=path)
    shop.write(make.config("a"), make.service("web"))

    with pytest.raises(ClusterError) as caught:
        await shop.rollout()

    assert caught.value.exit_code == 2
    assert re.search(r"patch, watch configmaps in namespace", caught.value.message)
    assert re.search(r"create, get, list, patch, watch services", caught.value.message)
