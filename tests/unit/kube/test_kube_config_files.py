"""Kubeconfig files, merged as kubectl merges them."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from rollwright.errors import InvalidDocument, NotFound, Unauthorized
from rollwright.kube.auth import find_access, in_cluster
from rollwright.kube.credentials import TokenFile
from rollwright.kube.kubeconfig import read_kubeconfig


def entry(name: str, **body: object) -> dict[str, object]:
    return {"name": name, **body}


def write(
    path: Path,
    *,
    server: str = "https://one:6443",
    name: str = "one",
    current: str | None = None,
    cluster: Mapping[str, object] | None = None,
    user: Mapping[str, object] | None = None,
    context: Mapping[str, object] | None = None,
) -> Path:
    config = {
        "clusters": [entry(name, cluster={"server": server, **(cluster or {})})],
        "contexts": [entry(name, context={"cluster": name, "user": name, **(context or {})})],
        "users": [entry(name, user={"token": f"token-{name}"} if user is None else user)],
    } | ({"current-context": current} if current is not None else {})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config))
    return path


async def headers(access) -> dict[str, str]:
    return dict((await access.credentials.current()).headers)


def test_the_current_context_is_taken(tmp_path: Path) -> None:
    access = find_access(write(tmp_path / "k", current="one"))

    assert (access.server, access.context, access.namespace) == (
        "https://one:6443",
        "one",
        "default",
    )


def test_a_context_can_be_named(tmp_path: Path) -> None:
    config = write(tmp_path / "k", context={"namespace": "shop"})

    assert find_access(config, context="one").namespace == "shop"


def test_of_several_files_the_first_that_has_a_name_wins(tmp_path: Path) -> None:
    first = write(tmp_path / "a", server="https://first:6443")
    second = write(tmp_path / "b", server="https://second:6443", current="two")
    third = write(tmp_path / "c", name="two", server="https://two:6443", current="one")
    environ = {"KUBECONFIG": os.pathsep.join(map(str, (first, tmp_path / "none", second, third)))}

    current, named = (find_access(None, context=name, environ=environ) for name in ("", "one"))

    assert (current.server, named.server) == ("https://two:6443", "https://first:6443")


def test_relative_paths_belong_to_their_own_file(tmp_path: Path) -> None:
    paths = {"client-certificate": "me.crt", "client-key": "keys/me.key"}
    write(tmp_path / "a" / "k", cluster={"certificate-authority": "../ca.crt"}, user=paths)

    chosen = read_kubeconfig([tmp_path / "a" / "k"]).choose("one")

    assert chosen.cluster["certificate-authority"] == str(tmp_path / "a/../ca.crt")
    assert (chosen.user or {})["client-key"] == str(tmp_path / "a/keys/me.key")


@pytest.mark.parametrize(
    ("command", "expected"),
    [("./login", "{}/login"), ("login", "login"), ("/bin/login", "/bin/login")],
)
def test_a_plugin_with_a_path_belongs_to_its_file(
    tmp_path: Path, command: str, expected: str
) -> None:
    write(tmp_path / "k", user={"exec": {"command": command}})

    chosen = read_kubeconfig([tmp_path / "k"]).choose("one")

    assert (chosen.user or {})["exec"]["command"] == expected.format(tmp_path)


def test_an_unknown_context_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no context 'onne'; known: one") as caught:
        find_access(write(tmp_path / "k"), context="onne")

    assert caught.value.hint == "did you mean 'one'?"


def test_no_current_context_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no current context; contexts: one"):
        find_access(write(tmp_path / "k"))


@pytest.mark.parametrize("what", ["cluster", "user"])
def test_a_context_that_points_nowhere_is_told(tmp_path: Path, what: str) -> None:
    config = write(tmp_path / "k", current="one", context={what: "nothing"})

    with pytest.raises(NotFound, match=f"no {what} 'nothing'; known: one"):
        find_access(config)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no kubeconfig at") as caught:
        find_access(tmp_path / "none", environ={})

    assert "sandbox up" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "text",
    ["[]", "clusters: {a: 1}", "clusters: [1]", "users: [{name: a, user: 7}]", "contexts: [{context: {}}]", "a: b: c"],
)  # fmt: skip
def test_what_is_no_kubeconfig_is_told_with_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "k").write_text(text)

    with pytest.raises(InvalidDocument, match="k"):
        find_access(tmp_path / "k")


@pytest.mark.parametrize("server", ["", "one:6443", "unix:///run/x"])
def test_a_server_that_is_no_url_is_told(tmp_path: Path, server: str) -> None:
    with pytest.raises(InvalidDocument, match="is no URL"):
        find_access(write(tmp_path / "k", server=server, current="one"))


def test_a_cluster_is_read_whole(tmp_path: Path) -> None:
    cluster: dict[str, object] = {
        "server": "https://one:6443/prefix/",
        "certificate-authority-data": base64.b64encode(b"PEM").decode(),
        "tls-server-name": "kubernetes",
        "proxy-url": "http://proxy:3128",
    }

    access = find_access(write(tmp_path / "k", current="one", cluster=cluster))

    assert access.server == "https://one:6443/prefix"
    assert (access.trust.ca, access.server_name) == ("PEM", "kubernetes")
    assert access.proxy == "http://proxy:3128"


def test_verification_is_left_out_only_when_asked_for(tmp_path: Path) -> None:
    careless = write(tmp_path / "a", current="one", cluster={"insecure-skip-tls-verify": True})
    careful = write(tmp_path / "b", current="one")

    verified = [find_access(config).trust.is_verified for config in (careless, careful)]

    assert verified == [False, True]


def test_a_socks_proxy_is_told(tmp_path: Path) -> None:
    config = write(tmp_path / "k", current="one", cluster={"proxy-url": "socks5://proxy:1080"})

    with pytest.raises(InvalidDocument, match="'socks5' is not spoken"):
        find_access(config)


def test_bad_base64_is_told(tmp_path: Path) -> None:
    config = write(tmp_path / "k", current="one", user={"client-key-data": "abc"})

    with pytest.raises(InvalidDocument, match="client-key-data is not base64"):
        find_access(config)


def test_a_user_with_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unauthorized, match="user 'one' of context 'one' has no credentials"):
        find_access(write(tmp_path / "k", current="one", user={}))


async def test_nobody_may_be_anonymous(tmp_path: Path) -> None:
    access = find_access(write(tmp_path / "k", current="one", context={"user": ""}))

    assert await headers(access) == {}


async def test_a_token_wins_over_a_password_and_a_plugin(tmp_path: Path) -> None:
    user = {"token": "t", "username": "me", "password": "pw", "exec": {"command": "false"}}
    access = find_access(write(tmp_path / "k", current="one", user=user))

    assert await headers(access) == {"Authorization": "Bearer t"}


async def test_a_token_stands_in_for_a_token_file_that_is_not_there(tmp_path: Path) -> None:
    user = {"token": "t", "tokenFile": "none"}
    access = find_access(write(tmp_path / "k", current="one", user=user))

    assert await headers(access) == {"Authorization": "Bearer t"}


async def test_a_missing_token_file_is_told(tmp_path: Path) -> None:
    access = find_access(write(tmp_path / "k", current="one", user={"tokenFile": "none"}))

    with pytest.raises(Unauthorized, match="none: no token"):
        await access.credentials.current()


async def test_whom_we_name_to_act_as_wins(tmp_path: Path) -> None:
    user = {"token": "t", "as": "jane", "as-groups": ["devs"]}
    config = write(tmp_path / "k", current="one", user=user)

    found = await headers(find_access(config, impersonate="bob"))

    assert found == {"Impersonate-User": "bob", "Authorization": "Bearer t"}


def test_groups_without_a_user_are_told(tmp_path: Path) -> None:
    config = write(tmp_path / "k", current="one", user={"token": "t", "as-groups": ["devs"]})

    with pytest.raises(Unauthorized, match="but no user"):
        find_access(config)


def test_credentials_never_go_unencrypted_to_another_machine(tmp_path: Path) -> None:
    config = write(tmp_path / "k", server="http://one:8080", current="one")

    with pytest.raises(Unauthorized, match="would go unencrypted"):
        find_access(config)


@pytest.mark.parametrize(
    ("server", "is_here"),
    [
        ("https://127.0.0.1:6443", True),
        ("https://[::1]:6443", True),
        ("https://localhost:6443", True),
        ("https://10.0.0.1", False),
        ("https://localhost.example.com", False),
    ],
)
def test_a_server_on_this_machine_is_known_as_such(
    tmp_path: Path, server: str, is_here: bool
) -> None:
    access = find_access(write(tmp_path / "k", server=server, current="one"))

    assert access.is_loopback is is_here


async def test_a_pod_uses_its_service_account(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    (tmp_path / "namespace").write_text("shop")
    (tmp_path / "ca.crt").write_text("PEM")
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}

    access = in_cluster(environ, folder=tmp_path, impersonate="jane")

    assert access is not None
    assert (access.server, access.namespace) == ("https://[fd00::1]:443", "shop")
    assert isinstance(access.credentials, TokenFile)
    assert await headers(access) == {"Impersonate-User": "jane", "Authorization": "Bearer abc"}


def test_outside_a_pod_there_is_no_service_account(tmp_path: Path) -> None:
    assert in_cluster({}, folder=tmp_path) is None


async def test_no_message_and_no_repr_shows_a_token(tmp_path: Path) -> None:
    access = find_access(write(tmp_path / "k", current="one", user={"token": "hunter2"}))

    assert "hunter2" not in repr(access) + repr(await access.credentials.current())
