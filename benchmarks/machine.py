"""What was measured, and on what."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from benchmarks.tools import find_helm, find_kubectl, version_of
from rollwright.sandbox import PINNED


def describe() -> dict[str, str]:
    """Return machine and versions, for the head of the output."""
    return {
        "machine": f"{os.cpu_count()} cores, {_memory()}, {platform.machine()}",
        "load": " ".join(f"{one:.1f}" for one in os.getloadavg()),
        "python": platform.python_version(),
        "rollwright": metadata.version("rollwright"),
        "kubernetes": PINNED.kubernetes,
        "kubectl": version_of(find_kubectl(), "version", "--client"),
        "helm": version_of(find_helm(), "version", "--short"),
    }


def peak_kib() -> int:
    """Return the peak memory of this process, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next((one for one in lines if one.startswith("VmHWM:")), "VmHWM: 0")
    return int(peak.split()[1])


def _memory() -> str:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{pages / 2**30:.0f} GiB"
