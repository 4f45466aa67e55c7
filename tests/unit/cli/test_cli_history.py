"""``history``, ``diff``, ``rollback``, ``hold`` and ``release``: what is typed wrong."""

from __future__ import annotations

import pytest


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A kubeconfig that is not there."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("hold", "shop"), "--reason"),
        (("hold", "shop", "--reason", " "), "--reason"),
        (("hold",), "name"),
        (("rollback",), "name"),
        (("rollback", "shop", "--to", "last"), "--to"),
        (("rollback", "shop", "--lock-wait", "soon"), "--lock-wait"),
        (("diff", "shop"), "old"),
        (("diff", "shop", "one"), "old"),
        (("history", "shop", "-o", "xml"), "-o"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(run, words, told):
    done = run(*words)

    assert (done.code, told.lower() in done.err.lower()) == (2, True), done.err


@pytest.mark.parametrize(
    "words",
    [
        ("history", "shop"),
        ("diff", "shop", "1"),
        ("rollback", "shop"),
        ("hold", "shop", "--reason", "freeze"),
        ("release", "shop"),
    ],
)
def test_without_a_cluster_nothing_can_be_looked_up(run, nowhere, words):
    done = run(*words)

    assert (done.code, done.out, "no kubeconfig" in done.err) == (2, "", True)


@pytest.mark.parametrize("kind", ["History", "Diff"])
def test_the_forms_have_schemas(run, kind):
    done = run("schema", kind)

    assert (done.code, f'"title": "{kind}"' in done.out) == (0, True)
