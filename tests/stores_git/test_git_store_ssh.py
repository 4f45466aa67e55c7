"""The way over ssh, with a program in ssh's place that starts what ssh would start over there."""

from __future__ import annotations

import os
import stat

import pytest

from rollwright.errors import Unauthorized, Unreachable
from rollwright.plugins.git.faults import explain, is_damage
from rollwright.rollouts.state import RolloutState
from rollwright.testing.store_contract import a_full_state

SSH = """#!/bin/sh
printf '%s\\n' "$@" > "{words}"
for last; do :; done
exec sh -c "$last"
"""


@pytest.fixture
def words(tmp_path, monkeypatch):
    """Where the words are that ssh was called with."""
    folder, words = tmp_path / "bin", tmp_path / "words"
    folder.mkdir()
    program = folder / "ssh"
    program.write_text(SSH.format(words=words))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return words


@pytest.fixture
def over_ssh(make, server, repository):
    def over_ssh(**changes):
        url = f"ssh://git@forge.example.org:2222{server.path(repository)}"
        return make(url=url, password=None, **changes)

    return over_ssh


async def test_states_are_kept_over_ssh(over_ssh, words):
    saved = await over_ssh().save(a_full_state(), after="")

    assert await over_ssh().load("shop") == saved


async def test_ssh_asks_nobody_and_trusts_no_stranger(over_ssh, words):
    await over_ssh(sshKey="~/some key", knownHosts="/etc/known hosts").load("shop")
    said = words.read_text().splitlines()

    assert {"BatchMode=yes", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes"} < set(said)
    assert os.path.expanduser("~/some key") in said  # noqa: PTH111  (as a shell would)
    assert 'UserKnownHostsFile="/etc/known hosts"' in said
    assert said[said.index("-F") + 1] == "/dev/null"
    assert "git@forge.example.org" in said


async def test_a_host_that_is_gone_is_unreachable(over_ssh, words, tmp_path):
    program = tmp_path / "bin" / "ssh"
    program.write_text(
        "#!/bin/sh\necho 'ssh: connect to host h port 22: Connection refused' >&2\nexit 255\n"
    )

    with pytest.raises(Unreachable, match="Connection refused"):
        await over_ssh().save(RolloutState(rollout="shop"), after="")


@pytest.mark.parametrize(
    ("said", "kind", "is_retryable", "hint"),
    [
        ("git@h: Permission denied (publickey).\nfatal: Could not read", Unauthorized, False, "SECRET"),
        ("Host key verification failed.\nfatal: x", Unreachable, False, "knownHosts"),
        ("fatal: unable to access 'https://h/x/': SSL certificate problem: self-signed", Unreachable,
         False, "caFile"),
        ("remote: Permission to a/b.git denied to bot.\nfatal: The requested URL returned error: 403",
         Unauthorized, False, "push"),
        ("remote: Repository not found.\nfatal: repository 'https://h/x/' not found", Unreachable,
         False, "create the repository"),
        ("fatal: unable to access 'https://h/x/': Could not resolve host: h", Unreachable, True, "runs"),
        ("fatal: unable to access 'https://h/x/': The requested URL returned error: 301", Unreachable,
         False, "`url`"),
        ("fatal: the remote end hung up unexpectedly", Unreachable, True, "runs"),
        ("", Unreachable, True, "runs"),
    ],
)  # fmt: skip
def test_what_git_says_is_explained(said, kind, is_retryable, hint):
    error = explain(said, where="https://h/x branch b", secret="SECRET")

    assert type(error) is kind
    assert error.retryable is is_retryable
    assert error.message.startswith("https://h/x branch b: ")
    assert hint in (error.hint or "")


@pytest.mark.parametrize(
    ("said", "is_ours"),
    [
        ("error: object file objects/ab/cd is empty\nfatal: x", True),
        ("fatal: bad object HEAD", True),
        ("remote: error: object file objects/ab/cd is empty\nfatal: the remote end hung up", False),
        ("fatal: unable to access 'https://h/x/'", False),
    ],
)
def test_only_the_copys_own_damage_counts(said, is_ours):
    assert is_damage(said) is is_ours
