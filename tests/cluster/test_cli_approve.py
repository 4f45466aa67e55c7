"""Approvals from the command line, against a real API server and without Prefect."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from rollwright.cli import main

pytestmark = pytest.mark.cluster


def config_map(name, value="a"):
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: {value}}}\n"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


class Shop:
    """A rollout that always wants an approval, and the command line around it."""

    def __init__(self, folder, namespace, capsys):
        self.folder, self.name, self._capsys = folder, namespace, capsys
        (folder / "manifests").mkdir(parents=True)
        (folder / "rollout.yaml").write_text(
            f"apiVersion: rollwright.dev/v1alpha1\nkind: Rollout\nmetadata: {{name: {namespace}}}\n"
            f"spec:\n  source: {{path: ./manifests}}\n  target: {{namespace: {namespace}}}\n"
            "  approval: always\n"
        )

    def write(self, *texts):
        (self.folder / "manifests" / "all.yaml").write_text("---\n".join(texts))

    def run(self, *words):
        code = main([str(word) for word in words])
        captured = self._capsys.readouterr()
        return Done(code, captured.out, captured.err)

    def rollout(self, *words):
        return self.run("rollout", self.folder, *words)

    def status(self):
        return json.loads(self.run("status", self.name, "-o", "json").out)


@pytest.fixture
def shop(sandbox, namespace, tmp_path, capsys, monkeypatch):
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "no-prefect"))
    monkeypatch.chdir(tmp_path)  # away from any site
    shop = Shop(tmp_path / "shop", namespace, capsys)
    shop.write(config_map("a"))
    yield shop
    shop.run("delete", shop.name, "--confirm", shop.name)


@pytest.mark.parametrize("named", ["name", "file", "plan"])
def test_an_approved_plan_is_carried_out_by_the_next_run(shop, named):
    refused = shop.rollout()
    plan = shop.status()["approval"]["planId"]
    word = {"name": shop.name, "file": shop.folder, "plan": plan}[named]
    approved = shop.run("approve", word, "--reason", "looks right")
    done = shop.rollout()

    assert (refused.code, approved.code, done.code) == (4, 0, 0), approved.err + done.err
    assert (f"rollwright approve {shop.name}" in refused.err, plan[7:19] in approved.out) == (
        True,
        True,
    )


def test_a_rejected_plan_is_refused_even_with_yes(shop):
    shop.rollout()
    rejected = shop.run("reject", shop.name, "--reason", "not on a Friday")
    refused, forced = shop.rollout(), shop.rollout("--yes")

    assert (rejected.code, refused.code, forced.code) == (0, 4, 4)
    assert ["not on a Friday" in one.err for one in (refused, forced)] == [True, True]


def test_another_plan_is_not_covered(shop):
    shop.rollout()
    shop.run("approve", shop.name)
    shop.write(config_map("a", "b"))
    refused = shop.rollout()

    assert (refused.code, "the world moved on: the plan is now" in refused.err) == (4, True)


def test_status_says_who_asked_since_when_and_how_to_answer(shop):
    shop.rollout()
    text = shop.run("status", shop.name).out
    table = shop.run("status").out

    words = ("waits for an approval since", "asked by", f"`rollwright approve {shop.name}`")
    assert [one for one in words if one not in text] == []
    assert "rollwright--" not in table


def test_the_decision_is_on_record_and_waits_no_more(shop):
    shop.rollout()
    shop.run("approve", shop.name, "--reason", "looks right")
    shop.rollout()
    audit = json.loads(shop.run("state", "show", shop.name, "-o", "json").out)["audit"]

    assert [(one["kind"], "looks right" in one["message"]) for one in audit] == [("approval", True)]
    assert shop.status()["approval"] is None


def test_where_nothing_waits_it_says_so(shop):
    done = shop.run("approve", shop.name)

    assert (done.code, "nothing waits" in done.err, "Hint:" in done.err) == (2, True, True)
