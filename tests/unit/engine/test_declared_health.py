"""A rollout that is removed by its name waits as its document says."""

from __future__ import annotations

from datetime import timedelta

from rollwright.engine import operations
from rollwright.engine.site import Site
from rollwright.engine.site_file import load_site

ROLLOUT = """\
apiVersion: rollwright.dev/v1alpha1
kind: Rollout
metadata: {name: shop}
spec: {source: {path: .}, health: {timeout: 5s}}
"""


def a_site(folder):
    (folder / "site.toml").write_text('[rollouts]\npaths = ["rollouts"]\n')
    (folder / "rollouts" / "shop").mkdir(parents=True)
    (folder / "rollouts" / "shop" / "rollout.yaml").write_text(ROLLOUT)
    return Site(load_site(folder / "site.toml"))


async def test_the_waits_of_the_document_hold_for_the_removal(tmp_path):
    async with a_site(tmp_path) as site:
        spec = operations.with_declared_health(site, operations.named_spec("shop"))

    assert spec.health.timeout == timedelta(seconds=5)


async def test_a_rollout_without_a_document_waits_as_usual(tmp_path):
    async with a_site(tmp_path) as site:
        spec = operations.with_declared_health(site, operations.named_spec("other"))

    assert spec == operations.named_spec("other")
