"""Who we are to a server: what is sent, what is never sent, and a second try after a 401."""

from __future__ import annotations

import asyncio
import base64
import json
import stat
import sys

import pytest

from rollwright.errors import Unauthorized
from rollwright.plugins.contracts import GetRequest
from rollwright.rollouts.manifest import ObjectRef
from rollwright.testing.http import ok, status

POD = GetRequest(ref=ObjectRef("", "Pod", "shop", "a"), api_version="v1")
PATH = "/api/v1/namespaces/shop/pods/a"
LIVE = ok({"metadata": {"name": "a", "namespace": "shop"}})


def authorization(server) -> list[str]:
    return [one.headers.get("Authorization", "") for one in server.requests if one.path == PATH]


async def test_a_token_is_sent(server, connect):
    server.on("GET", PATH, LIVE)

    await connect(user={"token": "abc"}).get(POD)

    assert authorization(server) == ["Bearer abc"]


async def test_a_password_is_sent(server, connect):
    server.on("GET", PATH, LIVE)

    await connect(user={"username": "me", "password": "pw"}).get(POD)

    assert authorization(server) == [f"Basic {base64.b64encode(b'me:pw').decode()}"]


async def test_nothing_is_sent_for_nobody(server, cluster):
    server.on("GET", PATH, LIVE)

    await cluster.get(POD)

    assert authorization(server) == [""]


async def test_neither_netrc_nor_proxies_of_the_environment_are_used(
    server, cluster, tmp_path, monkeypatch
):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password pw\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.on("GET", PATH, LIVE)

    await cluster.get(POD)

    assert authorization(server) == [""]


async def test_a_proxy_of_the_kubeconfig_is_used(server, connect, tmp_path):
    from rollwright.kube import connect as connect_to

    kubeconfig = server.write_kubeconfig(tmp_path / "proxied")
    config = json.loads(kubeconfig.read_text())
    config["clusters"][0]["cluster"] = {"server": "http://cluster.invalid", "proxy-url": server.url}
    kubeconfig.write_text(json.dumps(config))
    server.on("GET", "http://cluster.invalid/version", ok({"gitVersion": "v1.36.0"}))
    server.on("GET", "/version", ok({"gitVersion": "v1.36.0"}))
    cluster = await connect_to(kubeconfig=kubeconfig)

    assert await cluster.server_version() == "v1.36.0"

    await cluster.close()


async def test_a_site_may_set_a_rate(server, tmp_path):
    from rollwright.kube import connect as connect_to

    server.on("GET", PATH, LIVE)
    cluster = await connect_to(kubeconfig=server.write_kubeconfig(tmp_path / "k"), qps=1000)

    await asyncio.gather(*(cluster.get(POD) for _ in range(3)))

    assert len(authorization(server)) == 3

    await cluster.close()


async def test_whom_to_act_as_is_sent(server, connect):
    user = {
        "token": "abc",
        "as": "jane",
        "as-uid": "7",
        "as-groups": ["devs", "ops"],
        "as-user-extra": {"example.com/scope": ["a"]},
    }
    server.on("GET", PATH, LIVE)

    await connect(user=user).get(POD)

    sent = server.requests[-1].headers
    assert (sent["Impersonate-User"], sent["Impersonate-Uid"]) == ("jane", "7")
    assert sent["Impersonate-Extra-example.com%2Fscope"] == "a"


async def test_a_token_file_is_read_again_every_minute(server, connect, clock, tmp_path):
    token = tmp_path / "token"
    token.write_text("one\n")
    server.on("GET", PATH, LIVE)
    cluster = connect(user={"tokenFile": str(token)})
    await cluster.get(POD)
    token.write_text("two\n")
    await cluster.get(POD)
    cluster._transport.access.credentials._read_at -= 61

    await cluster.get(POD)

    assert authorization(server) == ["Bearer one", "Bearer one", "Bearer two"]


async def test_a_token_file_is_read_again_after_a_401(server, connect, tmp_path):
    token = tmp_path / "token"
    token.write_text("old")
    cluster = connect(user={"tokenFile": str(token)})
    await cluster.discover()
    token.write_text("new")
    server.on("GET", PATH, status(401), LIVE)

    await cluster.get(POD)

    assert authorization(server) == ["Bearer old", "Bearer new"]


async def test_the_same_token_is_not_tried_twice(server, connect, tmp_path):
    token = tmp_path / "token"
    token.write_text("old")
    server.on("GET", PATH, status(401))

    with pytest.raises(Unauthorized):
        await connect(user={"tokenFile": str(token)}).get(POD)

    assert authorization(server) == ["Bearer old"]


# ------------------------------------------------------------------ plugins


def plugin(tmp_path, body: str) -> dict[str, object]:
    """Return an exec user whose plugin runs this Python, with ``count`` as its how-manieth run."""
    program = tmp_path / "plugin"
    counter = tmp_path / "count"
    program.write_text(
        f"#!{sys.executable}\nimport json, os, pathlib, sys\n"
        f"file = pathlib.Path({str(counter)!r})\n"
        "count = int(file.read_text()) + 1 if file.exists() else 1\n"
        "file.write_text(str(count))\n"
        "def give(**status):\n"
        "    print(json.dumps({'kind': 'ExecCredential', 'status': status,"
        " 'apiVersion': 'client.authentication.k8s.io/v1'}))\n"
        f"{body}\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    run = {"command": "./plugin", "apiVersion": "client.authentication.k8s.io/v1"}
    return {"exec": {**run, "interactiveMode": "Never"}}


async def test_a_plugin_gives_the_token(server, connect, tmp_path):
    server.on("GET", PATH, LIVE)
    cluster = connect(user=plugin(tmp_path, "give(token=f't{count}')"))

    await asyncio.gather(*(cluster.get(POD) for _ in range(5)))

    assert authorization(server) == ["Bearer t1"] * 5


async def test_a_plugin_is_asked_again_after_a_401_and_once_for_all(server, connect, tmp_path):
    cluster = connect(user=plugin(tmp_path, "give(token=f't{count}')"))
    await cluster.discover()
    server.on(
        "GET",
        PATH,
        lambda one: LIVE if one.headers["Authorization"] == "Bearer t2" else status(401),
    )

    await asyncio.gather(*(cluster.get(POD) for _ in range(5)))

    assert (tmp_path / "count").read_text() == "2"


async def test_a_plugin_is_asked_again_before_its_token_ends(server, connect, tmp_path):
    body = "give(token=f't{count}', expirationTimestamp='2000-01-01T00:00:00Z')"
    server.on("GET", PATH, LIVE)
    cluster = connect(user=plugin(tmp_path, body))

    await cluster.get(POD)
    await cluster.get(POD)

    assert len(set(authorization(server))) == 2


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("sys.exit('no login')", "no login"),
        ("print('nonsense')", "failed to decode"),
        ("give()", "neither a token nor a certificate"),
        ("give(clientCertificateData='x')", "without its key"),
        ("give(token='x', expirationTimestamp='soon')", "no instant"),
    ],
)
async def test_a_plugin_that_fails_is_told_and_nothing_is_sent(
    server, connect, tmp_path, body, told
):
    with pytest.raises(Unauthorized, match=told):
        await connect(user=plugin(tmp_path, body)).get(POD)

    assert server.requests == []


async def test_a_plugin_that_is_not_there_is_told(server, connect):
    user = {
        "exec": {"command": "no-such-plugin-here", "apiVersion": "client.authentication.k8s.io/v1"}
    }

    with pytest.raises(Unauthorized, match="cannot run: No such file"):
        await connect(user=user).get(POD)


async def test_an_auth_provider_gives_the_token(server, connect):
    payload = base64.urlsafe_b64encode(b'{"exp": 99999999999}').decode().rstrip("=")
    provider = {"name": "oidc", "config": {"id-token": f"e30.{payload}.c2ln"}}
    server.on("GET", PATH, LIVE)

    await connect(user={"auth-provider": provider}).get(POD)

    assert authorization(server) == [f"Bearer e30.{payload}.c2ln"]


async def test_an_auth_provider_without_a_token_is_told(connect):
    with pytest.raises(Unauthorized, match="auth-provider 'azure': gave no token"):
        await connect(user={"auth-provider": {"name": "azure"}}).get(POD)
