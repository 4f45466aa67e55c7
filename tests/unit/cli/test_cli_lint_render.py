"""``lint`` and ``render`` with warnings of validators, and what renders differently each time."""

from __future__ import annotations

import json

import pytest

from rollwright.cli import main

DIFFERING = """
from dataclasses import replace
from itertools import count
from pydantic import BaseModel
from rollwright.renderers.plain import Plain

COUNT = count()

class Differing(BaseModel):
    async def render(self, request):
        found = await Plain().render(request)
        one = found.manifests[0]
        body = {**one.body, "data": {"n": str(next(COUNT))}}
        return replace(found, manifests=(one.with_body(body),))
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "src").mkdir()
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    (tmp_path / "src" / "a.yaml").write_text(json.dumps(config))
    (tmp_path / "site.toml").write_text('[plugins.renderers]\ndiffering = "mine.py:Differing"\n')
    (tmp_path / "mine.py").write_text(DIFFERING)
    return tmp_path


def declare(folder, **spec):
    document = {
        "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": "shop"},
        "spec": {"source": {"path": "src"}, "target": {"namespace": "shop"}, **spec},
    }  # fmt: skip
    (folder / "rollout.yaml").write_text(json.dumps(document))


def a_rule(severity):
    rule = {"name": "owner", "expr": "'team' in object.metadata.labels", "severity": severity}
    return [{"use": "policies", "with": {"rules": [{**rule, "message": "name a team"}]}}]


@pytest.mark.parametrize(("severity", "code"), [("warning", 0), ("error", 2)])
def test_lint_tells_what_validators_find(folder, capsys, severity, code):
    declare(folder, validate=a_rule(severity))

    assert main(["lint", str(folder)]) == code
    assert f"{severity}: a.yaml:1: owner: name a team" in capsys.readouterr().out


def test_strict_takes_warnings_of_validators_for_errors(folder):
    declare(folder, validate=a_rule("warning"))

    assert main(["lint", str(folder), "--strict"]) == 2


def test_warnings_are_told_beside_errors(folder, capsys):
    declare(folder, validate=[*a_rule("warning"), *a_rule("error")])
    main(["lint", str(folder), "-o", "json"])

    found = json.loads(capsys.readouterr().out)["items"]
    assert sorted(one["severity"] for one in found) == ["error", "warning"]


def test_render_tells_warnings_beside_the_objects(folder, capsys):
    declare(folder, validate=a_rule("warning"))

    assert main(["render", str(folder)]) == 0
    printed = capsys.readouterr()
    assert "warning: a.yaml:1: owner: name a team" in printed.err
    assert "warning" not in printed.out


def test_lint_warns_of_what_renders_differently_each_time(folder, capsys):
    declare(folder, render={"use": "differing"})

    assert main(["lint", str(folder), "--twice"]) == 0
    assert "renders differently each time: ConfigMap/shop/a" in capsys.readouterr().out


def test_a_checked_rendering_fails_if_it_differs(folder, capsys):
    declare(folder, render={"use": "differing"})

    assert main(["render", str(folder), "--check"]) == 2
    assert "shop renders differently each time: ConfigMap/shop/a" in capsys.readouterr().err


def test_a_checked_rendering_prints_the_objects(folder, capsys):
    declare(folder)

    assert main(["render", str(folder), "--check", "-o", "json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["objects", "rollout"]


def test_a_transformer_that_does_not_fit_is_named_by_its_number(folder, capsys):
    good = {"use": "labels", "with": {"labels": {"a": "b"}}}
    bad = {"use": "set", "with": {"path": "data.a[0]", "value": 1}}
    declare(folder, transform=[good, bad])

    assert main(["render", str(folder)]) == 2
    assert "transformer 2: set: ConfigMap/a: data.a[0]" in capsys.readouterr().err


def test_lint_tells_what_no_step_can_do(folder, capsys):
    job = {"name": "s", "object": "a.yaml", "action": "Job"}
    declare(folder, groups=[{"name": "g", "steps": [job]}])

    assert main(["lint", str(folder)]) == 2
    assert "Job: ConfigMap/shop/a is no Job or Pod" in capsys.readouterr().out
