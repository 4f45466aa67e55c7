"""A cluster in memory that answers at once, for tests of the planning core.

Server-side apply is the simple model of ``rollwright.testing``: maps merge, everything else is
one field. The tests read this file with ``runpy``; it is no test itself.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta

from rollwright.errors import ApplyConflict
from rollwright.plugins.contracts import ApplyRequest
from rollwright.rollouts.bookkeeping import close_run, open_run
from rollwright.rollouts.candidates import candidates
from rollwright.rollouts.change import Forecast, Operation, Prediction
from rollwright.rollouts.concluding import conclude
from rollwright.rollouts.diff import Conflict
from rollwright.rollouts.live import LiveSet, live_object
from rollwright.rollouts.manifest import Manifest, ManifestSet, Origin, ref_of
from rollwright.rollouts.ownership.fields import own
from rollwright.rollouts.planning import make_plan
from rollwright.rollouts.pruning.prune import may_delete
from rollwright.rollouts.report import ChangeResult, Outcome, StepResult, step_outcome
from rollwright.rollouts.spec import RolloutSpec, Use
from rollwright.rollouts.state import Journal
from rollwright.rollouts.trigger import Trigger
from rollwright.testing.fake_apply import applied, content

NOW = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)
CLUSTER_ID = "00000000-0000-0000-0000-00000000c1u5"
TRIGGER = Trigger(id="t-1", kind="manual", rollout="shop", actor="ada", received_at=NOW)


def a_spec(**values) -> RolloutSpec:
    """Return a spec of the rollout ``shop``; parts are given as mappings, by their field names."""
    source = Use(name="path", options={"path": "."})
    return RolloutSpec.model_validate({"name": "shop", "source": source, **values})


def a_body(kind="ConfigMap", name="a", namespace="shop", api_version="v1", **content):
    metadata = {"name": name, **content.pop("metadata", {})}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def a_config(name="a", namespace="shop", *, annotations=None, **data):
    metadata = {"annotations": annotations} if annotations else {}
    return a_body("ConfigMap", name, namespace, metadata=metadata, data=data or {"k": "v"})


def a_crd(kind="Basket", group="example.com", **more):
    names = {"kind": kind, "plural": f"{kind.lower()}s"}
    versions = more.pop("versions", [{"name": "v1", "served": True}])
    content = {"group": group, "names": names, "scope": "Namespaced", "versions": versions, **more}
    name = f"{kind.lower()}s.{group}"
    return a_body("CustomResourceDefinition", name, "", "apiextensions.k8s.io/v1", spec=content)


def a_manifest(body, file="all.yaml", line=0) -> Manifest:
    return Manifest(
        body=body,
        ref=ref_of(body),
        key=body["metadata"].get("name", ""),
        origin=Origin(file=file, line=line),
    )


def a_set(*bodies, rollout="shop", source="path@sha256:1") -> ManifestSet:
    """Return rendered objects with the rollout's label, as ``rendering`` makes them."""
    made = ManifestSet(tuple(a_manifest(body, line=n) for n, body in enumerate(bodies, 1)), source)
    return own(made, rollout)


def a_live_set(*bodies, **facts) -> LiveSet:
    objects = {live.ref: live for live in map(live_object, bodies)}
    return LiveSet(
        objects=objects,
        **{"read_at": NOW, "cluster": "c", "cluster_id": CLUSTER_ID, "salt": CLUSTER_ID, **facts},
    )


class World:
    """The objects of a cluster, and what is remembered of the rollout ``shop``."""

    def __init__(self, *bodies, spec=None, state=None):
        self.objects = {}
        self.clock = 0
        self.spec = spec or a_spec()
        self.state = state
        self.immutable = {}
        for body in bodies:
            self.put(body)

    # what others do

    def put(self, body, *, manager="kubectl-edit"):
        """Put an object as somebody else's write, who then owns what it says."""
        bare = deepcopy(body)
        bare["metadata"].pop("managedFields", None)
        request = ApplyRequest(ref=ref_of(body), body=bare, manager=manager, force=True)
        self._store(applied(request, self.objects.get(ref_of(body))))
        return ref_of(body)

    def edit(self, ref, change):
        """Change an object in place, as somebody who owns nothing: a status, a finalizer."""
        body = deepcopy(self.objects[ref])
        change(body)
        self._store(body)

    def recreate(self, ref):
        """Delete an object and create it again as it is: only its UID tells."""
        body = self.objects.pop(ref)
        body["metadata"].pop("uid")
        self._store(deepcopy(body))

    def remove(self, ref):
        self.objects.pop(ref, None)

    # what the engine does

    def live(self, **facts) -> LiveSet:
        return a_live_set(*self.objects.values(), **facts)

    def forecast(self, manifests):
        return {manifest.ref: self._forecast(manifest) for manifest in manifests}

    def plan(self, wanted, **facts):
        live = self.live(**facts)
        forecast = self.forecast(candidates(wanted, live, self.state))
        return make_plan(self.spec, wanted, live, forecast, self.state)

    def begin(self, plan, token=1):
        """Save the journal and the widened inventory."""
        journal = Journal(
            run_id="r", plan_id=plan.id, owner="ada", token=token, started_at=NOW,
            planned=tuple(change.ref for change in plan.changes if change.writes),
        )  # fmt: skip
        self.state = open_run(self.state, plan, journal)

    def carry_out(self, plan, *, writes=None, failing=()):
        """Carry a plan out and save; after so many writes it is as if the process were killed.

        Returns:
            The report, or ``None`` after a crash.
        """
        self.begin(plan)
        results = []
        for step in (step for wave in plan.waves for step in wave.steps):
            changes = []
            for change in step.changes:
                if change.writes and writes == 0:
                    return None
                writes = writes - 1 if change.writes and writes is not None else writes
                changes.append(self._carry_out(change, failing))
            outcome = step_outcome(changes)
            results.append(StepResult(step=step.name, outcome=outcome, changes=tuple(changes)))
            if outcome is not Outcome.SUCCEEDED:
                break
        if writes == 0:
            return None
        report = conclude(plan, TRIGGER, results, run_id="r")
        self.state = close_run(self.state, report, retain=10, ended_at=NOW + timedelta(seconds=5))
        return report

    def roll_out(self, *bodies, **options):
        """Plan and carry out; return plan and report."""
        plan = self.plan(a_set(*bodies))
        return plan, self.carry_out(plan, **options)

    # within

    def _forecast(self, manifest):
        if manifest.ref in self.immutable and manifest.ref in self.objects:
            return Forecast(prediction=Prediction.SERVER, immutable=(self.immutable[manifest.ref],))
        before = self.objects.get(manifest.ref)
        conflicts: tuple[Conflict, ...] = ()
        try:
            applied(ApplyRequest(ref=manifest.ref, body=manifest.body, force=False), before)
        except ApplyConflict as error:
            conflicts = tuple(
                Conflict(path=cause.field.removeprefix("."), manager=cause.message.split('"')[1])
                for cause in error.causes
            )
        after = applied(ApplyRequest(ref=manifest.ref, body=manifest.body), before)
        return Forecast(prediction=Prediction.SERVER, body=after, conflicts=conflicts)

    def _carry_out(self, change, failing):
        result = ChangeResult(ref=change.ref, operation=change.operation, outcome=Outcome.SUCCEEDED)
        if change.ref in failing:
            return ChangeResult(
                ref=change.ref,
                operation=change.operation,
                outcome=Outcome.FAILED,
                message="refused",
            )
        if change.operation is Operation.PRUNE:
            return self._prune(change, result)
        if change.operation is Operation.KEEP:
            return _facts(
                result, change.live_uid, change.live_resource_version, change.owned_digest
            )
        if change.operation is Operation.REPLACE:
            self.remove(change.ref)
        request = ApplyRequest(ref=change.ref, body=change.wanted.body)
        live = self._store(applied(request, self.objects.get(change.ref)))
        return _facts(result, live.uid, live.resource_version, live.owned_digest)

    def _prune(self, change, result):
        body = self.objects.get(change.ref)
        entry = self.state.by_ref[change.ref]
        if body is None:
            return result
        if why := may_delete("shop", self.spec.prune, entry, live_object(body), ()):
            return ChangeResult(
                ref=change.ref, operation=change.operation, outcome=Outcome.FAILED, message=why
            )
        self.remove(change.ref)
        return result

    def _store(self, body):
        ref = ref_of(body)
        before = self.objects.get(ref)
        if before is not None and content(before) == content(body):
            return live_object(before)
        self.clock += 1
        metadata = body["metadata"]
        metadata["uid"] = metadata.get("uid") or f"uid-{self.clock}"
        metadata["resourceVersion"] = str(self.clock)
        metadata["creationTimestamp"] = "2025-01-01T00:00:00Z"
        self.objects[ref] = body
        return live_object(body)


def _facts(result, uid, resource_version, owned_digest):
    return ChangeResult(
        ref=result.ref, operation=result.operation, outcome=result.outcome,
        uid=uid, resource_version=resource_version, owned_digest=owned_digest,
    )  # fmt: skip


def only(plan):
    """Return the one change of a plan that has one."""
    (change,) = plan.changes
    return change


def fate(plan, name):
    """Return the change of the object of that name."""
    return next(change for change in plan.changes if change.ref.name == name)


def operations(plan):
    """Return what happens to which object, by name."""
    return {change.ref.name: change.operation.value for change in plan.changes}


def breached(plan):
    return [guard.id for guard in plan.breached]
