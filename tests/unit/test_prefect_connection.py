"""Whether there is a Prefect server, found out without Prefect."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rollwright.flows.connection import server_url

PROFILES = """\
active = "work"
[profiles.work]
PREFECT_API_URL = "http://127.0.0.1:4200/api"
[profiles.other]
PREFECT_API_URL = "http://127.0.0.1:4300/api"
[profiles.ephemeral]
PREFECT_SERVER_ALLOW_EPHEMERAL_MODE = "true"
"""


@pytest.fixture
def home(tmp_path):
    (tmp_path / "profiles.toml").write_text(PROFILES)
    return {"PREFECT_HOME": str(tmp_path)}


@pytest.mark.parametrize(
    ("more", "url"),
    [
        ({}, "http://127.0.0.1:4200/api"),
        ({"PREFECT_PROFILE": "other"}, "http://127.0.0.1:4300/api"),
        ({"PREFECT_PROFILE": "ephemeral"}, ""),
        ({"PREFECT_PROFILE": "none"}, ""),
        ({"PREFECT_API_URL": "http://127.0.0.1:1/api"}, "http://127.0.0.1:1/api"),
        ({"PREFECT_PROFILES_PATH": "/nowhere"}, ""),
    ],
)
def test_a_server_is_named_by_the_environment_or_the_active_profile(home, more, url):
    assert server_url({**home, **more}) == url


@pytest.mark.parametrize("text", ["", "no toml [", "active = 7", 'profiles = "x"'])
def test_profiles_that_say_nothing_name_no_server(tmp_path, text):
    (tmp_path / "profiles.toml").write_text(text)

    assert server_url({"PREFECT_HOME": str(tmp_path)}) == ""


def test_without_a_server_approving_imports_no_prefect(tmp_path):
    code = (
        "import sys; from rollwright.cli import main; main(['approve', 'shop']);"
        "print([one for one in sys.modules if one == 'prefect'])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PREFECT_HOME": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip

    assert done.stdout.strip().endswith("[]")
