"""``rollwright feedback`` about one rollout, on a real server."""

from __future__ import annotations

import pytest

from rollwright.cli import main

pytestmark = pytest.mark.cluster


def test_a_rollout_nobody_was_told_about_and_a_sink_that_is_not_there(
    shop, make, monkeypatch, capsys
):
    shop.declare()
    shop.write(make.config("a"))
    monkeypatch.chdir(shop.folder)
    listed = main(["feedback", "list", shop.name, "--cluster", "here"])
    said = capsys.readouterr().out
    resent = main(["feedback", "resend", shop.name, "--sink", "nobody", "--cluster", "here"])
    answer = capsys.readouterr()

    assert (listed, said) == (0, f"nobody was told about {shop.name}\n")
    assert (resent, answer.out) == (2, "")
    assert "no sink 'nobody'" in answer.err
