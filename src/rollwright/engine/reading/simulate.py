"""Objects that come together with their kind or namespace: checked now, asked about later.

Before: ``read_live`` knows which kinds and namespaces are not there yet.
After: the plan shows them as ``simulated``; when the run reaches one, the server is asked.

The schema of a kind says whether an object fits it, whoever validates what: this check is made
even where a document has switched its validators off (AP-67). The server's dry run just before
the apply has the last word (AP-68).
"""

from __future__ import annotations

import re

from rollwright.engine.inputs.rehearsal import rehearse
from rollwright.engine.reading.admission import dry_run, unasked_webhook
from rollwright.engine.reading.definitions import read_schemas
from rollwright.engine.run import Run
from rollwright.errors import ClusterError, InvalidManifests
from rollwright.plugins.contracts import ApplyRequest, Cluster
from rollwright.rollouts.candidates import unasked
from rollwright.rollouts.change import Change, Operation
from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import Body, Manifest, ManifestSet, Origin, ref_of
from rollwright.rollouts.simulation import contradictions, definitions
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.spec.rollout import Unpredictable
from rollwright.rollouts.state import RolloutState

_MINOR = re.compile(r"v?(\d+\.\d+)\b")


async def check_together(
    cluster: Cluster,
    spec: RolloutSpec,
    wanted: ManifestSet,
    live: LiveSet,
    state: RolloutState | None,
) -> LiveSet:
    """Check the objects that no dry run can be made of; return what was read for it.

    Args:
        cluster: Where they will be.
        spec: What was declared.
        wanted: The whole set.
        live: What was read so far.
        state: What is remembered; objects that stay as they are need no check.

    Raises:
        InvalidManifests: Objects do not fit the schemas of their kinds; every mistake is told.
    """
    manifests = unasked(wanted, live, state)
    if not manifests:
        return live
    from rollwright.validators.builtin_kinds import (  # noqa: PLC0415  (loads native schemas)
        builtin_kinds,
        versions,
    )
    from rollwright.validators.custom_kinds import custom_kinds  # noqa: PLC0415  (the same)
    from rollwright.validators.schema import find_mistakes  # noqa: PLC0415  (the same)

    version = _MINOR.match(live.server_version)
    builtin = builtin_kinds(version[1] if version and version[1] in versions() else "")
    custom = [one for one in manifests if not builtin.find(one.api_version, one.ref.kind)]
    live = await read_schemas(cluster, wanted, live, custom) if custom else live
    crds = definitions(wanted, live)
    known = [one for one in manifests if one not in custom or one.ref.group_kind in crds]
    declared = custom_kinds(_as_manifest(crd, wanted) for crd in crds.values())
    if problems := find_mistakes(known, builtin, declared):
        raise InvalidManifests(problems)
    if spec.apply.simulate_in:
        return await rehearse(cluster, spec.apply.simulate_in, wanted, live, manifests)
    return live


def _as_manifest(crd: Body, wanted: ManifestSet) -> Manifest:
    ref = ref_of(crd)
    own = wanted.by_ref().get(ref)
    return own or Manifest(body=crd, ref=ref, key=str(ref), origin=Origin(file=f"live {ref}"))


async def verify(run: Run, change: Change) -> None:
    """Ask the server about an object that the plan could only simulate, just before its apply.

    Raises:
        ClusterError: The server refuses it, or would make something else of it.
    """
    if change.wanted is None:
        return
    body = (change.sent or change.wanted).body
    request = ApplyRequest(
        ref=change.ref,
        body=body,
        manager=change.manager,
        force=run.spec.apply.force,
        is_dry_run=True,
        uid="" if change.operation is Operation.REPLACE else change.live_uid,
    )
    try:
        answer = await dry_run(run.cluster, request)
    except ClusterError as error:
        webhook = unasked_webhook(error)
        if webhook and run.spec.apply.unpredictable is Unpredictable.ALLOW:
            return
        raise _refused(change, error, webhook) from error
    if found := contradictions(body, answer.body):
        raise ClusterError(
            f"{change.ref}: not applied: the server's dry run contradicts the plan:"
            f" {'; '.join(found)}",
            status=422,
            reason="Contradiction",
            hint="something in the cluster changes the object on admission: declare what it wants",
        )


def _refused(change: Change, error: ClusterError, webhook: str) -> ClusterError:
    """Return the refusal in words that say what the plan had known of the object."""
    message = f"{error.message}; the plan could only simulate it"
    hint = error.hint
    if webhook:
        message = f"{change.ref}: cannot be predicted because of webhook {webhook!r}"
        hint = "plan again: what is left is asked about then, and can be approved"
    return ClusterError(
        message, status=error.status, reason=error.reason, causes=error.causes, hint=hint
    )
