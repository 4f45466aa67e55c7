"""A cache folder that cannot be written is told, and hinders nothing."""

from __future__ import annotations

import os
import shutil

import pytest

from rollwright.plugins.cache_folders import writable
from rollwright.plugins.contracts import Checkout, RenderRequest
from rollwright.renderers.helm import Helm, archives, program
from rollwright.renderers.helm.remote import Remote


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A cache folder below a file: nobody can write there, whoever runs this."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    return tmp_path / "file" / "rollwright"


def test_a_folder_that_can_be_written_is_taken(tmp_path):
    found = writable(tmp_path / "a" / "b")

    assert (found.path, found.note) == (tmp_path / "a" / "b", "")


def test_a_temporary_one_is_private_and_the_same_for_all(nowhere):
    first, second = writable(nowhere), writable(nowhere)

    assert first == second
    assert first.path.stat().st_mode & 0o777 == 0o700
    assert first.note.startswith(
        f"cannot write the cache folder {nowhere} (Not a directory); a temp"
    )


async def test_helm_is_unpacked_elsewhere_with_one_note(nowhere, tmp_path, monkeypatch):
    monkeypatch.delenv(program.VARIABLE, raising=False)
    path = os.pathsep.join(
        one for one in os.environ["PATH"].split(os.pathsep) if not shutil.which("helm", path=one)
    )
    monkeypatch.setenv("PATH", path)
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")
    (chart / "templates/a.yaml").write_text(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n"
    )
    request = RenderRequest(checkout=Checkout(root=chart, revision="r"))
    found = await Helm().render(request)

    assert [one.ref.name for one in found] == ["a"]
    assert found.notes == (writable(nowhere).note,)


def test_a_chart_is_kept_elsewhere_and_found_there(nowhere):
    remote = Remote(
        chart="web", repo="https://charts.example.com", version="1.2.3", digest="", ca_file=None,
        insecure=False, plain_http=None,
    )  # fmt: skip
    kept = archives.keep(remote, b"an archive")

    assert archives.find(remote) == kept
    assert "a temporary one is used" in archives.note()
