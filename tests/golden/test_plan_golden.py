"""Cases as files: what is declared, wanted, live and remembered in; the plan as people read it out.

A case is a folder in ``plan/``; what it does not need is left out:

- ``spec.yaml``: the Rollout; by default one without any settings.
- ``wanted.yaml``: rendered objects. ``live.yaml``: objects as the server returns them. A document
  without a kind has facts of the whole cluster, by the field names of ``LiveSet``.
- ``forecast.yaml``: one document for each object that the server is asked about: ``object``, and
  the predicted ``body`` or what ``changes`` in the live one, ``conflicts``, ``immutable``.
- ``state.yaml``: the inventory. ``wanted: same`` and ``owned: same`` stand for the digests of
  what is wanted and live now.

``GOLDEN_UPDATE=1`` writes ``plan.txt`` anew: look at the difference before you keep it.
"""

from __future__ import annotations

import os
import re
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace
from typing import Any

import pytest

from rollwright.documents import load_all
from rollwright.rollouts.candidates import candidates
from rollwright.rollouts.change import Forecast, Prediction
from rollwright.rollouts.describe.lines import text
from rollwright.rollouts.describe.plans import describe_plan
from rollwright.rollouts.diff import Conflict
from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import ManifestSet, ObjectRef, ref_of
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.planning import make_plan
from rollwright.rollouts.spec import RolloutSpec, parse
from rollwright.rollouts.state import InventoryEntry, RolloutState

w = SimpleNamespace(**run_path(str(Path(__file__).parents[1] / "world.py")))
FOLDER = Path(__file__).parent / "plan"
CASES = sorted(path.name for path in FOLDER.iterdir())
PLAN_ID = re.compile(r"plan sha256:\w+")  # every new setting of a document changes it
IS_UPDATE = bool(os.environ.get("GOLDEN_UPDATE"))


@dataclass(frozen=True, kw_only=True)
class Case:
    spec: RolloutSpec
    wanted: ManifestSet
    live: LiveSet
    forecast: dict[ObjectRef, Forecast]
    state: RolloutState | None

    @property
    def plan(self) -> Plan:
        return make_plan(self.spec, self.wanted, self.live, self.forecast, self.state)


def documents(folder: Path, name: str) -> list[Any]:
    path = folder / f"{name}.yaml"
    return (
        [one.value for one in load_all(path.read_text(), name=path.name)] if path.exists() else []
    )


def read(name: str) -> Case:
    folder = FOLDER / name
    (spec,) = [parse(one) for one in documents(folder, "spec")] or [w.a_spec()]
    wanted = w.a_set(*documents(folder, "wanted"), rollout=spec.name)
    live = live_set(documents(folder, "live"))
    return Case(
        spec=spec,
        wanted=wanted,
        live=live,
        forecast=dict(forecast_of(one, live) for one in documents(folder, "forecast")),
        state=state_of(documents(folder, "state"), wanted, live),
    )


def live_set(found: list[Any]) -> LiveSet:
    facts = {key: value for one in found if "kind" not in one for key, value in one.items()}
    for key in ("unknown_kinds", "absent_namespaces"):
        rows = facts.get(key, [])
        facts[key] = frozenset(tuple(one) if isinstance(one, list) else one for one in rows)
    facts["unreadable"] = {ref(key): why for key, why in facts.get("unreadable", {}).items()}
    live: LiveSet = w.a_live_set(*(one for one in found if "kind" in one), **facts)
    return live


def ref(written: str) -> ObjectRef:
    """Read ``Deployment.apps/shop/web`` or ``Namespace/shop``."""
    kind, _, rest = written.partition("/")
    kind, _, group = kind.partition(".")
    namespace, _, name = rest.rpartition("/")
    return ObjectRef(group, kind, namespace, name)


def forecast_of(written: dict[str, Any], live: LiveSet) -> tuple[ObjectRef, Forecast]:
    about = ref(written["object"])
    body = written.get("body")
    if "changes" in written:
        body = merged(live.objects[about].body, written["changes"])
    return about, Forecast(
        prediction=Prediction(written.get("prediction", "server")),
        body=body,
        conflicts=tuple(Conflict(**one) for one in written.get("conflicts", ())),
        immutable=tuple(written.get("immutable", ())),
    )


def merged(body: Any, changes: Any) -> Any:
    """Return a body with changes merged in; null takes a field away."""
    if not isinstance(body, dict) or not isinstance(changes, dict):
        return changes
    after = deepcopy(body)
    for key, value in changes.items():
        if value is None:
            after.pop(key, None)
        else:
            after[key] = merged(after.get(key), value)
    return after


def state_of(found: list[Any], wanted: ManifestSet, live: LiveSet) -> RolloutState | None:
    if not found:
        return None
    (written,) = found
    return RolloutState(
        rollout="shop",
        cluster_id=w.CLUSTER_ID,
        inventory=tuple(entry(one, wanted, live) for one in written["inventory"]),
        version="7",
    )


def entry(written: dict[str, Any], wanted: ManifestSet, live: LiveSet) -> InventoryEntry:
    about = ref(written["object"])
    found, manifest = live.get(about), wanted.by_ref().get(about)
    is_same = written.get("wanted") == "same" and manifest is not None
    owns_same = written.get("owned") == "same" and found is not None
    return InventoryEntry(
        ref=about,
        api_version=written.get("apiVersion", "v1"),
        uid=written.get("uid", ""),
        wanted_digest=manifest.digest if manifest and is_same else "sha256:before",
        owned_digest=found.owned_digest if found and owns_same else "sha256:before",
        why_kept=written.get("whyKept", ""),
    )


@pytest.mark.parametrize("case", CASES)
def test_a_plan_is_as_recorded(case):
    printed = PLAN_ID.sub("plan sha256:…", text(describe_plan(read(case).plan)))
    recorded = FOLDER / case / "plan.txt"
    if IS_UPDATE:
        recorded.write_text(printed)

    assert printed == recorded.read_text()


@pytest.mark.parametrize("case", CASES)
def test_the_server_is_asked_about_what_the_case_answers_for(case):
    found = read(case)

    asked = {manifest.ref for manifest in candidates(found.wanted, found.live, found.state)}
    assert asked == found.forecast.keys()


@pytest.mark.parametrize("case", CASES)
def test_every_live_object_of_a_case_matters(case):
    found = read(case)

    known = found.wanted.by_ref().keys() | (found.state.by_ref.keys() if found.state else set())
    assert {ref_of(one.body) for one in found.live} <= known
