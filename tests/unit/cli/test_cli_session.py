"""Which cluster a command looks at when nobody names one."""

from __future__ import annotations

import pytest

from rollwright.cli.options import Common
from rollwright.cli.session import cluster_of
from rollwright.engine.site import Site
from rollwright.engine.site_file import load_site

TWO = "[clusters.blue]\nsandbox = true\n[clusters.green]\nsandbox = true\n"
ONE = "[clusters.blue]\nsandbox = true\n"


@pytest.fixture(autouse=True)
def _no_kubeconfig(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def a_site(folder, text):
    (folder / "site.toml").write_text(text)
    for name, cluster in (("shop", "green"), ("shop-two", "blue")):
        place = folder / "rollouts" / name
        place.mkdir(parents=True)
        (place / "rollout.yaml").write_text(
            "apiVersion: rollwright.dev/v1alpha1\nkind: Rollout\n"
            f"metadata: {{name: {name}}}\n"
            f"spec: {{source: {{path: .}}, target: {{cluster: {cluster}}}}}\n"
        )
    return Site(load_site(folder / "site.toml", environ={}))


@pytest.mark.parametrize(
    ("text", "common", "name", "cluster"),
    [
        (TWO, Common(), "shop", "green"),
        (TWO, Common(), "shop-two", "blue"),
        (TWO, Common(), "unknown", ""),
        (TWO, Common(), "", ""),
        (ONE, Common(), "unknown", "blue"),
        (ONE, Common(), "", "blue"),
        (TWO, Common(cluster="blue"), "shop", "blue"),
        (TWO, Common(context="other"), "shop", ""),
    ],
)
def test_the_cluster_is_the_named_one_or_the_rollouts_or_the_only_one(
    tmp_path, text, common, name, cluster
):
    assert cluster_of(a_site(tmp_path, text), common, name) == cluster


def test_a_broken_neighbor_does_not_hide_a_rollout(tmp_path):
    site = a_site(tmp_path, TWO)
    (tmp_path / "rollouts" / "a").mkdir()
    (tmp_path / "rollouts" / "a" / "rollout.yaml").write_text("shop: [")

    assert cluster_of(site, Common(), "shop") == "green"


def test_without_a_site_it_is_the_current_context(tmp_path):
    site = Site(load_site(None, environ={}, start=tmp_path))

    assert cluster_of(site, Common(), "shop") == ""


def test_a_kubeconfig_means_its_current_context(tmp_path, monkeypatch):
    (tmp_path / "kubeconfig").write_text("")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))

    assert cluster_of(a_site(tmp_path, ONE), Common()) == ""
