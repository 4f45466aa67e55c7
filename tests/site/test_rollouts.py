"""Every declared rollout of this site: it parses, and its plan is the recorded one.

The plan is made against an empty cluster, from values alone: nothing is asked. ``GOLDEN_UPDATE=1 pytest
tests/site/test_rollouts.py`` writes the plans anew.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rollwright.engine import operations
from rollwright.engine.documents import FILE_NAMES, load_rollout
from rollwright.engine.site import open_site
from rollwright.rollouts.change import Operation
from rollwright.rollouts.describe.lines import text
from rollwright.rollouts.describe.plans import describe_plan
from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import ManifestSet
from rollwright.rollouts.planning import make_plan

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "rollouts"
GOLDEN = ROOT / "tests" / "golden" / "site"
OURS = re.compile(r"^apiVersion: *[\"']?rollwright\.dev/.*$", re.MULTILINE)
BUILT_IN_NAMESPACES = {"default", "kube-system", "kube-public", "kube-node-lease"}


def is_rollout(path: Path) -> bool:
    """Whether a file declares a rollout: by its name, its place, or what it says it is."""
    if path.suffix not in {".yaml", ".yml", ".json"}:
        return False
    return path.name in FILE_NAMES or path.parent == HOME or bool(OURS.search(path.read_text()))


ROLLOUTS = sorted(path for path in HOME.rglob("*") if path.is_file() and is_rollout(path))

every = pytest.mark.parametrize(
    "path", ROLLOUTS, ids=lambda path: str(path.relative_to(HOME).with_suffix(""))
)


def golden_of(path: Path) -> Path:
    place = path.relative_to(HOME)
    name = place.parent if path.name in FILE_NAMES else place.with_suffix("")
    return GOLDEN / f"{'-'.join(name.parts)}.txt"


def empty_cluster(wanted: ManifestSet, namespace: str) -> LiveSet:
    named = {manifest.ref.namespace for manifest in wanted} | {namespace}
    return LiveSet(
        objects={},
        read_at=datetime(2025, 1, 1, tzinfo=UTC),
        cluster="empty",
        cluster_id="00000000-0000-0000-0000-000000000000",
        absent_namespaces=frozenset(named - BUILT_IN_NAMESPACES - {""}),
    )


async def planned(path: Path):
    loaded = load_rollout(path)
    async with open_site(loaded) as site:
        wanted = await operations.render(site, loaded)
    spec = loaded.spec
    return make_plan(spec, wanted, empty_cluster(wanted, spec.target.namespace), {}, None)


@every
async def test_the_plan_is_as_recorded(path):
    found, record = text(describe_plan(await planned(path))), golden_of(path)
    if os.environ.get("GOLDEN_UPDATE"):
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(found)

    assert record.is_file(), "no plan is recorded: run this test with GOLDEN_UPDATE=1"
    assert found == record.read_text()


@every
async def test_planning_twice_gives_the_same_plan(path):
    assert (await planned(path)).id == (await planned(path)).id


@every
async def test_on_an_empty_cluster_everything_is_created(path):
    operations_of = {change.operation for change in (await planned(path)).changes}

    assert operations_of == {Operation.CREATE}


def test_names_of_rollouts_are_unique():
    names = [load_rollout(path).spec.name for path in ROLLOUTS]

    assert len(names) == len(set(names))


def test_nothing_is_recorded_for_a_rollout_that_is_gone():
    kept = set(GOLDEN.glob("*.txt")) if GOLDEN.is_dir() else set()

    assert kept <= {golden_of(path) for path in ROLLOUTS}
