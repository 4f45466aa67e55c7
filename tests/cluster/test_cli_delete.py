"""``rollwright delete`` and ``--allow-delete`` as scripts use them, on a real server."""

from __future__ import annotations

import asyncio
import json

import pytest

from rollwright.cli import main

pytestmark = pytest.mark.cluster


@pytest.fixture
def command(shop, make, monkeypatch, capsys):
    """Roll out two ConfigMaps, and run commands in the folder of their site."""
    shop.write(make.config("a"), make.config("b"))
    asyncio.run(shop.rollout())
    monkeypatch.chdir(shop.folder)

    def command(*words):
        capsys.readouterr()
        code = main([*words, "--cluster", "here"])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield command
    main(["delete", shop.name, "--confirm", shop.name, "--cluster", "here"])


def is_there(shop, name="a"):
    return asyncio.run(shop.get("ConfigMap", name)) is not None


def test_nobody_confirms_nothing_happens(shop, command):
    code, out, err = command("delete", shop.name)

    assert (code, "2 to delete" in out, f"--confirm {shop.name}" in err, is_there(shop)) == (
        4, True, True, True
    )  # fmt: skip


def test_the_confirmed_name_deletes(shop, command):
    code, _, _ = command("delete", shop.name, "--confirm", shop.name)

    assert (code, is_there(shop)) == (0, False)


def test_a_mark_can_be_seen_and_cancelled(shop, command):
    marked = command("delete", shop.name, "--mark", "-o", "json")
    _, status, _ = command("status", shop.name)
    cancelled = command("delete", shop.name, "--cancel")

    form = json.loads(marked[1])
    assert (form["kind"], form["action"], len(form["objects"])) == ("Removal", "mark", 2)
    assert "marked for deletion by" in status
    assert (cancelled[0], is_there(shop)) == (0, True)


def test_what_is_not_due_is_refused(shop, command):
    command("delete", shop.name, "--mark")

    code, _, err = command("delete", shop.name, "--due")

    assert (code, "marked for deletion by" in err, is_there(shop)) == (4, True, True)


def test_two_ways_at_once_are_no_way(shop, command):
    code, _, err = command("delete", shop.name, "--mark", "--orphan")

    assert (code, "exclude each other" in err) == (2, True)


@pytest.mark.parametrize("way", ["--orphan", "--keep"])
def test_objects_can_stay(shop, command, way):
    refused, _, _ = command("delete", shop.name, way)
    code, out, _ = command("delete", shop.name, way, "--confirm", shop.name)

    assert (refused, code, "2 objects stay" in out, is_there(shop)) == (4, 0, True, True)


def test_a_file_may_say_that_deleting_means_marking(shop, command):
    shop.declare(deletion={"twoPhase": True})
    (shop.folder / "site.toml").write_text(
        (shop.folder / "site.toml").read_text() + '\n[rollouts]\npaths = ["."]\n'
    )

    code, out, _ = command("delete", shop.name)

    assert (code, "nothing was deleted" in out, is_there(shop)) == (0, True, True)


def test_a_protected_object_goes_by_name_only(shop, command):
    shop.declare(prune={"protect": ["ConfigMap"], "maxPercent": 100})
    shop.drop("-b")

    _, out, _ = command("rollout", ".", "--yes")
    assert (f"stays: ConfigMap/{shop.name}/b" in out, is_there(shop, "b")) == (True, True)
    code, out, _ = command("rollout", ".", "--yes", "--allow-delete", f"ConfigMap/{shop.name}/b")

    assert (code, "allowed by --allow-delete" in out, is_there(shop, "b")) == (0, True, False)


def test_a_name_that_is_none_is_a_usage_error(shop, command):
    code, _, err = command("plan", ".", "--allow-delete", "b")

    assert (code, "expected KIND/NAMESPACE/NAME" in err) == (2, True)
