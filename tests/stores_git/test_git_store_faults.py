"""A server that says no, a branch that others write to, copies that break."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from rollwright.errors import InvalidDocument, Refused, StateConflict, Unauthorized, Unreachable
from rollwright.rollouts.state import FORMAT, RolloutState
from rollwright.stores.format import UPGRADES
from rollwright.testing.git_server import DROP, LOSE_ANSWER, GitServer
from rollwright.testing.store_contract import a_full_state


@pytest.fixture
def git(server, repository):
    def git(*arguments, feed=b""):
        return server.git(repository, *arguments, feed=feed)

    return git


@pytest.fixture
def put(git):
    """Let somebody else commit files; ``None`` deletes one."""

    def put(files, *, branch="rollwright", parent="rollwright"):
        lines = [f"commit refs/heads/{branch}\ncommitter Eve <eve@localhost> 1 +0000\n".encode()]
        lines.append(b"data 3\nhm\n\n")
        if parent:
            lines.append(f"from refs/heads/{parent}^0\n".encode())
        for path, data in files.items():
            lines.append(
                f"D {path}\n".encode()
                if data is None
                else b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data)
            )
        git("fast-import", "--quiet", "--force", "--date-format=raw", feed=b"".join(lines))

    return put


async def test_a_wrong_password_is_unauthorized_and_not_shown(make, monkeypatch):
    monkeypatch.setenv("GIT_STORE_PASSWORD", "wrong-and-hidden")
    with pytest.raises(Unauthorized) as caught:
        await make().load("shop")

    assert "wrong-and-hidden" not in caught.value.message
    assert "`password`" in (caught.value.hint or "")


async def test_no_password_is_unauthorized(make):
    with pytest.raises(Unauthorized):
        await make(password=None).load("shop")


async def test_one_who_may_read_only_is_unauthorized(make, server):
    server.gate = lambda _, path: 403 if "receive-pack" in path else None
    with pytest.raises(Unauthorized) as caught:
        await make().save(RolloutState(rollout="shop"), after="")

    assert "push" in (caught.value.hint or "")


async def test_no_such_repository_is_said(make, server):
    with pytest.raises(Unreachable, match="not found") as caught:
        await make(url=server.url("nowhere")).load("shop")

    assert not caught.value.retryable
    assert "create the repository" in (caught.value.hint or "")


async def test_doctor_learns_that_one_may_read_only(make, server):
    store = make()
    await store.save(RolloutState(rollout="shop"), after="")
    server.gate = lambda _, path: 403 if "receive-pack" in path else None

    assert await store.list() == ("shop",)
    with pytest.raises(Unauthorized):
        await store.checkup()


async def test_doctor_learns_of_an_empty_repository_and_writes_nothing(make, git):
    told = await make().checkup()

    assert told.startswith("branch rollwright not made yet, may be pushed to; snapshots sealed")
    assert git("for-each-ref") == ""


async def test_doctor_learns_that_no_snapshot_is_kept(make):
    store = make(key=None)
    await store.save(RolloutState(rollout="shop"), after="")

    assert (await store.checkup()).endswith("snapshots not kept: no `key`")


@pytest.mark.parametrize("more", [{}, {"key": None}])
async def test_a_store_says_whether_it_may_keep_the_key(make, more):
    store = make(**more)

    assert store.may_keep_key is not bool(more)


async def test_a_server_that_is_gone_is_unreachable(make, tmp_path):
    with GitServer(tmp_path / "other") as other:
        store = make(url=other.create("states"))
        saved = await store.save(RolloutState(rollout="shop"), after="")
    with pytest.raises(Unreachable) as caught:
        await store.save(saved, after=saved.version)

    assert caught.value.retryable
    assert "127.0.0.1" in caught.value.message


async def test_a_server_that_returns_is_used_again(make, tmp_path, server):
    with GitServer(tmp_path / "other") as other:
        port, store = other.port, make(url=other.create("states"))
        saved = await store.save(RolloutState(rollout="shop"), after="")
    with pytest.raises(Unreachable):
        await store.load("shop")
    other.start(port)
    try:
        assert await store.load("shop") == saved
    finally:
        other.stop()


async def test_a_server_that_is_silent_is_unreachable_in_time(make, server):
    import threading

    silent = threading.Event()
    server.gate = lambda *_: silent.wait(30) and None
    try:
        with pytest.raises(Unreachable, match="no end after"):
            await make(timeoutSeconds=0.5).load("shop")
    finally:
        silent.set()


async def test_a_server_error_is_unreachable(make, server):
    server.gate = lambda *_: 503

    with pytest.raises(Unreachable, match="503"):
        await make().load("shop")


async def test_a_push_whose_answer_is_lost_is_not_made_twice(make, server, git):
    store = make()
    first = await store.save(RolloutState(rollout="shop"), after="")
    landed: list[str] = []

    def gate(method, path):
        if method == "POST" and path.endswith("git-receive-pack") and not landed:
            landed.append(path)
            return LOSE_ANSWER
        return None

    server.gate = gate
    second = await store.save(replace(first, token=2), after=first.version)

    assert await store.load("shop") == second
    assert git("rev-list", "--count", "rollwright") == "2"


async def test_a_push_that_was_dropped_is_made_again(make, server, git):
    store = make()
    dropped: list[str] = []

    def gate(method, path):
        if method == "POST" and path.endswith("git-receive-pack") and not dropped:
            dropped.append(path)
            return DROP
        return None

    server.gate = gate
    saved = await store.save(RolloutState(rollout="shop"), after="")

    assert await store.load("shop") == saved
    assert git("rev-list", "--count", "rollwright") == "1"


async def test_a_hook_that_refuses_is_told(make, server, repository, git):
    hook = server.path(repository) / "hooks" / "pre-receive"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\necho 'only on mondays' >&2\nexit 1\n")
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(Refused, match="only on mondays") as caught:
        await make().save(RolloutState(rollout="shop"), after="")

    assert not isinstance(caught.value, StateConflict)
    assert "protected branch" in (caught.value.hint or "")


async def test_commits_of_others_to_other_rollouts_are_no_conflict(make, tmp_path):
    mine, others = make(), make(cache=tmp_path / "others")
    first = await mine.save(RolloutState(rollout="shop"), after="")
    await others.save(RolloutState(rollout="bank"), after="")
    await mine.save(replace(first, token=2), after=first.version)

    assert await mine.list() == ("bank", "shop")


async def test_a_commit_between_fetch_and_push_is_no_conflict(make, server, git, put):
    store = make()
    first = await store.save(RolloutState(rollout="shop"), after="")
    raced: list[str] = []

    def gate(_, path):
        if path.endswith("service=git-receive-pack") and len(raced) < 3:
            raced.append(path)
            put({f"other-{len(raced)}/state.json": b"{}"})

    server.gate = gate
    await store.save(replace(first, token=2), after=first.version)

    assert git("rev-list", "--count", "rollwright") == "5"
    assert git("rev-list", "--merges", "rollwright") == ""


async def test_our_file_changed_between_fetch_and_push_is_a_conflict(
    make, server, git, put, tmp_path
):
    store, other = make(), make(cache=tmp_path / "other")
    first = await store.save(RolloutState(rollout="shop"), after="")
    raced: list[str] = []

    def gate(_, path):
        if path.endswith("service=git-receive-pack") and not raced:
            raced.append(path)
            text = git("show", "rollwright:prod/shop/state.json")
            put({"prod/shop/state.json": text.replace(first.version, "9-eve").encode()})

    server.gate = gate
    with pytest.raises(StateConflict):
        await store.save(replace(first, token=2), after=first.version)
    loaded = await other.load("shop")

    assert loaded
    assert loaded.version == "9-eve"


async def test_a_branch_that_was_rewritten_is_noticed(make, git, put):
    store = make()
    first = await store.save(RolloutState(rollout="shop"), after="")
    second = await store.save(replace(first, token=2), after=first.version)
    git("update-ref", "refs/heads/rollwright", "rollwright~1")
    with pytest.raises(Refused, match="rewritten") as caught:
        await store.load("shop")
    with pytest.raises(Refused, match="rewritten"):
        await store.save(replace(second, token=3), after=first.version)

    assert "git --git-dir=" in (caught.value.hint or "")
    assert git("rev-list", "--count", "rollwright") == "1"


async def test_a_branch_that_is_gone_is_noticed(make, git):
    store = make()
    await store.save(RolloutState(rollout="shop"), after="")
    git("update-ref", "-d", "refs/heads/rollwright")

    with pytest.raises(Refused, match="the branch is gone"):
        await store.load("shop")


async def test_a_rewrite_is_accepted_by_deleting_the_copy(make, git):
    store = make()
    first = await store.save(RolloutState(rollout="shop"), after="")
    await store.save(replace(first, token=2), after=first.version)
    git("update-ref", "refs/heads/rollwright", "rollwright~1")
    with pytest.raises(Refused) as caught:
        await store.load("shop")
    named = (caught.value.hint or "").partition("--git-dir=")[2].partition(" ")[0]
    for path in sorted(Path(named).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()

    assert await store.load("shop") == first


async def test_a_history_that_was_cut_elsewhere_is_accepted(make, git):
    store = make(path="states")
    first = await store.save(RolloutState(rollout="shop"), after="")
    second = await store.save(replace(first, token=2), after=first.version)
    squashed = git("commit-tree", "-m", "cut", "rollwright^{tree}")
    git("update-ref", "refs/heads/rollwright", squashed)

    assert await store.load("shop") == second
    assert await store.save(second, after=second.version)


async def test_a_rewrite_that_brings_a_former_state_is_noticed(make, git, put):
    store = make(path="states")
    first = await store.save(RolloutState(rollout="shop"), after="")
    await store.save(replace(first, token=2), after=first.version)
    git("update-ref", "refs/heads/rollwright", "rollwright~1")
    put({"other/file": b"x"})

    with pytest.raises(Refused, match="rewritten"):
        await store.load("shop")


async def test_paths_of_one_branch_are_fetched_into_one_copy(make):
    one, two = make(path="one"), make(path="two")
    saved = await one.save(RolloutState(rollout="shop"), after="")
    again = await one.save(replace(saved, token=2), after=saved.version)
    other = await two.save(RolloutState(rollout="shop"), after="")

    assert await one.load("shop") == again
    assert await two.load("shop") == other


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "damaged"),
        (b"\xff\xfe", "damaged"),
        (b"<<<<<<< ours\n{}\n", "damaged"),
        (b'{"kind": "List", "format": 1, "state": {}}', "not a state of Rollwright"),
        (b'{"kind": "RolloutState", "format": 99, "state": {}}', "newer"),
        (b'{"kind": "RolloutState", "format": 1, "state": {"rollout": "bank"}}', "expected 'shop'"),
    ],
)
async def test_foreign_and_damaged_states_are_refused(make, put, data, why):
    put({"prod/shop/state.json": data}, parent="")
    with pytest.raises(InvalidDocument, match=why) as caught:
        await make().load("shop")

    assert caught.value.hint
    assert "rollwright prod/shop/state.json" in caught.value.message


async def test_a_folder_in_the_place_of_a_state_is_refused(make, put):
    put({"prod/shop/state.json/x": b""}, parent="")

    with pytest.raises(InvalidDocument, match="a folder, expected a file"):
        await make().load("shop")


async def test_foreign_files_beside_the_states_are_left_alone(make, put, git):
    put(
        {"README.md": b"hello", "prod/README.md": b"hi", "prod/Not A Name/state.json": b""},
        parent="",
    )
    store = make()
    saved = await store.save(a_full_state(), after="")
    await store.delete("shop", after=saved.version)

    assert await store.list() == ()
    assert git("show", "rollwright:prod/README.md") == "hi"


@pytest.mark.parametrize("damage", [b"", b"rollwright-sealed-1 0011\n", b"x" * 200])
async def test_a_damaged_snapshot_is_refused(make, put, damage):
    store = make()
    snapshot = await store.put_snapshot("shop", b"data")
    put({f"prod/shop/snapshots/{snapshot.removeprefix('sha256:')}.sealed": damage})

    with pytest.raises(InvalidDocument, match=r"\.sealed: (damaged|sealed with key)"):
        await store.get_snapshot("shop", snapshot)


async def test_a_snapshot_of_another_rollout_is_not_passed_off(make, git, put, server, repository):
    import subprocess

    store = make()
    snapshot = await store.put_snapshot("bank", b"data")
    name = snapshot.removeprefix("sha256:")
    sealed = subprocess.run(
        ["git", "--git-dir", server.path(repository), "show",
         f"rollwright:prod/bank/snapshots/{name}.sealed"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    put({f"prod/shop/snapshots/{name}.sealed": sealed})

    with pytest.raises(InvalidDocument, match="is another's"):
        await store.get_snapshot("shop", snapshot)


async def test_a_damaged_snapshot_is_kept_anew(make, put):
    store = make()
    snapshot = await store.put_snapshot("shop", b"data")
    put({f"prod/shop/snapshots/{snapshot.removeprefix('sha256:')}.sealed": b"broken"})
    await store.put_snapshot("shop", b"data")

    assert await store.get_snapshot("shop", snapshot) == b"data"


async def test_an_older_format_is_upgraded(make, put, monkeypatch):
    monkeypatch.setitem(UPGRADES, 0, lambda body: {"rollout": body["name"], "token": body["fence"]})
    assert FORMAT == 1
    put(
        {"prod/shop/state.json": b'{"kind":"RolloutState","format":0,"state":{"name":"shop","fence":3}}'},
        parent="",
    )  # fmt: skip
    loaded = await make().load("shop")

    assert loaded == RolloutState(rollout="shop", token=3)


def copies(options):
    return [path for path in Path(options["cache"]).iterdir() if path.is_dir()]


async def test_a_damaged_copy_is_fetched_again(make, options):
    store = make()
    saved = await store.save(RolloutState(rollout="shop"), after="")
    [copy] = copies(options)
    for path in (copy / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(b"")

    assert await store.load("shop") == saved


@pytest.mark.parametrize("lost", ["HEAD", "config", "objects"])
async def test_half_a_copy_is_fetched_again(make, options, lost):
    store = make()
    saved = await store.save(RolloutState(rollout="shop"), after="")
    [copy] = copies(options)
    (copy / lost).rename(copy / f"{lost}.away")

    assert await store.load("shop") == saved


async def test_lock_files_of_a_killed_git_are_in_nobodys_way(make, options):
    store = make()
    saved = await store.save(RolloutState(rollout="shop"), after="")
    [copy] = copies(options)
    [seen] = (copy / "refs" / "rollwright" / "seen").iterdir()
    for path in (copy / "shallow", copy / "packed-refs", copy / "HEAD", seen):
        path.with_name(f"{path.name}.lock").touch()

    assert await store.save(saved, after=saved.version)


async def test_a_cache_that_cannot_be_written_is_said(make, tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(Unreachable, match="Not a directory") as caught:
        await make(cache=tmp_path / "file" / "cache").load("shop")
    assert "`cache`" in (caught.value.hint or "")


async def test_the_copy_is_for_its_owner_alone(make, options):
    await make().load("shop")
    [copy] = copies(options)

    assert stat.S_IMODE(copy.stat().st_mode) == 0o700
    assert stat.S_IMODE(Path(options["cache"]).stat().st_mode) == 0o700


async def test_no_password_is_left_on_the_disk(make, options, server):
    from base64 import b64encode

    await make().save(RolloutState(rollout="shop"), after="")
    login = b64encode(f"git:{server.password}".encode())
    texts = [path.read_bytes() for path in Path(options["cache"]).rglob("*") if path.is_file()]

    assert not [text for text in texts if login in text or server.password.encode() in text]


async def test_configuration_of_the_person_is_not_read(make, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text('[url "ssh://elsewhere/"]\n\tinsteadOf = http://127\n')
    (home / ".netrc").write_text("machine 127.0.0.1 login eve password eve\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_TRACE_CURL", str(tmp_path / "trace"))

    assert await make().save(RolloutState(rollout="shop"), after="")
    assert not (tmp_path / "trace").exists()
