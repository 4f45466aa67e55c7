"""What did not change is not rendered again; what did is, and so is what nobody can vouch for."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
import time
from pathlib import Path
from typing import ClassVar

import pytest

from rollwright import library
from rollwright.engine import operations
from rollwright.engine.inputs.render_cache import RenderCache, open_cache
from rollwright.engine.inputs.render_forms import packed, unpacked
from rollwright.engine.progress import Note
from rollwright.errors import InvalidManifests, Problem
from rollwright.rollouts.manifest import Manifest, ManifestSet, Origin, ref_of

COUNTING = '''
from dataclasses import replace
from pathlib import Path
from pydantic import BaseModel
from rollwright.renderers.plain import Plain
from rollwright.rollouts.manifest import ManifestSet

class Counting(BaseModel):
    """Renders as plain does, and counts how often."""
    log: str
    inputs: tuple[str, ...] = ()
    changes: bool = False
    is_repeatable: bool = True

    async def render(self, request):
        log = Path(self.log)
        count = len(log.read_text()) if log.exists() else 0
        log.write_text("x" * (count + 1))
        found = await Plain().render(request)
        if self.changes:
            one = found.manifests[0]
            body = {**one.body, "data": {"count": str(count)}}
            found = replace(found, manifests=(one.with_body(body), *found.manifests[1:]))
        return replace(found, inputs=self.inputs)
'''


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("ROLLWRIGHT_RENDERING__CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


class Counted:
    """A world whose renderer counts its calls."""

    def __init__(self, world, folder):
        self.world, self.log = world, folder / "log"
        (world.folder / "mine.py").write_text(COUNTING)
        (world.folder / "site.toml").write_text(self.site_toml())
        self.declare()

    def site_toml(self, more=""):
        return f'{more}\n[plugins.renderers]\ncounting = "mine.py:Counting"\n'

    def declare(self, *, options=None, **spec):
        given = {"log": str(self.log), **(options or {})}
        self.world.declare(render={"use": "counting", "with": given}, **spec)

    @property
    def count(self):
        return len(self.log.read_text()) if self.log.exists() else 0

    async def render(self, *, anew=False):
        async with self.world.site() as site:
            site.renders_anew = anew
            return await operations.render(site, library.load(self.world.folder))


@pytest.fixture
def counted(world, make, tmp_path):
    world.write(make.config("a"), make.config("b"))
    return Counted(world, tmp_path)


async def test_what_is_unchanged_is_not_rendered_again(counted):
    first, again = await counted.render(), await counted.render()

    assert counted.count == 1
    assert again == first
    assert again.digest == first.digest


@pytest.mark.parametrize("name", ["all.yaml", "more.yaml", ".hidden"])
async def test_another_tree_is_rendered(counted, name):
    await counted.render()
    with (counted.world.folder / "manifests" / name).open("a") as file:
        file.write("\n# more")
    await counted.render()

    assert counted.count == 2


async def test_a_tree_that_is_as_it_once_was_is_known(counted):
    file = counted.world.folder / "manifests" / "all.yaml"
    before = file.read_text()
    await counted.render()
    file.write_text(f"# other\n{before}")
    await counted.render()
    file.write_text(before)
    await counted.render()

    assert counted.count == 2


@pytest.mark.parametrize(
    "spec",
    [
        {"options": {"inputs": ["x"]}},
        {"config": [{"values": {"a": 1}}]},
        {"target": {"namespace": "other"}},
    ],
)
async def test_another_option_value_or_namespace_is_rendered(counted, spec):
    await counted.render()
    counted.declare(**spec)
    await counted.render()

    assert counted.count == 2


async def test_what_comes_after_rendering_is_made_anew_when_it_changes(counted):
    await counted.render()
    counted.declare(transform=[{"use": "labels", "with": {"labels": {"team": "shop"}}}])
    found = await counted.render()

    assert counted.count == 1
    assert all(one.labels["team"] == "shop" for one in found)


async def test_a_renderer_that_names_its_files_is_asked_only_when_they_change(counted):
    counted.declare(options={"inputs": ["all.yaml"]})
    (counted.world.folder / "manifests" / "notes.txt").write_text("one")
    await counted.render()
    (counted.world.folder / "manifests" / "notes.txt").write_text("two")
    await counted.render()

    assert counted.count == 1


async def test_a_file_that_comes_may_be_read_instead(counted):
    counted.declare(options={"inputs": ["all.yaml"]})
    await counted.render()
    (counted.world.folder / "manifests" / "new.txt").write_text("new")
    await counted.render()

    assert counted.count == 2


async def test_a_link_that_leads_elsewhere_may_be_read_instead(counted):
    counted.declare(options={"inputs": ["all.yaml"]})
    manifests = counted.world.folder / "manifests"
    (manifests / ".one").mkdir()
    (manifests / ".two").mkdir()
    (manifests / "current").symlink_to(".one")
    await counted.render()
    (manifests / "current").unlink()
    (manifests / "current").symlink_to(".two")
    await counted.render()

    assert counted.count == 2


async def test_hidden_names_that_are_no_text_hinder_nothing(counted):
    counted.declare(options={"inputs": ["all.yaml"]})
    await counted.render()
    (counted.world.folder / "manifests" / os.fsdecode(b".\xff")).touch()
    await counted.render()
    await counted.render()

    assert counted.count == 2


async def test_a_renderer_that_does_not_vouch_for_itself_is_always_asked(counted):
    counted.declare(options={"is_repeatable": False})
    await counted.render()
    await counted.render()

    assert counted.count == 2


async def test_nothing_is_kept_where_the_site_says_so(counted, tmp_path):
    text = counted.site_toml("[rendering]\ncache = false")
    (counted.world.folder / "site.toml").write_text(text)
    await counted.render()
    await counted.render()

    assert counted.count == 2
    assert not (tmp_path / "cache").exists()


async def test_without_the_cache_everything_is_rendered(counted):
    await counted.render()
    await counted.render(anew=True)

    assert counted.count == 2


async def test_a_mistake_that_a_validator_finds_is_found_each_time(counted, make):
    counted.declare(validate=[{"use": "schema"}])
    counted.world.write({**make.config("a"), "dat": {}})
    for _ in range(2):
        with pytest.raises(InvalidManifests):
            await counted.render()

    assert counted.count == 1


async def test_warnings_are_told_each_time(counted):
    rule = {"name": "p", "expr": "!has(object.kind)", "severity": "warning"}
    counted.declare(validate=[{"use": "policies", "with": {"rules": [rule]}}])
    await counted.render()
    found = await counted.render()

    assert len(found.warnings) == 2
    notes = [one.text for one in counted.world.heard if isinstance(one, Note)]
    assert len([text for text in notes if text.startswith("warning:")]) == 4


async def test_rules_in_files_of_the_site_are_read_each_time(counted):
    file = counted.world.folder / "rules.yaml"
    file.write_text("rules: [{name: p, expr: has(object.kind)}]")
    counted.declare(validate=[{"use": "policies", "with": {"files": ["rules.yaml"]}}])
    await counted.render()
    file.write_text("rules: [{name: p, expr: '!has(object.kind)'}]")

    with pytest.raises(InvalidManifests):
        await counted.render()


class TestDifferences:
    async def test_a_renderer_that_gives_something_else_each_time_is_told(self, counted):
        counted.declare(options={"changes": True})
        await counted.render()
        await counted.render(anew=True)

        notes = [one.text for one in counted.world.heard if isinstance(one, Note)]
        assert notes == [
            (
                "warning: the renderer counting gives something else each time, from the same source:"
                " ConfigMap/a"
            )
        ]

    async def test_rendering_twice_names_the_objects(self, counted):
        counted.declare(options={"changes": True})
        async with counted.world.site() as site:
            _, others = await operations.render_twice(site, library.load(counted.world.folder))

        assert others == ("ConfigMap/shop/a",)

    async def test_another_tree_gives_other_objects_and_nothing_is_said(self, counted, make):
        await counted.render()
        counted.world.write(make.config("a", k="w"))
        await counted.render(anew=True)

        assert not any(isinstance(one, Note) for one in counted.world.heard)


class TestSecrets:
    SECRET: ClassVar = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "stringData": {"password": "hunter2-hunter2"},
    }  # fmt: skip

    async def test_they_lie_in_no_file_of_the_cache(self, counted, tmp_path):
        counted.world.write(self.SECRET)
        first, again = await counted.render(), await counted.render()

        assert counted.count == 1
        assert again == first
        kept = b"".join(one.read_bytes() for one in tmp_path.rglob("renders/*/*"))
        assert b"hunter2" not in kept
        assert b"aHVudGVyMi1odW50ZXIy" not in kept  # encoded

    async def test_a_site_may_keep_them_out(self, counted):
        text = counted.site_toml("[rendering]\ncacheSecrets = false")
        (counted.world.folder / "site.toml").write_text(text)
        counted.world.write(self.SECRET)
        await counted.render()
        await counted.render()

        assert counted.count == 2

    async def test_without_the_key_they_are_rendered_again(self, counted, tmp_path):
        counted.world.write(self.SECRET)
        await counted.render()
        (tmp_path / "state" / "rollwright" / "renders.key").unlink()
        await counted.render()

        assert counted.count == 2


class TestRecords:
    @pytest.fixture
    def cache(self, tmp_path):
        return RenderCache(tmp_path / "renders", tmp_path / "key")

    def test_only_their_owner_may_read_them(self, cache, tmp_path):
        cache.write("abcd", b"x")

        modes = [stat.S_IMODE(one.stat().st_mode) for one in sorted(tmp_path.rglob("*"))]
        assert modes[-3:] == [0o700, 0o700, 0o600]

    def test_the_key_is_for_its_owner_alone(self, cache, tmp_path):
        cache.digest(b"x")

        assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600

    def test_one_key_is_used_by_all(self, cache, tmp_path):
        other = RenderCache(tmp_path / "renders", tmp_path / "key")

        assert cache.digest(b"x") == other.digest(b"x")

    def test_parts_are_told_apart(self, cache):
        assert cache.digest(b"ab", b"c") != cache.digest(b"a", b"bc")

    @pytest.mark.parametrize("is_secret", [True, False])
    @pytest.mark.parametrize(
        "content", [b"", b"R", b"R2", b"X1more", b"S1short", b"S1" + b"0" * 40]
    )
    def test_a_spoiled_record_is_none(self, cache, tmp_path, content, is_secret):
        cache.write("abcd", b"x", is_secret=is_secret)
        (tmp_path / "renders" / "ab" / "cd").write_bytes(content)

        assert cache.read("abcd") is None

    def test_a_record_that_somebody_changed_is_none(self, cache, tmp_path):
        cache.write("abcd", b"image: nginx")
        file = tmp_path / "renders" / "ab" / "cd"
        file.write_bytes(file.read_bytes().replace(b"nginx", b"other"))

        assert cache.read("abcd") is None

    @pytest.mark.parametrize("is_secret", [True, False])
    def test_a_record_counts_only_under_its_own_name(self, cache, tmp_path, is_secret):
        cache.write("abcd", b"x", is_secret=is_secret)
        (tmp_path / "renders" / "ab" / "cd").rename(tmp_path / "renders" / "ab" / "ce")

        assert cache.read("abce") is None

    def test_the_oldest_go_when_there_is_too_much(self, tmp_path):
        cache = RenderCache(tmp_path / "renders", tmp_path / "key", max_bytes=300)
        for number in range(2):
            cache.write(f"aa{number}", b"x" * 100)
            used_at = time.time() - 100 + number
            os.utime(tmp_path / "renders" / "aa" / str(number), (used_at, used_at))
        cache.write("aa2", b"x" * 100)

        assert [cache.read(f"aa{number}") is None for number in range(3)] == [True, False, False]

    def test_what_is_too_old_goes(self, cache, tmp_path):
        cache.write("aaold", b"x")
        os.utime(tmp_path / "renders" / "aa" / "old", (10**9, 10**9))
        cache.write("aanew", b"x")

        assert cache.read("aaold") is None

    def test_a_folder_that_others_may_write_into_is_not_used(self, tmp_path):
        folder = tmp_path / "rollwright" / "renders"
        folder.mkdir(parents=True)
        folder.chmod(0o777)
        home = {"XDG_CACHE_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}

        assert open_cache(home) is None

    def test_without_a_home_there_is_no_cache(self):
        assert open_cache({}) is None

    def test_a_folder_that_cannot_be_made_is_no_failure(self, tmp_path):
        (tmp_path / "renders").write_text("a file")
        cache = RenderCache(tmp_path / "renders", tmp_path / "key")
        cache.write("abcd", b"x")

        assert cache.read("abcd") is None

    async def test_several_processes_may_write_the_same(self, tmp_path):
        program = (
            "import sys; from pathlib import Path;"
            "from rollwright.engine.inputs.render_cache import RenderCache;"
            "cache = RenderCache(Path(sys.argv[1]) / 'renders', Path(sys.argv[1]) / 'key');"
            "[cache.write(cache.digest(b'name'), b'x' * 100_000) for _ in range(20)];"
            "print(cache.digest(b'name'))"
        )
        command = (sys.executable, "-c", program, str(tmp_path))
        started = [
            await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            for _ in range(3)
        ]
        names = {(await one.communicate())[0].decode().strip() for one in started}

        assert len(names) == 1
        cache = RenderCache(tmp_path / "renders", tmp_path / "key")
        assert cache.read(names.pop()) == b"x" * 100_000
        assert not list(tmp_path.rglob(".new-*"))


class TestForms:
    BODY: ClassVar = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a"},
        "n": [1.5, None],
    }

    def a_set(self) -> ManifestSet:
        origin = Origin(file="a.yaml", line=3)
        one = Manifest(body=self.BODY, ref=ref_of(self.BODY), key="a", origin=origin, document="d")
        warning = Problem(where="a", path="b", message="c", is_warning=True)
        return ManifestSet(
            (one,), "r@sha1:1", faults=("f",), rollout={"kind": "Rollout"}, inputs=("a.yaml",),
            hooks=(one,), warnings=(warning,),
        )  # fmt: skip

    def test_a_set_is_the_same_afterwards(self):
        given = self.a_set()
        found = unpacked(packed(given, with_digests=True) or b"", "r@sha1:1")

        assert (found, found.warnings, found.digest) == (given, given.warnings, given.digest)
        assert found.manifests[0].document == "d"

    @pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"version": 0}', b"null"])
    def test_what_is_no_set_is_refused(self, content):
        with pytest.raises(ValueError):
            unpacked(content, "")

    def test_what_json_cannot_say_is_not_kept(self):
        body = {**self.BODY, "x": {1, 2}}
        one = Manifest(body=body, ref=ref_of(body), key="a", origin=Origin(file="a"))

        assert packed(ManifestSet((one,))) is None


async def test_the_machine_form_is_the_same_each_time(counted):
    from rollwright.rollouts.machine.objects import objects_form

    forms = {
        json.dumps(objects_form(await counted.render(anew=anew), {}))
        for anew in (False, False, True)
    }

    assert len(forms) == 1


def test_keys_lie_outside_of_the_cache(tmp_path: Path) -> None:
    cache = open_cache({"HOME": str(tmp_path)})
    assert cache is not None
    cache.write(cache.digest(b"x"), b"x", is_secret=True)

    assert (tmp_path / ".local/state/rollwright/renders.key").is_file()
    assert not list((tmp_path / ".cache").rglob("*.key"))
