"""What the page about feedback shows works: its sites, its rollouts, its templates."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from rollwright.documents import load
from rollwright.engine.site_file.model import SiteFile
from rollwright.feedback import BUILTIN
from rollwright.feedback.templates import check_template, filled
from rollwright.plugins.registry import Registry
from rollwright.rollouts.feedback import Event
from rollwright.rollouts.spec.feedback import FeedbackUse
from rollwright.testing.feedback_contract import a_feedback

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "feedback.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def sinks():
    for text in blocks("toml"):
        yield from SiteFile.model_validate(tomllib.loads(text)).feedback.items()


@pytest.mark.parametrize(("name", "sink"), list(sinks()), ids=lambda one: str(one)[:8])
def test_every_sink_can_be_made(name, sink):
    assert Registry().build("feedback", sink.name, sink.options, where="page", path=name)


def test_every_name_of_a_rollout_is_that_of_a_sink():
    names = {name for name, _ in sinks()}
    [document] = map(load, blocks("yaml"))
    group = document["spec"]["groups"][0]
    used = [*document["spec"]["feedback"], *group["feedback"], *group["steps"][0]["feedback"]]
    uses = [FeedbackUse.model_validate({"name": o} if isinstance(o, str) else o) for o in used]

    assert {one.name for one in uses if one.name} <= names


@pytest.mark.parametrize("event", [Event.FAILED, Event.RECOVERED])
def test_every_template_makes_json(event):
    texts = [sink.options["template"] for _, sink in sinks() if "template" in sink.options]
    told = a_feedback(event=event, message='"quoted"\n')

    values = {**told.machine, "secrets": {"key": "k"}}

    assert len(texts) == 2
    assert all(json.loads(filled(check_template(text), values)) for text in texts)


def test_every_sink_is_on_the_page():
    assert [name for name in BUILTIN if f"`{name}`" not in PAGE] == []
