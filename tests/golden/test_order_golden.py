"""Cases as files: objects in, waves, levels and edges out.

``objects.yaml`` holds the objects; ``cluster.yaml``, where there is one, the CRDs and webhooks
that are live. ``upserts.txt`` and ``deletes.txt`` hold what is expected; the name of a case
begins with the rule that it shows.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rollwright.documents import load_all
from rollwright.errors import InvalidManifests
from rollwright.rollouts.manifest import Manifest, Origin, ref_of
from rollwright.rollouts.order import OrderContext, Ordering, order_deletes, order_upserts

CASES = Path(__file__).parent / "order"


def bodies(case: Path, name: str):
    path = case / name
    return [each.value for each in load_all(path.read_text(), name=name)] if path.exists() else []


def context(case: Path) -> OrderContext:
    live = bodies(case, "cluster.yaml")
    crds = tuple(each for each in live if each["kind"] == "CustomResourceDefinition")
    return OrderContext(
        rollout="shop", crds=crds, webhooks=tuple(each for each in live if each not in crds)
    )


def upserts(case: Path) -> Ordering:
    manifests = [
        Manifest(body=body, ref=ref_of(body), key=str(n), origin=Origin(file="objects.yaml"))
        for n, body in enumerate(bodies(case, "objects.yaml"))
    ]
    return order_upserts(manifests, context(case))


def deletes(case: Path) -> Ordering:
    return order_deletes(bodies(case, "objects.yaml"), context(case))


def told(order, case: Path) -> str:
    try:
        return describe(order(case))
    except InvalidManifests as error:
        return "".join(f"refused: {problem}\n" for problem in error.problems)


def describe(ordering: Ordering) -> str:
    lines = []
    for wave, places in ordering.waves:
        lines.append(f"wave {wave}")
        for place in places:
            lines.append(f"  {place.level} {place.ref.qualified}")
            lines.extend(
                f"      after {edge.ref.qualified} ({edge.rule})"
                for edge in ordering.predecessors(place.ref)
            )
    lines.extend(f"elsewhere: {ref} after {app}:{needs}" for ref, app, needs in ordering.external)
    lines.extend(f"note: {note}" for note in ordering.notes)
    return "".join(f"{line}\n" for line in lines)


def cases(name: str) -> list[str]:
    return sorted(path.parent.name for path in CASES.glob(f"*/{name}"))


@pytest.mark.parametrize("case", cases("upserts.txt"))
def test_upserts_are_ordered_as_recorded(case):
    assert told(upserts, CASES / case) == (CASES / case / "upserts.txt").read_text()


@pytest.mark.parametrize("case", cases("deletes.txt"))
def test_deletes_are_ordered_as_recorded(case):
    assert told(deletes, CASES / case) == (CASES / case / "deletes.txt").read_text()
