"""A rollout on disk, and the command line called as a person would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from rollwright.cli import main

ROLLOUT = """\
apiVersion: rollwright.dev/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  source: {path: ./manifests}
  target: {namespace: shop}
"""
SETTINGS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {greeting: hello}
"""
WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "nginx:1.29"}]}
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(capsys, monkeypatch, tmp_path) -> Run:
    """Run a command in an empty home, in the folder of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def call(*words: object) -> Done:
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with a rollout of two objects."""
    folder = tmp_path / "shop"
    (folder / "manifests").mkdir(parents=True)
    (folder / "rollout.yaml").write_text(ROLLOUT)
    (folder / "manifests" / "settings.yaml").write_text(SETTINGS)
    (folder / "manifests" / "web.yaml").write_text(WEB)
    return folder
