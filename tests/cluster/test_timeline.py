"""The timeline of a run, after its process ended."""

from __future__ import annotations

import asyncio
import json

import pytest

from rollwright.cli import main
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster


@pytest.fixture
def status(shop, capsys):
    def status(*words):
        code = main(["status", str(shop.folder), *map(str, words)])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out

    return status


def test_the_last_run_is_remembered_with_its_times(shop, make, status, tmp_path):
    shop.write(make.config("settings"), make.job("migrate", "fail"))
    report = asyncio.run(shop.rollout())
    assert report.outcome is Outcome.FAILED

    text = status("--timeline")
    [run] = json.loads(status("--timeline", "-o", "json"))["runs"]
    status("--svg", tmp_path / "run.svg")

    assert "failed" in text.splitlines()[0]
    bars = {bar["name"].rpartition("/")[2]: bar for bar in run["bars"] if bar["kind"] == "object"}
    assert bars["settings"]["outcome"] == "succeeded"
    assert bars["migrate"]["outcome"] == "failed"
    assert "job failed 1 time" in bars["migrate"]["message"]
    assert bars["migrate"]["durationSeconds"] > bars["settings"]["durationSeconds"]
    assert (tmp_path / "run.svg").read_text().startswith("<svg")


def test_a_run_that_changed_nothing_leaves_the_record_of_the_one_before(shop, make, status):
    shop.write(make.config("settings"))
    asyncio.run(shop.rollout())
    before = status("--timeline")
    asyncio.run(shop.rollout())

    assert status("--timeline") == before
