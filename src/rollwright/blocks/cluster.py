"""A Kubernetes cluster, by a kubeconfig on the machine that uses it."""

from __future__ import annotations

from typing import Any, Literal

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl

from rollwright.blocks.options import DOCUMENTATION

_ENTRY = ("kubeconfig", "context", "impersonate", "namespaces", "qps", "labels")


class Cluster(Block):
    """How one Kubernetes cluster is reached: path of a kubeconfig and a context in it.

    Example:
        Load a cluster:

        ```python
        from rollwright.blocks import Cluster

        cluster = Cluster.load("BLOCK_NAME")
        ```

        Use it in `site.toml`:

        ```toml
        [clusters.prod]
        block = "rollwright-cluster/BLOCK_NAME"
        ```
    """

    _block_type_slug = "rollwright-cluster"
    _block_type_name = "Rollwright cluster"
    _documentation_url = HttpUrl(f"{DOCUMENTATION}#cluster")

    kind: Literal["cluster"] = Field(
        default="cluster", description="Tells blocks of a union apart."
    )
    kubeconfig: str = Field(
        default="",
        description="Path of a kubeconfig on the worker's machine; empty for the one that "
        "kubectl would take, or the pod's service account.",
    )
    context: str = Field(
        default="", description="Context of the kubeconfig; empty for the current one."
    )
    impersonate: str = Field(default="", description="User to act as.")
    namespaces: list[str] = Field(
        default_factory=list, description="Namespaces that rollouts may touch; empty for all."
    )
    qps: float | None = Field(
        default=None, gt=0, description="Requests a second at most; empty lets the server decide."
    )
    labels: dict[str, str] = Field(
        default_factory=dict, description="Labels, to select clusters by."
    )

    def as_entry(self) -> dict[str, Any]:
        """Return what ``[clusters.NAME]`` would hold."""
        return {name: value for name in _ENTRY if (value := getattr(self, name))}
