"""The action Command: what may be started, what it sees, and that it never outlives its step."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import ValidationError

from rollwright.actions.command import Command
from rollwright.plugins.contracts import ActionRequest
from rollwright.rollouts.plan import Step
from rollwright.rollouts.report import Outcome
from rollwright.testing.fake import FakeCluster

SECRET = "a-long-secret-value"


@pytest.fixture
def site(tmp_path):
    (tmp_path / "site" / "bin").mkdir(parents=True)
    return tmp_path / "site"


@pytest.fixture
def script(site):
    """Write a program of the site."""

    def script(text, name="tool"):
        path = site / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return script


@pytest.fixture
def asked(site):
    def asked(commands=("bin/*",), **rest):
        step = Step(name="dump", action="Command", changes=())
        return ActionRequest(
            step=step,
            cluster=FakeCluster(),
            rollout="shop",
            commands=commands,
            **{"site": site, **rest},
        )

    return asked


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


async def until_dead(pid):
    for _ in range(200):
        if not is_alive(pid):
            return True
        await asyncio.sleep(0.02)
    return False


async def until_written(path):
    for _ in range(500):
        if path.is_file() and path.read_text().strip():
            return path.read_text().strip()
        await asyncio.sleep(0.02)
    raise AssertionError("nothing was written")


async def test_a_program_of_the_site_runs(asked, script):
    script("echo hello; echo there >&2")
    result = await Command(argv=["bin/tool"]).run(asked())

    assert result.outcome is Outcome.SUCCEEDED
    assert result.logs == {"tool": "hello\nthere\n"}


async def test_arguments_are_not_read_by_a_shell(asked, script):
    script('printf "%s|" "$@"')
    result = await Command(argv=["bin/tool", "$HOME", "a b", "; rm"]).run(asked())

    assert result.logs["tool"] == "$HOME|a b|; rm|\n"


@pytest.mark.parametrize(
    ("codes", "outcome"),
    [([0], Outcome.FAILED), ([3], Outcome.SUCCEEDED), ([0, 3], Outcome.SUCCEEDED)],
)
async def test_the_exit_code_decides(asked, script, codes, outcome):
    script("echo broken; exit 3")
    result = await Command(argv=["bin/tool"], expectExitCodes=codes).run(asked())

    assert result.outcome is outcome


async def test_a_failure_quotes_what_was_written(asked, script):
    script("echo working; echo broken >&2; exit 3")
    result = await Command(argv=["bin/tool"]).run(asked())

    assert 'exit code 3, expected 0; it wrote: "broken"' in result.message


async def test_it_sees_nothing_of_our_environment(asked, script, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", "/secret/place")
    script("env")
    result = await Command(argv=["bin/tool"], env={"PGHOST": "db"}).run(asked())

    seen = {line.partition("=")[0] for line in result.logs["tool"].splitlines()}
    assert {"PGHOST", "PATH", "HOME"} <= seen
    assert seen <= {"PGHOST", "PATH", "HOME", "LANG", "TMPDIR", "PWD", "SHLVL", "_", "OLDPWD"}


async def test_secrets_reach_it_and_no_message(asked, script, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", SECRET)
    script('echo "with $PGPASSWORD"; exit 1')
    result = await Command(argv=["bin/tool"], env={"PGPASSWORD": {"env": "DB_PASSWORD"}}).run(
        asked()
    )

    assert SECRET not in repr(result) + str(result.logs)
    assert result.logs["tool"] == "with ***\n"


async def test_a_secret_that_is_not_there_starts_nothing(asked, script, site):
    script("touch ran")
    result = await Command(argv=["bin/tool"], env={"A": {"env": "NOT_THERE_AT_ALL"}}).run(asked())

    assert result.outcome is Outcome.FAILED
    assert not (site / "ran").exists()


async def test_it_runs_in_a_folder_of_the_site(asked, script, site):
    (site / "sql").mkdir()
    script("pwd -P")
    result = await Command(argv=["bin/tool"], cwd="sql").run(asked())

    assert result.logs["tool"].strip() == str((site / "sql").resolve())


async def test_a_folder_that_leads_out_is_refused(asked, script, site, tmp_path):
    (site / "out").symlink_to(tmp_path)
    script("true")
    result = await Command(argv=["bin/tool"], cwd="out").run(asked())

    assert result.outcome is Outcome.FAILED
    assert "no folder of the site" in result.message


@pytest.mark.parametrize(
    ("commands", "program", "may"),
    [
        ((), "bin/tool", False),
        (("bin/other",), "bin/tool", False),
        (("bin/tool",), "bin/tool", True),
        (("bin/t*",), "bin/tool", True),
        (("bin/*",), "./bin/../bin/tool", True),
        (("*",), "bin/tool", False),
        (("bin/*",), "bin/sub/tool", False),
        (("bin/*",), "bin/shell", False),
        (("bin/shell",), "bin/shell", False),
        (("/bin/true",), "/bin/true", True),
        (("/bin/true",), "true", True),
        (("/bin/true",), "/bin/sh", False),
        (("/bin/true",), "bin/true-link", False),
        (("bin/*",), "/bin/true", False),
        (("out/*",), "out/true", False),
        (("linked/*",), "linked/tool", False),
        (("bin/*",), "no-such-program", False),
    ],
)
async def test_only_what_the_site_lists_is_started(asked, script, site, commands, program, may):
    script("true")
    (site / "bin" / "sub").mkdir()
    (site / "bin" / "sub" / "tool").write_text("#!/bin/sh\n")
    (site / "bin" / "sub" / "tool").chmod(0o755)
    (site / "bin" / "shell").symlink_to("/bin/sh")
    (site / "out").symlink_to("/bin")
    (site / "linked").symlink_to(site / "bin")
    (site / "bin" / "true-link").symlink_to("/bin/sh")
    result = await Command(argv=[program, "-c", "true"]).run(asked(commands))

    assert (result.outcome is Outcome.SUCCEEDED) is may, result.message


async def test_a_link_that_the_site_names_exactly_keeps_its_name(asked, tmp_path, script):
    target = script('echo "$0"', "many")
    link = tmp_path / "one"
    link.symlink_to(target)
    result = await Command(argv=[str(link)]).run(asked((str(link),)))

    assert result.outcome is Outcome.SUCCEEDED
    assert result.logs["one"] == f"{link}\n"


async def test_folders_of_the_machine_may_be_links(asked, tmp_path, script):
    script("echo ran")
    (tmp_path / "programs").symlink_to(tmp_path / "site" / "bin")
    name = str(tmp_path / "programs" / "tool")
    result = await Command(argv=[name]).run(asked((str(tmp_path / "programs" / "*"),)))

    assert result.outcome is Outcome.SUCCEEDED


async def test_without_a_site_nothing_is_started(asked, script):
    script("true")
    result = await Command(argv=["/bin/true"]).run(asked(("/bin/true",), site=None))

    assert result.outcome is Outcome.FAILED
    assert "[plugins] commands" in result.hint


async def test_time_runs_out_and_all_of_it_ends(asked, script, site):
    script("sleep 100 & echo $! > child; echo begun; wait")
    result = await Command(argv=["bin/tool"], timeout="1s").run(asked())

    assert result.outcome is Outcome.TIMED_OUT
    assert 'was killed; it wrote: "begun"' in result.message
    assert await until_dead(int((site / "child").read_text()))


async def test_cancelled_it_leaves_nothing_running(asked, script, site):
    script("sleep 100 & echo $! > child; wait")
    running = asyncio.ensure_future(Command(argv=["bin/tool"]).run(asked()))
    child = int(await until_written(site / "child"))
    running.cancel()
    await asyncio.wait([running])

    assert running.cancelled()
    assert await until_dead(child)


async def test_what_it_leaves_behind_ends_with_it(asked, script, site):
    script("sleep 100 & echo $! > child; echo done")
    result = await Command(argv=["bin/tool"]).run(asked())

    assert result.outcome is Outcome.SUCCEEDED
    assert await until_dead(int((site / "child").read_text()))


async def test_of_much_output_the_end_is_kept(asked, script):
    script("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done")
    result = await Command(argv=["bin/tool"]).run(asked())

    lines = result.logs["tool"].splitlines()
    assert (len(lines), lines[-1]) == (1000, "line 2999")


async def test_a_run_that_stops_starts_nothing(asked, script, site):
    script("touch ran")
    result = await Command(argv=["bin/tool"]).run(asked(must_stop=lambda: True))

    assert result.outcome is Outcome.CANCELLED
    assert not (site / "ran").exists()


async def test_what_cannot_be_started_is_a_failure(asked, site):
    path = site / "bin" / "broken"
    path.write_text("#!/no/such/interpreter\n")
    path.chmod(0o755)
    result = await Command(argv=["bin/broken"]).run(asked())

    assert result.outcome is Outcome.FAILED
    assert "cannot start 'bin/broken'" in result.message


@pytest.mark.parametrize(
    "options",
    [
        {"argv": []},
        {"argv": ["a\0b"]},
        {"argv": "echo hello"},
        {"env": {"LD_PRELOAD": "x.so"}},
        {"env": {"PATH": "/tmp"}},
        {"env": {"PYTHONPATH": "."}},
        {"env": {"A-B": "1"}},
        {"env": {"A": {"value": "x"}}},
        {"cwd": "/tmp"},
        {"cwd": "../x"},
        {"expectExitCodes": []},
        {"expectExitCodes": [256]},
    ],
)
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises(ValidationError):
        Command.model_validate({"argv": ["a"], **options})


@pytest.mark.parametrize("name", ["PGHOST", "GITHUB_TOKEN", "NODE_ENV", "JAVA_HOME", "LDAP_URL"])
def test_harmless_variables_may_be_set(name):
    assert Command(argv=["a"], env={name: "x"}).env == {name: "x"}


def test_it_says_what_it_will_do():
    assert str(Command(argv=["psql", "-f", "a.sql"])) == (
        "run psql -f a.sql; a resumed run runs it again"
    )
