"""``rollwright fan-out``: what it refuses before it reaches any cluster."""

from __future__ import annotations

import pytest

from rollwright.cli import main

SITE = '[clusters.a]\nkubeconfig = "nowhere"\nlabels = {env = "prod"}\n[clusters.b]\n'


@pytest.fixture
def site(shop):
    (shop / "site.toml").write_text(SITE)
    return shop


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name the clusters: --cluster NAME or --selector KEY=VALUE"),
        (("--selector", "env"), "--selector: expected KEY=VALUE; got 'env'"),
        (("--cluster", "nowhere"), "no cluster 'nowhere'"),
        (("--selector", "env=none"), "is meant; known: a, b"),
        (("--cluster", "a", "--serial", "1,x"), "'x' is neither a number of clusters nor per cent"),
        (("--cluster", "a", "--serial", "0"), "a batch of 0 clusters never ends"),
        (("--cluster", "a", "--max-failures", "-1"), "neither"),
        (("--cluster", "a", "--soak", "long"), "--soak"),
    ],
)
def test_a_mistake_on_the_command_line_ends_with_2(run, site, words, message):
    done = run("fan-out", site, *words)

    assert (done.code, done.out) == (2, "")
    assert message in " ".join(done.err.replace("│", " ").split())


def test_clusters_that_cannot_be_reached_are_told_one_by_one(run, site):
    done = run("fan-out", site, "--cluster", "a", "--cluster", "b", "--serial", "1", "--yes")

    assert done.code in {1, 2, 3}
    assert "batch 1: a\nbatch 2: b\n" in done.err
    assert "1 failed, 1 not begun; 1 failure of 0 tolerated: a" in done.out


def test_programs_get_json(run, site):
    import json

    done = run("fan-out", site, "--selector", "env=prod", "--yes", "-o", "json")

    document = json.loads(done.out)
    assert (document["kind"], document["outcome"]) == ("FanOut", "stopped")
    assert [one["cluster"] for one in document["targets"]] == ["a"]


def test_its_schema_can_be_printed(capsys):
    assert main(["schema", "FanOut"]) == 0
    assert '"SUCCEEDED"' not in capsys.readouterr().out
