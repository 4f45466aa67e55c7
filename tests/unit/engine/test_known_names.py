"""Documents of the older format: plugins of the site they may name, steps that run together."""

from __future__ import annotations

import json

import pytest

from rollwright import library
from rollwright.errors import InvalidSpec
from rollwright.rollouts.report import Outcome

PLUGINS = """
from pydantic import BaseModel
from rollwright.plugins.contracts import CheckResult, Verdict
from rollwright.rollouts.report import Outcome, StepResult


class Smoke(BaseModel):
    async def run(self, request):
        return StepResult(step=request.step.name, outcome=Outcome.SUCCEEDED, message="no smoke")


class Calm(BaseModel):
    async def evaluate(self, request):
        return CheckResult(verdict=Verdict.SUCCESS)
"""
SITE = '[plugins.actions]\nSmoke = "mine.py:Smoke"\n[plugins.checks]\nCalm = "mine.py:Calm"\n'


def older(*steps, **group):
    return {
        "apiVersion": "workflow.kubernetes.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "shop"},
        "spec": {"groups": [{"name": "g", **group, "steps": list(steps)}]},
    }  # fmt: skip


def step(action="CreateOrUpdate", check=""):
    found = {"object": "all.yaml", "action": action}
    if check:
        value = {"name": "k", "path": "{.data.k}", "value": {"static": "v"}}
        found["success"] = [{"fieldComparisons": [value], "failure": [{"checkName": check}]}]
    return found


@pytest.fixture
def named(world, make):
    """Let the rollout name a document of the older format, on a site with plugins of its own."""
    (world.folder / "mine.py").write_text(PLUGINS)
    (world.folder / "site.toml").write_text(SITE)
    world.write(make.config("a"))

    def write(document, site=SITE):
        (world.folder / "site.toml").write_text(site)
        (world.folder / "older.yaml").write_text(json.dumps(document))
        world.declare(groups={"file": "older.yaml"})
        return world

    return write


@pytest.fixture
def rendered(world, make):
    """Let jsonnet make the document with its objects."""
    (world.folder / "mine.py").write_text(PLUGINS)

    def write(document, site=SITE):
        (world.folder / "site.toml").write_text(site)
        whole = {"objects": {"all.yaml": make.config("a")}, "rollout": document}
        (world.folder / "manifests" / "main.jsonnet").write_text(json.dumps(whole))
        render = {"use": "jsonnet", "with": {"entrypoint": "main.jsonnet"}}
        world.declare(render=render)
        return world

    return write


@pytest.fixture(params=["named", "rendered"])
def written(request):
    return request.getfixturevalue(request.param)


async def test_an_action_and_a_check_of_the_site_may_be_named(written):
    world = written(older(step("Smoke"), step(check="Calm")))

    assert (await world.rollout()).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (step("Smoek"), 'unknown action "Smoek": available actions are ['),
        (step(check="Clam"), 'unknown failure check "Clam": available checks are ['),
    ],
)
async def test_what_the_site_does_not_have_is_refused_with_what_it_has(written, wrong, words):
    world = written(older(wrong))
    with pytest.raises(InvalidSpec) as refused:
        async with world.site() as site:
            await library.render(world.folder, site=site)

    assert words in str(refused.value)
    assert ("Smoke" if "action" in words.split(":")[0] else "Calm") in str(refused.value)


@pytest.mark.parametrize("action", ["Pause", "Http", "Job"])
def test_an_action_that_needs_options_cannot_be_named(named, action):
    world = named(older(step(action)))
    with pytest.raises(InvalidSpec, match=f'unknown action "{action}"'):
        library.load(world.folder)


@pytest.mark.parametrize(
    ("site", "group", "is_parallel"),
    [
        ("", {}, False),
        ("[steps]\nparallel = true\n", {}, True),
        ("[steps]\nparallel = true\n", {"parallel": False}, False),
        ("[steps]\nparallel = false\n", {"parallel": True}, True),
    ],
)
async def test_the_site_says_what_runs_together_where_the_document_does_not(
    written, site, group, is_parallel
):
    steps = [{**step(), "name": "one"}, {**step("Smoke"), "name": "two"}]
    steps[1]["object"] = "all.yaml"
    world = written(older(*steps, **group), site + SITE)
    if is_parallel:
        with pytest.raises(InvalidSpec, match="both run together"):
            await world.plan()
    else:
        assert [len(wave.steps) for wave in (await world.plan()).waves] == [1, 1]
