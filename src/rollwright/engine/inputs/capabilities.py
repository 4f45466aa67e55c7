"""What a target serves, for renderers whose objects follow it (RE-08).

Before: a renderer says that it asks (``asks_kubernetes``), as charts do with ``.Capabilities``.
After: its request holds the target's version and everything that is served there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from rollwright.engine.progress import Note
from rollwright.engine.site import Site
from rollwright.plugins.contracts import Cluster, Kubernetes
from rollwright.rollouts.spec import RolloutSpec

AskKubernetes: TypeAlias = Callable[[], Awaitable[Kubernetes]]
"""Asks the target what it serves."""

_UNASKED = (
    "no cluster was asked: charts see helm's own Kubernetes version and API versions;"
    " the options kubeVersion and apiVersions give others"
)


async def nothing_asked() -> Kubernetes:
    """Know nothing of the target: for commands that need no cluster."""
    return Kubernetes()


def asking(site: Site, spec: RolloutSpec) -> AskKubernetes:
    """Return what asks the rollout's own target, at most once."""
    known: list[Kubernetes] = []

    async def ask() -> Kubernetes:
        if not known:
            known.append(await kubernetes_of(await site.cluster(spec)))
        return known[0]

    return ask


async def kubernetes_of(cluster: Cluster) -> Kubernetes:
    """Return the version and the API versions of a cluster, as charts call them."""
    discovery = await cluster.discover()
    served = {
        name for one in discovery.kinds.values() for name in _names(one.api_version, one.kind)
    }
    version = (await cluster.server_version()).removeprefix("v")
    return Kubernetes(version=version, api_versions=tuple(sorted(served)))


async def kubernetes_for(site: Site, renderer: Any, ask: AskKubernetes) -> Kubernetes:
    """Return what a renderer is to know of the target; nothing if it does not ask."""
    if not getattr(renderer, "asks_kubernetes", False):
        return Kubernetes()
    found = await ask()
    if not found.version and not getattr(renderer, "kube_version", ""):
        site.tell(Note(_UNASKED))
    return found


def _names(api_version: str, kind: str) -> tuple[str, str]:
    return api_version, f"{api_version}/{kind}"
