"""What the README shows is true: its document, its Python, its plan."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def block(language: str, holding: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return str(next(text for text in blocks if holding in text))


@pytest.fixture
def site(sandbox, namespace, tmp_path):
    """A copy of this repository's site whose sandbox is the one of the tests."""
    shutil.copytree(ROOT / "rollouts" / "shop", tmp_path / "rollouts" / "shop")
    (tmp_path / "deployments").mkdir()
    kubeconfig = json.dumps(str(sandbox.kubeconfig))
    text = f'[clusters.sandbox]\nkubeconfig = {kubeconfig}\n[stores.default]\nuse = "cluster"\n'
    (tmp_path / "deployments" / "site.toml").write_text(text)
    for file in (tmp_path / "rollouts" / "shop").rglob("*.yaml"):
        words = file.read_text().replace("namespace: shop", f"namespace: {namespace}")
        file.write_text(words.replace("name: shop\n", f"name: {namespace}\n"))
    yield tmp_path
    delete = [sys.executable, "-m", "rollwright", "delete", namespace, "--confirm", namespace]
    subprocess.run([*delete, "--cluster", "sandbox"], cwd=tmp_path, check=True)


def run(arguments: list[str], folder: Path) -> str:
    done = subprocess.run(
        arguments, cwd=folder, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_document_shown_is_the_one_that_is_rolled_out() -> None:
    shown = block("yaml", "kind: Rollout").split("\n", 1)[1].strip()
    kept = (ROOT / "rollouts" / "shop" / "rollout.yaml").read_text()

    assert [line for line in shown.splitlines() if line not in kept.splitlines()] == [
        "metadata: {name: shop}"
    ]


def test_the_python_shown_rolls_out_and_the_plan_is_as_shown(site) -> None:
    script = site / "example.py"
    script.write_text(block("python", "import rollwright"))

    printed = run([sys.executable, str(script)], site)
    web = site / "rollouts" / "shop" / "manifests" / "web.yaml"
    web.write_text(web.read_text().replace("shop/web:1.8", "shop/web:1.9"))
    plan = run([sys.executable, "-m", "rollwright", "plan", "rollouts/shop"], site)

    assert printed.splitlines()[-1].startswith("succeeded ")
    assert 'spec.template.spec.containers[web].image: "shop/web:1.8" → "shop/web:1.9"' in plan
    assert "1 to update, 11 unchanged" in plan
