"""Help answers at once, for every command, and says what the table of commands says."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rollwright.cli import arrange
from rollwright.cli.commands import all_commands

NAMES = [command.name for command in all_commands()]
HEAVY = ("prefect", "kubernetes", "aiohttp", "git", "jsonschema_rs", "kubernetes_validate", "grpc")


def modules_after(*words):
    """Return what a fresh interpreter has imported after a command."""
    program = (
        "import sys; from rollwright.cli import main; main(sys.argv[1:]);"
        "sys.stderr.write(' '.join(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_lists_every_command(run, word):
    page = run(word)

    assert (page.code, [name for name in NAMES if f"  {name} " not in page.out]) == (0, [])


def test_a_bare_call_prints_help_and_is_a_usage_error(run):
    page = run()

    assert (page.code, page.out.startswith("Usage: rollwright")) == (2, True)


def test_the_first_page_imports_no_parser(tmp_path):
    assert not modules_after("--help") & {"cyclopts", "rich", "pydantic", "asyncio", *HEAVY}


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_a_page_that_begins_as_the_table_says(run, name):
    page = run(name, "--help")
    what = next(command.help for command in all_commands() if command.name == name)

    assert (page.code, what in page.out.replace("\n", " ")) == (0, True)


@pytest.mark.parametrize("name", ["plan", "rollout", "status", "doctor", "sandbox", "render"])
def test_pages_of_commands_import_nothing_heavy(name):
    assert not modules_after(name, "--help") & set(HEAVY)


def test_render_imports_neither_prefect_nor_a_client(shop):
    found = modules_after("render", str(shop))

    assert not found & {"prefect", "kubernetes", "aiohttp", "git", "grpc"}


def test_help_names_a_command_before_or_after(run):
    assert run("help", "plan").out == run("plan", "--help").out


def test_help_fits_a_narrow_terminal(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    page = run("rollout", "--help")

    assert max(len(line) for line in page.out.splitlines()) <= 60


def test_version_is_the_packages(run):
    from importlib.metadata import version

    assert run("--version").out == f"rollwright {version('rollwright')}\n"


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "rollwright", "--version"],
        capture_output=True, text=True, check=True, timeout=60, env={**os.environ},
    )  # fmt: skip

    assert done.stdout.startswith("rollwright ")


@pytest.mark.parametrize(
    ("typed", "arranged"),
    [
        ("--site a plan b", "plan --site a b"),
        ("--site=a plan b", "plan --site=a b"),
        ("-v --debug -o json plan b", "plan -v --debug -o json b"),
        ("plan b --site a", "plan b --site a"),
        ("--help", "--help"),
        ("-v", "-v"),
    ],
)
def test_global_options_may_stand_before_the_command(typed, arranged):
    assert arrange(typed.split()) == arranged.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_the_commands(run, shell):
    script = run("completion", shell).out

    assert [name for name in NAMES if name not in script] == []
