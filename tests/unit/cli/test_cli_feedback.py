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
