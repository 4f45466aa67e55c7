"""Trees in ``render/<case>/source`` and the objects that they must render to, as recorded.

``GOLDEN_UPDATE=1 pytest tests/golden/test_render_golden.py`` writes the objects anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rollwright.documents import dump_all, load
from rollwright.plugins.contracts import FetchRequest, RenderRequest
from rollwright.plugins.registry import Registry

HOME = Path(__file__).parent / "render"
CASES = sorted(path.name for path in HOME.iterdir() if path.is_dir())


async def rendered(case: Path) -> str:
    registry, how = Registry(), load((case / "render.yaml").read_text())
    source = registry.build("sources", "path", {"path": "source"})
    renderer = registry.build("renderers", how["use"], how.get("with"))
    checkout = await source.fetch(FetchRequest(base=case))
    manifests = await renderer.render(RenderRequest(checkout=checkout))
    return "".join(
        f"# {one.key} from {one.origin}\n---\n{dump_all([one.body])}" for one in manifests
    )


@pytest.mark.parametrize("case", CASES)
async def test_objects_are_as_recorded(case: str) -> None:
    found, record = await rendered(HOME / case), HOME / case / "objects.yaml"
    if os.environ.get("GOLDEN_UPDATE"):
        record.write_text(found)

    assert found == record.read_text()
