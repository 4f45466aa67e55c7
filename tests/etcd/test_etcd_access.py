from __future__ import annotations

import asyncio
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from rollwright.errors import NotFound, Refused, Unauthorized, Unreachable
from rollwright.etcd import requests
from rollwright.etcd.access import Access, read_access
from rollwright.etcd.client import Client
from rollwright.etcd.options import EtcdOptions
from rollwright.etcd.shim import rpc
from rollwright.locks.etcd import EtcdLocks
from rollwright.sandbox.certificates import Authority
from rollwright.sandbox.processes import free_ports
from rollwright.testing.lock_contract import AN_OWNER, AT_ONCE


def hint_of(caught):
    return caught.value.hint or ""


async def use(bound, **options):
    locks = bound(EtcdLocks.model_validate(options))
    async with locks.hold("shop", owner=AN_OWNER, wait=AT_ONCE) as lock:
        lock.check()
        return lock.token


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    etcd = new(tmp_path_factory.mktemp("tls") / "etcd", tls=True)
    yield etcd
    etcd.stop()


@pytest.fixture(scope="module")
def mutual(tmp_path_factory):
    etcd = new(tmp_path_factory.mktemp("mtls") / "etcd", tls=True, client_auth=True)
    yield etcd
    etcd.stop()


def new(folder, **more):
    etcd = runpy.run_path(str(Path(__file__).parent / "conftest.py"))["Etcd"]
    return etcd(folder, **more).start()


@pytest.fixture
def pem(mutual):
    return {name: str(mutual.folder / f"{name}") for name in ("ca.crt", "client.crt", "client.key")}


async def test_tls_with_our_own_authority(secured, bound):
    assert await use(bound, **secured.options(tls={"ca": str(secured.folder / "ca.crt")}))


async def test_a_url_with_https_is_tls(secured, bound):
    options = secured.options(tls={"ca": {"file": str(secured.folder / "ca.crt")}})
    urls = [f"https://{one}" for one in secured.endpoints]

    assert await use(bound, **{**options, "endpoints": urls})


async def test_a_server_of_another_authority_is_not_trusted(secured, bound, tmp_path):
    other = tmp_path / "ca.crt"
    other.write_bytes(Authority("another").pair.certificate)
    with pytest.raises(Unreachable, match=secured.endpoints[0]) as caught:
        await use(bound, **secured.options(tls={"ca": str(other)}))

    assert "tls.ca" in hint_of(caught)


async def test_a_server_of_another_name_is_not_trusted(secured, bound):
    tls = {"ca": str(secured.folder / "ca.crt"), "serverName": "elsewhere"}
    with pytest.raises(Unreachable) as caught:
        await use(bound, **secured.options(tls=tls))

    assert "tls.serverName" in hint_of(caught)


async def test_who_comes_without_tls_learns_that_it_is_wanted(secured, bound):
    with pytest.raises(Unreachable, match=secured.endpoints[0]) as caught:
        await use(bound, **secured.options())

    assert "https://" in hint_of(caught)


async def test_mutual_tls(mutual, bound, pem):
    tls = {"ca": pem["ca.crt"], "cert": pem["client.crt"], "key": pem["client.key"]}

    assert await use(bound, **mutual.options(tls=tls))


async def test_mutual_tls_from_variables(mutual, bound, pem, monkeypatch):
    for name, path in pem.items():
        monkeypatch.setenv(f"PEM_{name}", Path(path).read_text())
    tls = {
        "ca": {"env": "PEM_ca.crt"}, "cert": {"env": "PEM_client.crt"},
        "key": {"env": "PEM_client.key"},
    }  # fmt: skip

    assert await use(bound, **mutual.options(tls=tls))


async def test_who_shows_no_certificate_learns_that_one_is_wanted(mutual, bound, pem):
    with pytest.raises(Unreachable) as caught:
        await use(bound, **mutual.options(tls={"ca": pem["ca.crt"]}))

    assert "tls.cert" in hint_of(caught)


async def test_nobody_there(bound):
    (port,) = free_ports(1)
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port}") as caught:
        await use(bound, endpoints=[f"127.0.0.1:{port}"])

    assert caught.value.retryable
    assert "is it running" in hint_of(caught)


async def test_one_endpoint_that_answers_is_enough(etcd, bound):
    gone = [f"127.0.0.1:{port}" for port in free_ports(2)]

    assert await use(bound, **{**etcd.options(), "endpoints": [*gone, *etcd.endpoints]})


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    etcd = new(tmp_path_factory.mktemp("users") / "etcd")
    asyncio.run(set_up(etcd))
    yield etcd
    etcd.stop()


@pytest.fixture
def options(guarded, monkeypatch):
    monkeypatch.setenv("ETCD_PASSWORD", "opens-it")
    return guarded.options(user="ann", password={"env": "ETCD_PASSWORD"}, prefix="/ours")


async def test_a_user_with_its_password(bound, options):
    assert await use(bound, **options)


async def test_a_wrong_password(bound, options, monkeypatch):
    monkeypatch.setenv("ETCD_PASSWORD", "wrong-one")
    with pytest.raises(Unauthorized, match="authentication failed") as caught:
        await use(bound, **options)

    assert "password" in hint_of(caught)
    assert "wrong-one" not in f"{caught.value}{caught.value.hint}"
    assert not caught.value.retryable


async def test_nobody(bound, guarded):
    with pytest.raises(Unauthorized, match="user name is empty") as caught:
        await use(bound, **guarded.options(prefix="/ours"))

    assert "user and password" in hint_of(caught)


async def test_a_prefix_that_is_not_ours(bound, options):
    with pytest.raises(Refused, match="permission denied") as caught:
        await use(bound, **{**options, "prefix": "/theirs"})

    assert "grant" in hint_of(caught)


async def test_a_login_that_the_server_forgot_is_done_again(bound, options, guarded):
    locks = bound(EtcdLocks.model_validate(options))
    async with locks.hold("one", owner=AN_OWNER, wait=AT_ONCE):
        pass
    guarded.members[0].kill()
    guarded.start()
    async with locks.hold("two", owner=AN_OWNER, wait=AT_ONCE) as lock:
        lock.check()


async def set_up(etcd):
    """Make a user who may only use /ours, and ask everybody for a password."""
    root, api = Client(Access(endpoints=etcd.endpoints)), rpc()
    for name, password in (("root", "root"), ("ann", "opens-it")):
        await root.call("Auth", "UserAdd", api.AuthUserAddRequest(name=name, password=password))
        await root.call("Auth", "RoleAdd", api.AuthRoleAddRequest(name=name))
        grant = api.AuthUserGrantRoleRequest(user=name, role=name)
        await root.call("Auth", "UserGrantRole", grant)
    permission = sys.modules["etcd3.etcdrpc.auth_pb2"].Permission
    ours = permission(permType=permission.READWRITE, key=b"/ours/", range_end=b"/ours0")
    request = api.AuthRoleGrantPermissionRequest(name="ann", perm=ours)
    await root.call("Auth", "RoleGrantPermission", request)
    await root.call("Auth", "AuthEnable", api.AuthEnableRequest())
    await root.close()


async def test_a_user_where_nobody_is_asked_for_one(etcd, bound, monkeypatch):
    monkeypatch.setenv("ETCD_PASSWORD", "whatever")

    assert await use(bound, **etcd.options(user="ann", password={"env": "ETCD_PASSWORD"}))


async def test_equal_accesses_share_a_lease(etcd, bound, client):
    plugin = EtcdLocks.model_validate(etcd.options())
    one, other = bound(plugin), bound(EtcdLocks.model_validate(plugin.model_dump(mode="json")))
    async with (
        one.hold("a", owner=AN_OWNER, wait=AT_ONCE),
        other.hold("b", owner=AN_OWNER, wait=AT_ONCE),
    ):
        answer = await client.range(requests.range_below(plugin.prefix))

        assert len({kv.lease for kv in answer.kvs if kv.lease}) == 1


def test_a_missing_file_is_named(tmp_path):
    options = EtcdOptions.model_validate({"tls": {"ca": str(tmp_path / "ca.crt")}})

    with pytest.raises(NotFound, match=r"tls\.ca.*ca\.crt"):
        read_access(options)


def test_plugins_are_loaded_without_grpc():
    code = (
        "import sys, rollwright.locks.etcd, rollwright.stores.etcd;"
        "print([name for name in sys.modules if name.split('.')[0] in {'grpc', 'etcd3', 'google'}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
