"""Where the sandbox's programs come from.

In this order: a folder of assets (given, or ``KUBEBUILDER_ASSETS``), PATH, the cache, and at
last ``builder``. The four of the control plane are taken from one place, because versions must
fit together; kwok may come from another.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rollwright.errors import SandboxError
from rollwright.sandbox.places import cache_folder
from rollwright.sandbox.versions import APISERVER, COMPONENTS, CONTROL_PLANE, KWOK, PINNED, minor

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"

_VERSION = re.compile(r"\bv(\d+\.\d+\.\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """One program per component, and the version of Kubernetes that they are."""

    version: str
    paths: Mapping[str, Path]

    def __getitem__(self, component: str) -> Path:
        return self.paths[component]


def find(
    assets: Path | None = None,
    version: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Binaries | None:
    """Return the first complete set, or ``None`` when one must be built.

    Args:
        assets: A folder that must hold the control plane, of whatever version.
        version: The version of Kubernetes to look for; the pinned one by default. Patch
            releases of one minor version stand for one another.
        environment: Where PATH and the folders are read from.

    Raises:
        SandboxError: ``assets`` lacks a program or holds another version than asked for.
    """
    if assets is not None:
        return _from_assets(assets, version, environment)
    wanted = version or PINNED.kubernetes
    return (
        _from_variable(wanted, environment)
        or _from_path(wanted, environment)
        or _from_cache(wanted, environment)
    )


def in_folder(folder: Path, version: str) -> Binaries | None:
    """Return what a folder holds if it holds everything."""
    found = _programs(folder, COMPONENTS)
    return Binaries(version=version, paths=found) if len(found) == len(COMPONENTS) else None


def version_of(program: Path) -> str | None:
    """Ask a Kubernetes program for its version, such as ``1.36.3``."""
    try:
        answer = subprocess.run(  # noqa: S603  (a path that was found, no shell)
            [program, "--version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(answer.stdout)
    return match[1] if match else None


def _from_assets(
    assets: Path, version: str | None, environment: Mapping[str, str]
) -> Binaries | None:
    found = _programs(assets, CONTROL_PLANE)
    missing = [name for name in CONTROL_PLANE if name not in found]
    if missing:
        raise SandboxError(
            f"assets {str(assets)!r}: no {', '.join(missing)}",
            hint=f"the folder must hold {', '.join(CONTROL_PLANE)}",
        )
    actual = version_of(found[APISERVER])
    if actual is None or (version and minor(actual) != minor(version)):
        raise SandboxError(
            f"assets {str(assets)!r}: {APISERVER} is version {actual or 'unknown'}; "
            f"expected {version or 'a release'}"
        )
    return _with_kwok(actual, found, assets, environment)


def _from_variable(wanted: str, environment: Mapping[str, str]) -> Binaries | None:
    # Often set for other tools, and then without scheduler or controller manager: no error.
    configured = environment.get(ASSETS_VARIABLE, "")
    if not configured:
        return None
    folder = Path(configured)
    found = _programs(folder, CONTROL_PLANE)
    return _checked(wanted, found, folder, environment)


def _from_path(wanted: str, environment: Mapping[str, str]) -> Binaries | None:
    search = environment.get("PATH", os.defpath)
    named = {name: shutil.which(name, path=search) for name in CONTROL_PLANE}
    found = {name: Path(path) for name, path in named.items() if path}
    return _checked(wanted, found, None, environment)


def _checked(
    wanted: str, found: Mapping[str, Path], folder: Path | None, environment: Mapping[str, str]
) -> Binaries | None:
    if len(found) != len(CONTROL_PLANE):
        return None
    versions = {version_of(path) for name, path in found.items() if name.startswith("kube-")}
    actual = versions.pop()
    if versions or actual is None or minor(actual) != minor(wanted):
        return None
    return _with_kwok(actual, found, folder, environment)


def _from_cache(wanted: str, environment: Mapping[str, str]) -> Binaries | None:
    if minor(wanted) != PINNED.kubernetes_minor:
        return None
    return in_folder(cache_folder(environment), PINNED.kubernetes)


def _with_kwok(
    version: str, found: Mapping[str, Path], folder: Path | None, environment: Mapping[str, str]
) -> Binaries | None:
    on_path = shutil.which(KWOK, path=environment.get("PATH", os.defpath))
    places = (
        _programs(folder, (KWOK,)).get(KWOK) if folder else None,
        Path(on_path) if on_path else None,
        _programs(cache_folder(environment), (KWOK,)).get(KWOK),
    )
    kwok = next((place for place in places if place), None)
    return Binaries(version=version, paths={**found, KWOK: kwok}) if kwok else None


def _programs(folder: Path, names: tuple[str, ...]) -> dict[str, Path]:
    candidates = {name: folder / name for name in names}
    return {name: path for name, path in candidates.items() if os.access(path, os.X_OK)}
