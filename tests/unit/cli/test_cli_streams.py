"""Output that nobody takes never ends a command."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rollwright.cli.render import render
from rollwright.cli.streams import steady

FULL = Path("/dev/full")


def a_closed_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w", buffering=1)


def test_a_reader_that_went_away_stops_nothing():
    stream = steady(a_closed_pipe())

    assert stream.write("one\n" * 10) == 40
    stream.flush()
    stream.close()


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
def test_objects_that_could_not_be_printed_are_no_success(monkeypatch, tmp_path):
    (tmp_path / "all.yaml").write_text(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop}}"
    )
    document = tmp_path / "rollout.yaml"
    document.write_text(
        "{apiVersion: rollwright.dev/v1alpha1, kind: Rollout, metadata: {name: shop},"
        " spec: {source: {path: ./all.yaml}}}"
    )
    with FULL.open("w") as full:
        monkeypatch.setattr("sys.stdout", steady(full))

        assert render(document) == 1


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
def test_a_full_disk_is_told_once(capsys, monkeypatch):
    monkeypatch.setattr(sys, "__stderr__", told := io.StringIO())
    with FULL.open("w", buffering=1) as full:
        stream = steady(full)
        for _ in range(3):
            stream.write("line\n")
            stream.flush()

    assert told.getvalue().count("cannot print") == 1


def test_signs_that_a_stream_does_not_know_are_replaced():
    raw = io.BytesIO()
    stream = steady(io.TextIOWrapper(raw, encoding="latin-1"))

    stream.write("1 → 2")
    stream.flush()

    assert raw.getvalue() == b"1 ? 2"


def test_a_command_outlives_the_reader_of_its_output():
    command = f"{sys.executable} -m rollwright schema Rollout; echo rc=$? >&2"

    done = subprocess.run(
        ["bash", "-c", f"set +o pipefail; ( {command} ) | head -c 1"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == "rc=0\n"
