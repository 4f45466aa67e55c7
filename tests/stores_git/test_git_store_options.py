"""What a person may write, and what git never sees."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from rollwright.plugins.registry import Registry
from rollwright.stores.git.program import make_program
from rollwright.stores.git.store import GitStates, GitStore

URL = "https://git.example.org/team/states.git"


def build(**options):
    return GitStore.model_validate({"url": URL, **options})


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "https://git.example.org:8443/states",
        "ssh://git@git.example.org/team/states.git",
        "ssh://git.example.org:2222/~/states.git",
        "http://127.0.0.1:8080/states.git",
        "http://localhost/states.git",
        "http://[::1]:8080/states.git",
    ],
)
def test_an_address_over_a_safe_way_is_taken(url):
    assert build(url=url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "-u",
        "--upload-pack=touch /tmp/x",
        "ext::sh -c touch% /tmp/x",
        "https::https://git.example.org/states",
        "file:///srv/states.git",
        "/srv/states.git",
        "../states",
        "git://git.example.org/states",
        "http://git.example.org/states.git",
        "git@git.example.org:team/states.git",
        "https://user@git.example.org/states",
        "https://user:password@git.example.org/states",
        "ssh://git:password@git.example.org/states",
        "ssh://-oProxyCommand=touch/states",
        "ssh://-oProxyCommand@host/states",
        "https://git.example.org",
        "https://git.example.org/",
        "https://git.example.org/-x",
        "https://git.example.org/x?y=z",
        "https://git.example.org/x\ny",
        "https://git.example.org:port/x",
        "https:///states",
    ],
)
def test_any_other_address_is_refused(url):
    with pytest.raises(ValidationError) as caught:
        build(url=url)

    assert [one["loc"] for one in caught.value.errors()] == [("url",)]


@pytest.mark.parametrize("branch", ["main", "ops/state", "v1.2", "a_b-c"])
def test_a_branch_is_taken(branch):
    assert build(branch=branch).branch == branch


@pytest.mark.parametrize(
    "branch",
    ["", "-f", "--force", "a..b", "a b", "a.lock", "a.lock/b", "/a", "a/", "a//b", ".a", "a/.b", "a.",
     "a:b", "a~1", "a^", "a@{1}", "HEAD", "+a", "a\n", "ä"],
)  # fmt: skip
def test_no_other_branch_is_taken(branch):
    with pytest.raises(ValidationError):
        build(branch=branch)


@pytest.mark.parametrize(("path", "read"), [("", ""), ("/", ""), ("a", "a"), ("/a/b.c/", "a/b.c")])
def test_a_folder_is_taken(path, read):
    assert build(path=path).path == read


@pytest.mark.parametrize(
    "path", ["..", "a/../b", ".git", "a/.git", "a b", '"a"', "-a", "a\n", "a:b"]
)
def test_no_folder_outside_is_taken(path):
    with pytest.raises(ValidationError):
        build(path=path)


@pytest.mark.parametrize(
    "secret", ["plain", {"env": "A", "file": "b"}, {}, {"value": "x"}, {"block": ""}]
)
@pytest.mark.parametrize("option", ["password", "key"])
def test_a_secret_is_never_a_value(option, secret):
    with pytest.raises(ValidationError) as caught:
        build(**{option: secret})

    assert "{env: NAME}, {file: PATH} or {block: NAME}" in str(caught.value)


@pytest.mark.parametrize("author", ["ann", "<a@b>", "Ann <a b>", "A\nB <a@b>", "Ann <a@b>\n"])
def test_an_author_has_name_and_address(author):
    with pytest.raises(ValidationError):
        build(author=author)


def test_it_is_found_under_its_name(tmp_path):
    options = {"url": URL, "sshKey": "~/key", "timeoutSeconds": 5, "cache": str(tmp_path)}
    store = Registry().build("stores", "git", options)

    assert isinstance(store.bind(SimpleNamespace(name="prod")), GitStates)


def test_the_cache_is_in_the_cache_folder_of_the_person(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert build().cache == tmp_path / "rollwright" / "git"


def test_every_transport_but_the_safe_ones_is_off(tmp_path, monkeypatch):
    monkeypatch.setenv("PASSWORD", "swordfish")
    environment = make_program(build(password={"env": "PASSWORD"}), tmp_path, 0).environment
    pairs = {
        environment[f"GIT_CONFIG_KEY_{number}"]: environment[f"GIT_CONFIG_VALUE_{number}"]
        for number in range(int(environment["GIT_CONFIG_COUNT"]))
    }

    assert {name: one for name, one in pairs.items() if name.startswith("protocol.")} == {
        "protocol.allow": "never",
        "protocol.https.allow": "always",
        "protocol.ssh.allow": "always",
    }
    assert pairs["http.https://git.example.org/.extraHeader"].startswith("Authorization: Basic ")
    assert "swordfish" not in repr(make_program(build(password={"env": "PASSWORD"}), tmp_path, 0))


def test_paths_of_keys_are_quoted_for_the_shell_of_git(tmp_path):
    options = build(url="ssh://git@h/x", ssh_key="/k y'; touch x", known_hosts="/h $(x)")
    command = make_program(options, tmp_path, 0).environment["GIT_SSH_COMMAND"]

    import shlex

    assert "/k y'; touch x" in shlex.split(command)
    assert 'UserKnownHostsFile="/h $(x)"' in shlex.split(command)
