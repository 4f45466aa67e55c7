"""Which versions the sandbox runs, and the names that its users write.

The Go module in ``controlplane/`` pins the same versions and the hashes of everything they
need; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """One tested set, without leading ``v``."""

    kubernetes: str
    etcd: str
    kwok: str

    @property
    def kubernetes_minor(self) -> str:
        """``1.36`` of ``1.36.3``."""
        return minor(self.kubernetes)


PINNED = Versions(kubernetes="1.36.3", etcd="3.6.8", kwok="0.8.0")

GO_MINIMUM = (1, 26)
"""The oldest Go that builds these versions."""

ETCD, APISERVER = "etcd", "kube-apiserver"
CONTROLLER_MANAGER, SCHEDULER = "kube-controller-manager", "kube-scheduler"
KWOK = "kwok"

CONTROL_PLANE = (ETCD, APISERVER, CONTROLLER_MANAGER, SCHEDULER)
COMPONENTS = (*CONTROL_PLANE, KWOK)
"""They stop in the reverse order, so that etcd goes last."""

BEHAVIOR_LABEL = "sandbox.rollwright.dev/behavior"
"""The pod label that makes a pod misbehave."""

BEHAVIORS = (
    "never-ready",
    "crash-loop",
    "image-pull-error",
    "slow-start",
    "oom",
    "crash-after-ready",
    "unschedulable",
    "fail",
)
"""Its values; ``controlplane/stages/`` and ``setup`` say what each does."""


def minor(version: str) -> str:
    """Return major and minor of a version, with or without ``v``."""
    return ".".join(version.removeprefix("v").split(".")[:2])
