"""Saved plans on disk: whole or not there, and what stands there is checked."""

from __future__ import annotations

import pytest

from rollwright import library
from rollwright.engine.approval import saved as engine
from rollwright.engine.approval.plan_files import read_plan, write_plan
from rollwright.errors import NotFound, Refused


@pytest.fixture
async def made(world, make):
    world.write(make.config("a"))
    async with world.site() as site:
        return await engine.save_plan(site, library.load(world.folder))


async def test_what_was_written_is_read(made, tmp_path):
    file = tmp_path / "plan.json"
    write_plan(made, file)

    assert read_plan(file) == made
    assert [one.name for one in tmp_path.iterdir() if "plan" in one.name] == ["plan.json"]


async def test_a_former_plan_is_replaced_and_others_may_read_it(made, tmp_path):
    file = tmp_path / "plan.json"
    file.write_text("before")
    file.chmod(0o600)
    write_plan(made, file)

    assert read_plan(file).id == made.id
    assert file.stat().st_mode & 0o777 == 0o644


async def test_a_folder_that_is_not_there_is_an_error_and_leaves_nothing(made, tmp_path):
    with pytest.raises(NotFound, match="cannot write"):
        write_plan(made, tmp_path / "no" / "plan.json")

    assert not (tmp_path / "no").exists()


async def test_a_folder_is_no_place_for_a_plan(made, tmp_path):
    (tmp_path / "plan.json").mkdir()

    with pytest.raises(NotFound, match="cannot write"):
        write_plan(made, tmp_path / "plan.json")

    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_a_plan_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFound, match="cannot read plan"):
        read_plan(tmp_path / "plan.json")


def test_an_empty_file_is_no_plan(tmp_path):
    (tmp_path / "plan.json").touch()

    with pytest.raises(Refused, match="is empty"):
        read_plan(tmp_path / "plan.json")


async def test_the_library_saves_a_plan_and_carries_it_out(world, make, tmp_path):
    world.write(make.config("a"))
    async with world.site() as site:
        made = await library.save_plan(world.folder, tmp_path / "plan.json", site=site)
        report = await library.rollout(world.folder, plan=tmp_path / "plan.json", site=site)

    assert (report.plan.id, report.outcome.value) == (made.id, "succeeded")


async def test_the_library_carries_out_only_the_approved_plan(world, make):
    world.write(make.config("a"))
    plan = await world.plan()

    with pytest.raises(Refused, match="approval is for plan"):
        await world.rollout(approved="0" * 12)

    assert (await world.rollout(approved=plan.id)).outcome.value == "succeeded"
