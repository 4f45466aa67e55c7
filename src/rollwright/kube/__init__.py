"""How Rollwright talks to a cluster: our own thin client, because everything else is slower.

``connect`` gives the port. ``request`` and ``write_request`` build, ``transport`` sends, ``auth``
says as whom, ``discovery`` and ``kinds`` know what is served, ``watch`` follows changes,
``cluster`` ties them together. Importing this package costs nothing; the modules come when a
connection is made.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rollwright.kube.cluster import KubeCluster

__all__ = ["connect"]


async def connect(
    *,
    kubeconfig: Path | None = None,
    context: str = "",
    impersonate: str = "",
    name: str = "",
    max_in_flight: int = 64,
    qps: float = 0.0,
) -> KubeCluster:
    """Return the port to one cluster; nothing is sent yet.

    Args:
        kubeconfig: A file; ``None`` for those of ``KUBECONFIG``, ``~/.kube/config``, or the
            service account of the pod that we run in.
        context: Name of a context; empty for the current one.
        impersonate: User to act as.
        name: What we call the cluster; empty for the context.
        max_in_flight: Most requests at once; the number adapts below it.
        qps: Most requests per second; zero for no limit.

    Raises:
        NotFound: There is no such file, context, cluster or user.
        InvalidDocument: A kubeconfig cannot be read.
        Unauthorized: The user of the context has no credentials.
    """
    from rollwright.kube.auth import find_access  # noqa: PLC0415  (aiohttp costs 0.1 s)
    from rollwright.kube.cluster import KubeCluster  # noqa: PLC0415  (aiohttp costs 0.1 s)
    from rollwright.kube.limiter import InFlightLimiter  # noqa: PLC0415
    from rollwright.kube.pace import Pace  # noqa: PLC0415
    from rollwright.kube.transport import Transport  # noqa: PLC0415

    transport = Transport(
        find_access(kubeconfig, context=context, impersonate=impersonate),
        limiter=InFlightLimiter(ceiling=max_in_flight),
        pace=Pace(qps) if qps > 0 else None,
    )
    return KubeCluster(transport, name=name)
