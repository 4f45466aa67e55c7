"""What a person reads when something is wrong, and what a program gets."""

from __future__ import annotations

import pytest

from rollwright.cli.failing import exit_code_of
from rollwright.errors import ClusterError, GuardRefused, NotFound, RolloutError, Unreachable


@pytest.mark.parametrize(
    "words",
    [
        ("rolout",),
        ("--frobnicate",),
        ("plan",),
        ("plan", "a", "b"),
        ("plan", "--no-such-option", "x"),
        ("render", "x", "-o", "toml"),
        ("lint",),
        ("locks", "--break", "shop"),
        ("locks", "--reason", "stuck"),
        ("sandbox", "up", "--nodes", "0"),
        ("sandbox", "up", "--nodes", "many"),
        ("rollout", "x", "--lock-wait", "soon"),
        ("schema", "Deployment"),
        ("plugins", "no-such-plugin"),
        ("render", "no-such-file"),
        ("plan", "no-such-file"),
        ("--site", "no-such-site.toml", "plugins"),
        ("completion", "tcsh"),
    ],
)
def test_usage_and_documents_end_with_2_and_say_why(run, words):
    done = run(*words)

    assert (done.code, done.out, done.err.startswith("Error: ")) == (2, "", True)


def test_a_mistyped_command_is_guessed(run):
    assert "Hint: did you mean `rollwright rollout`?" in run("rolout", "x").err


def test_a_mistyped_option_is_guessed(run):
    assert "--allow-prune" in run("plan", "x", "--allow-prun").err


def test_every_problem_of_a_document_is_told_with_its_line(run, shop):
    (shop / "rollout.yaml").write_text(
        "apiVersion: rollwright.dev/v1alpha1\nkind: Rollout\nmetadata: {name: Shop}\n"
        "spec:\n  source: {path: x}\n  prunee: {}\n"
    )
    done = run("plan", shop)

    assert (done.code, "rollout.yaml:3 metadata.name" in done.err, "rollout.yaml:6" in done.err) == (
        2, True, True,
    )  # fmt: skip


def test_without_a_kubeconfig_the_hint_says_what_to_do(run, shop):
    done = run("plan", shop)

    assert (done.code, "Hint: " in done.err, "rollwright sandbox up" in done.err) == (2, True, True)


def test_a_cluster_that_does_not_answer_is_unreachable(run, shop, tmp_path):
    (tmp_path / "kubeconfig").write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
        "contexts: [{name: a, context: {cluster: a, user: a}}]\n"
        "clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\n"
        "users: [{name: a, user: {token: x}}]\n"
    )
    done = run("status", "shop", "--kubeconfig", tmp_path / "kubeconfig")

    assert (done.code, done.err.startswith("Error: ")) == (3, True)


def test_an_unknown_cluster_names_the_known_ones(run, shop):
    (shop / "site.toml").write_text("[clusters.prod]\ncontext = 'x'\n")
    done = run("plan", shop, "--cluster", "staging")

    assert (done.code, "known: prod" in done.err) == (2, True)


def test_a_context_of_an_unknown_cluster_is_refused_too(run, shop):
    done = run("plan", shop, "--cluster", "staging", "--context", "x")

    assert (done.code, "no cluster 'staging'" in done.err) == (2, True)


def test_a_traceback_shows_only_with_debug(run):
    plain, debug = run("render", "nothing"), run("--debug", "render", "nothing")

    assert ("Traceback" in plain.err, "Traceback" in debug.err) == (False, True)


def test_what_nobody_foresaw_says_how_to_see_more(run, monkeypatch):
    def broken(*_args):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("rollwright.rollouts.machine.forms.machine_schema", broken)
    done = run("schema", "Plan")

    assert (done.code, "unexpected ZeroDivisionError" in done.err, "--debug" in done.err) == (
        1, True, True,
    )  # fmt: skip


def test_delete_wants_the_very_name(run):
    done = run("delete", "shop", "--confirm", "shops")

    assert (done.code, "nothing was changed" in done.err) == (4, True)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ClusterError("forbidden", status=403), 2),
        (ClusterError("invalid", status=422), 2),
        (ClusterError("broken", status=503), 3),
        (ClusterError("no answer that anybody understands"), 1),
        (Unreachable("gone"), 3),
        (GuardRefused("too much"), 4),
        (NotFound("nothing"), 2),
        (RolloutError("failed"), 1),
    ],
)
def test_errors_have_the_documented_exit_codes(error, code):
    assert exit_code_of(error) == code


def test_who_confirms_a_folder_learns_to_write_the_name(run):
    done = run("delete", "rollouts/shop", "--confirm", "shop")

    assert (done.code, "`rollwright delete NAME --confirm NAME`" in done.err) == (4, True)
