"""A real Kubernetes control plane on this machine, without Docker: the sandbox.

etcd, kube-apiserver, kube-controller-manager and kube-scheduler are the real ones; kwok plays
the nodes and their pods. ``lifecycle`` is what others call; the rest is how it works:

    versions      which versions, and how many nodes of what size
    binaries      where the programs are found; ``builder`` makes them from Go modules
    places        folders on disk and the locks that guard them
    certificates  three authorities and what they sign
    components    the command line of each component
    setup         what is put into a fresh cluster, and when it is ready
    record        what runs, written down so that another process can stop it
    supervisor    the process that starts the components, watches over them and stops them
    lifecycle     up, down, status, kubeconfig, build

Importing this package is cheap: certificates and HTTP are the supervisor's business.
"""

from __future__ import annotations

from rollwright.sandbox.binaries import Binaries
from rollwright.sandbox.lifecycle import build, down, get, kubeconfig, status, up
from rollwright.sandbox.record import Phase, Process, Record
from rollwright.sandbox.running import EtcdAccess, Sandbox
from rollwright.sandbox.versions import BEHAVIOR_LABEL, BEHAVIORS, PINNED

__all__ = [
    "BEHAVIORS",
    "BEHAVIOR_LABEL",
    "PINNED",
    "Binaries",
    "EtcdAccess",
    "Phase",
    "Process",
    "Record",
    "Sandbox",
    "build",
    "down",
    "get",
    "kubeconfig",
    "status",
    "up",
]
