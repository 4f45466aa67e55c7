"""Folders and locks."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from rollwright.errors import SandboxError
from rollwright.sandbox import places
from rollwright.sandbox.places import cache_folder, locked, make_private, state_folder


def test_state_and_cache_follow_the_xdg_variables():
    environment = {"XDG_STATE_HOME": "/s", "XDG_CACHE_HOME": "/c"}

    assert state_folder("demo", environment) == Path("/s/rollwright/sandbox/demo")
    assert cache_folder(environment).parent == Path("/c/rollwright/sandbox")


@pytest.mark.parametrize("value", ["", "relative/path"])
def test_a_variable_that_is_no_absolute_path_is_ignored(value):
    expected = Path.home() / ".local/state/rollwright/sandbox/demo"

    assert state_folder("demo", {"XDG_STATE_HOME": value}) == expected


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-a", "a-", "A", "a b", "a" * 41, "ä"])
def test_a_name_that_could_leave_its_folder_is_refused(name):
    with pytest.raises(SandboxError, match="not a name"):
        state_folder(name)


def test_the_cache_is_named_by_what_is_built(tmp_path, monkeypatch):
    for name in ("go.mod", "go.sum", "main.go"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(places, "MODULE_FOLDER", tmp_path)
    before = cache_folder({})

    (tmp_path / "go.sum").write_text("other hashes")

    assert cache_folder({}) != before


def test_the_cache_does_not_depend_on_what_pods_do(tmp_path, monkeypatch):
    for name in ("go.mod", "go.sum", "main.go"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(places, "MODULE_FOLDER", tmp_path)
    before = cache_folder({})

    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "more.yaml").write_text("kind: Stage")

    assert cache_folder({}) == before


def test_only_the_owner_may_enter(tmp_path):
    folder = make_private(tmp_path / "a" / "b")

    assert folder.stat().st_mode & 0o777 == 0o700


def _hold(path, entered, leave):
    with locked(path):
        entered.set()
        leave.wait(30)


def _note(path, notes):
    with locked(path):
        notes.put("second")


def test_one_process_at_a_time_holds_a_lock(tmp_path):
    context = multiprocessing.get_context("spawn")
    entered, leave, notes = context.Event(), context.Event(), context.Queue()
    path = tmp_path / "lock"
    first = context.Process(target=_hold, args=(path, entered, leave))
    second = context.Process(target=_note, args=(path, notes))
    first.start()
    assert entered.wait(30)
    second.start()

    is_blocked = notes.empty() and second.is_alive()
    leave.set()
    first.join(30)
    second.join(30)

    assert (is_blocked, notes.get(timeout=30)) == (True, "second")


def test_a_lock_can_be_taken_again_after_a_failure(tmp_path):
    with pytest.raises(RuntimeError, match="boom"), locked(tmp_path / "lock"):
        raise RuntimeError("boom")

    with locked(tmp_path / "lock"):
        pass
