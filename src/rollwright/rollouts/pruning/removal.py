"""The plan that removes a whole rollout.

Before: the state was loaded and every object of its inventory was read.
After: the plan is shown, confirmed by the rollout's name or marked at first, and carried out like
any other.
"""

from __future__ import annotations

from dataclasses import replace

from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import ManifestSet, digest_of
from rollwright.rollouts.order import order_deletes
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.plan_notes import notes_on
from rollwright.rollouts.planning import is_remembered
from rollwright.rollouts.pruning.marks import notes_on_deletion
from rollwright.rollouts.pruning.prune import NOTHING_ELSE, Leaving, sort_stale
from rollwright.rollouts.spec import PrunePolicy
from rollwright.rollouts.state import RolloutState
from rollwright.rollouts.waves import prune_change, waves_of

WITHOUT_PROTECTION = PrunePolicy(protect=())
"""Confirming the name of the rollout approves each object that the preview names."""

WHY = "the rollout is removed"


def make_removal(
    rollout: str,
    live: LiveSet,
    state: RolloutState,
    leaving: Leaving = NOTHING_ELSE,
    policy: PrunePolicy = WITHOUT_PROTECTION,
) -> Plan:
    """Return the plan that deletes every object of the inventory that is ours.

    Args:
        rollout: Its name.
        live: What is there of its inventory.
        state: What is remembered.
        leaving: What others take over, who lives where, what has to wait.
        policy: How objects are deleted; none is protected by its kind.
    """
    stale = sort_stale(rollout, policy, state.inventory, ManifestSet(), live, leaving)
    deletes = order_deletes([found.body for found in stale.deletes])
    prunes = {found.ref: prune_change(found, WHY, policy) for found in stale.deletes}
    unmarked = replace(state, removal=None)
    plan = Plan(
        id="",
        rollout=rollout,
        cluster=live.cluster,
        cluster_id=live.cluster_id,
        source=state.last.source if state.last else "",
        waves=waves_of("prune", deletes, prunes),
        guards=stale.guards,
        kept=stale.kept,
        forgotten=stale.forgotten,
        notes=(
            *deletes.notes,
            *notes_on(live, prunes),
            *notes_on_deletion(unmarked, leaving.allowed, prunes, leaving.namespace),
        ),
        server_version=live.server_version,
        state_version=state.version,
        is_remembered=is_remembered(unmarked, stale),
        made_at=live.read_at,
        allowed=leaving.allowed,
    )
    essence = sorted([change.ref.qualified, change.live_uid] for change in plan.changes)
    return replace(plan, id=digest_of({"remove": essence, "cluster": plan.cluster_id}))
