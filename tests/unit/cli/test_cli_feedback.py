"""``rollwright feedback``: who is told, and whether telling works."""

from __future__ import annotations

import json
import socket

import pytest

SITE = """
[feedback.team]
use = "webhook"
with = {{ url = "http://127.0.0.1:{port}/hook", timeout = "2s" }}
[feedback.quiet]
use = "webhook"
onlyNamed = true
with = {{ url = "http://127.0.0.1:{port}/hook" }}
[feedback.wrong]
use = "github"
"""


@pytest.fixture
def site(tmp_path):
    """A site whose sinks lead to a port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "site.toml").write_text(SITE.format(port=port))


@pytest.mark.usefixtures("site")
def test_sinks_are_listed_with_what_is_wrong_with_them(run):
    listed = run("feedback", "list", "-o", "json")
    items = {one["name"]: one for one in json.loads(listed.out)["items"]}

    assert items["quiet"]["told"] == "where it is named"
    assert "succeeded" in items["team"]["told"]
    assert "token: missing" in items["wrong"]["problem"]


def test_a_site_that_tells_nobody_says_how_to(run):
    assert "[feedback.NAME]" in run("feedback", "list").out


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("sink", "code", "told"),
    [
        ("team", 3, "POST http://127.0.0.1:"),
        ("nobody", 2, "no sink 'nobody'"),
        ("wrong", 2, "token: missing"),
    ],
)
def test_a_sink_that_cannot_be_told_is_said(run, sink, code, told):
    tried = run("feedback", "test", sink)

    assert tried.code == code
    assert told in tried.err


ROLLOUT = """
apiVersion: rollwright.dev/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  source: {path: manifests}
  validate: []
  feedback: [tema]
  groups:
  - name: web
    feedback: [{use: gihub}]
    steps:
    - {name: one, object: a.yaml, feedback: [{use: webhook, with: {url: "ftp://x"}}]}
    onRollback:
    - {name: two, object: a.yaml, feedback: [team, nobody]}
"""


@pytest.mark.usefixtures("site")
def test_lint_finds_who_cannot_be_told_in_a_rollout_and_its_site(run, tmp_path):
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "a.yaml").write_text(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop}}"
    )
    (tmp_path / "rollout.yaml").write_text(ROLLOUT)
    linted = run("lint", str(tmp_path), "-o", "json")
    found = {
        (one["where"].rpartition(":")[2], one["path"]): one["message"]
        for one in json.loads(linted.out)["items"]
    }

    assert linted.code == 2
    assert found == {
        ("8", "spec.feedback[0]"): (
            "no sink 'tema' in the site; known: quiet, team, wrong; did you mean 'team'?"
        ),
        ("11", "spec.groups[0].feedback[0]"): (
            "no feedback 'gihub'; known: apprise, azure, bitbucket, events, gitea, github,"
            " gitlab, webhook; did you mean 'github'?"
        ),
        ("13", "spec.groups[0].steps[0].feedback[0].with.url"): (
            "expected an address that begins with http:// or https://"
        ),
        ("15", "spec.groups[0].onRollback[0].feedback[1]"): (
            "no sink 'nobody' in the site; known: quiet, team, wrong"
        ),
        ("9", "feedback.wrong.with.token"): "missing",
    }
