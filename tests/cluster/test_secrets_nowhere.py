"""Values of Secrets through whole runs: nothing that people, logs or other objects see has them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from hashlib import sha256

import orjson
import pytest

from rollwright.cli import main
from rollwright.plugins.contracts import ApplyRequest
from rollwright.rollouts.manifest import digest_of, ref_of

pytestmark = pytest.mark.cluster

VALUES = ("hunter2-of-the-shop", "correct-horse-battery")
KUBECTL = os.environ.get("ROLLWRIGHT_KUBECTL", "kubectl")
FORMS = ("text", "json", "yaml")


def encode(value):
    return base64.b64encode(value.encode()).decode()


def secret(name="login", value=VALUES[0], **content):
    content = content or {"stringData": {"password": value}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **content}


def guesses(namespace):
    """What would give a value away: itself, its base64, digests that anybody can compute."""
    for value in VALUES:
        yield value
        yield encode(value)
        texts = (value.encode(), encode(value).encode(), orjson.dumps(encode(value)))
        yield from (sha256(text).hexdigest() for text in texts)
        for body in (secret(value=value), secret(data={"password": encode(value)})):
            placed = {**body, "metadata": {**body["metadata"], "namespace": namespace}}
            yield digest_of(placed).removeprefix("sha256:")


class Terminal:
    """The command line around a rollout, and all that it ever printed."""

    def __init__(self, shop, capsys):
        self.shop, self._capsys, self.printed = shop, capsys, ""

    def run(self, command, *words, target=None):
        code = main([command, str(target or self.shop.folder), *words, "--verbose", "--debug"])
        captured = self._capsys.readouterr()
        self.printed += captured.out + captured.err
        return code, captured.out + captured.err

    def found_in(self, text):
        return [one for one in guesses(self.shop.name) if one in text]


@pytest.fixture
async def terminal(shop, capsys, monkeypatch):
    monkeypatch.chdir(shop.folder)
    shop.write(secret(), secret("token", data={"token": encode(VALUES[0])}))
    yield Terminal(shop, capsys)
    await shop.remove()


@pytest.fixture
def changed(terminal):
    """A rollout that was carried out, and whose Secrets have other values since."""
    assert terminal.run("rollout")[0] == 0, terminal.printed
    terminal.shop.write(secret(value=VALUES[1]), secret("token", data={"token": encode(VALUES[1])}))
    return terminal


@pytest.mark.parametrize("form", FORMS)
def test_a_first_plan(terminal, form):
    code, text = terminal.run("plan", "-o", form)

    assert (code, "login" in text) == (0, True), text
    assert terminal.found_in(text) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_plan_of_other_values(changed, form):
    code, text = changed.run("plan", "-o", form)

    assert (code, "password" in text) == (0, True), text
    assert changed.found_in(text) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_rollout_and_its_status(changed, form):
    codes = [changed.run("rollout", "-o", form)[0]]
    codes += [changed.run("status", "-o", form, "--cluster", "here", target=changed.shop.name)[0]]

    assert codes == [0, 0], changed.printed
    assert changed.found_in(changed.printed) == []


@pytest.mark.parametrize(
    "body",
    [
        secret(data={"password": VALUES[1]}),
        secret(data={"password": [VALUES[1]]}),
        secret(data=[VALUES[1]]),
        secret(stringData={"password": {"a": VALUES[1]}}),
        secret(datas={"password": VALUES[1]}),
        secret(type=[VALUES[1]]),
        secret(data={f"not a key {VALUES[1]}"[:9]: encode(VALUES[1])}),
        secret(type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": VALUES[1]}),
        secret(type="kubernetes.io/tls", stringData={"tls.crt": VALUES[1]}),
        secret(data={"password": encode(VALUES[1] * 80_000)}),
    ],
)
@pytest.mark.parametrize("validators", [[], ["schema"]])
def test_a_secret_that_is_refused(terminal, body, validators):
    terminal.shop.declare(validate=validators)
    terminal.shop.write(body)
    code, text = terminal.run("rollout")

    assert (code, "Error:" in text) == (2, True), text
    assert terminal.found_in(text) == []


def test_an_immutable_secret_that_changes(terminal):
    terminal.shop.write(secret(stringData={"password": VALUES[0]}, immutable=True))
    terminal.run("rollout")
    terminal.shop.write(secret(stringData={"password": VALUES[1]}, immutable=True))
    code, text = terminal.run("rollout")

    assert (code != 0, "immutable" in text) == (True, True), text
    assert terminal.found_in(text) == []


async def test_a_field_that_somebody_else_owns(terminal):
    shop = terminal.shop
    body = secret(data={"password": encode(VALUES[1])})
    body["metadata"]["namespace"] = shop.name
    async with shop.cluster() as cluster:
        await cluster.apply(ApplyRequest(ref=ref_of(body), body=body, manager="somebody"))
    plan = await shop.plan()
    shown = repr(plan) + repr(list(plan.changes))

    assert any(change.conflicts for change in plan.changes)
    assert terminal.found_in(shown) == []


def test_a_rollout_that_fails(changed):
    changed.shop.declare(health={"timeout": "20s"})
    changed.shop.write(
        {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {
                        "labels": {"app": "web", "sandbox.rollwright.dev/behavior": "crash-loop"}
                    },
                    "spec": {
                        "containers": [
                            {
                                "name": "main", "image": "shop/web:1",
                                "envFrom": [{"secretRef": {"name": "login"}}],
                            }
                        ]
                    },
                },
            },
        }
    )  # fmt: skip
    code, text = changed.run("rollout")

    assert code == 1, text
    assert changed.found_in(text) == []


def kubectl(shop, *words):
    command = [KUBECTL, "--kubeconfig", str(shop.kubeconfig), "--namespace", shop.name, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def test_no_other_object_has_a_value(changed):
    changed.run("rollout")
    kinds = "configmaps,leases.coordination.k8s.io,events,namespaces"
    text = kubectl(changed.shop, "get", kinds, "-o", "json", "--show-managed-fields")

    assert '"kind": "Lease"' in text
    assert changed.found_in(text) == []


def test_no_secret_of_ours_says_a_value_outside_its_data(changed):
    changed.run("rollout")
    found = json.loads(kubectl(changed.shop, "get", "secrets", "-o", "json"))["items"]
    ours = [one for one in found if one["metadata"]["name"] not in {"login", "token"}]
    shown = json.dumps([{**one, "data": {}} for one in ours])

    assert "installation-key" in shown
    assert changed.found_in(shown) == []


def test_no_file_of_the_store_has_a_value_outside_its_snapshots(terminal, tmp_path):
    folder = tmp_path / "states"
    terminal.shop.settle(store={"use": "file", "path": str(folder)})
    code, text = terminal.run("rollout")
    files = [one for one in folder.rglob("*") if one.is_file()]
    others = [one for one in files if not one.parent.name.endswith(".snapshots")]
    shown = "".join(f"{one.name} {one.read_text()}" for one in others)

    assert (code, "login" in shown) == (0, True), text
    assert terminal.found_in(shown + " ".join(one.name for one in files)) == []


def test_the_store_file_keeps_the_key_for_its_owner_alone(terminal, tmp_path):
    folder = tmp_path / "states"
    terminal.shop.settle(store={"use": "file", "path": str(folder)})
    terminal.run("rollout")
    (key,) = folder.rglob("installation.key")

    assert key.stat().st_mode & 0o777 == 0o600


def test_a_value_that_somebody_changed_is_put_back(terminal):
    terminal.run("rollout")
    patch = json.dumps({"data": {"password": encode("somebody else's")}})
    kubectl(terminal.shop, "patch", "secret", "login", "-p", patch)
    code, text = terminal.run("rollout")
    found = kubectl(terminal.shop, "get", "secret", "login", "-o", "jsonpath={.data.password}")

    assert (code, found) == (0, encode(VALUES[0])), text


def test_a_key_that_left_the_texts_leaves_the_cluster(terminal):
    terminal.shop.write(secret(stringData={"password": VALUES[0], "old": VALUES[0]}))
    terminal.run("rollout")
    terminal.shop.write(secret())
    terminal.run("rollout")
    data = json.loads(kubectl(terminal.shop, "get", "secret", "login", "-o", "json"))["data"]

    assert sorted(data) == ["password"]


def test_equal_secrets_are_nothing_to_do(terminal):
    terminal.run("rollout")
    _, text = terminal.run("rollout")

    assert "nothing to do" in text
