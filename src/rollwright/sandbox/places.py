"""Where the sandbox keeps things, and the locks that let one process at a time touch them.

The cache holds built binaries (``$XDG_CACHE_HOME/rollwright/sandbox``), the state one folder
per named sandbox (``$XDG_STATE_HOME/rollwright/sandbox/<name>``); an ephemeral sandbox lies
in a temporary folder instead.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from rollwright.errors import SandboxError
from rollwright.sandbox.versions import PINNED

MODULE_FOLDER = Path(__file__).with_name("controlplane")
"""The Go module that builds the binaries; ``stages/`` in it tells kwok what pods do."""

EPHEMERAL_PREFIX = "rollwright-sandbox-"

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where this version's binaries are cached, named by what they are built from."""
    digest = sha256()
    for name in ("go.mod", "go.sum", "main.go"):
        digest.update((MODULE_FOLDER / name).read_bytes())
    version = f"{PINNED.kubernetes}-{digest.hexdigest()[:12]}"
    return _base(environment, "XDG_CACHE_HOME", ".cache") / version


def state_root(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of all named sandboxes."""
    return _base(environment, "XDG_STATE_HOME", ".local/state")


def state_folder(name: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of one named sandbox, which need not exist.

    Raises:
        SandboxError: The name could not stand in a path or a context name.
    """
    if not _NAME.fullmatch(name):
        raise SandboxError(
            f"sandbox {name!r}: not a name",
            hint="use at most 40 lower-case letters, digits and dashes, such as 'demo-1'",
        )
    return state_root(environment) / name


def make_private(folder: Path) -> Path:
    """Make a folder, with parents, that only its owner may enter."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def make_ephemeral_folder() -> Path:
    """Make a fresh private folder for a sandbox that ends with its process."""
    return Path(tempfile.mkdtemp(prefix=EPHEMERAL_PREFIX))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file while the block runs; the kernel frees a dead holder's.

    The file stays: removing it would let two processes lock two files of one name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _base(environment: Mapping[str, str], variable: str, fallback: str) -> Path:
    # NB: the XDG specification says that a relative path is to be ignored.
    configured = environment.get(variable, "")
    root = Path(configured) if configured.startswith("/") else Path.home() / fallback
    return root / "rollwright" / "sandbox"


@dataclass(frozen=True, slots=True)
class Layout:
    """The files inside the folder of one sandbox."""

    root: Path

    @property
    def record(self) -> Path:
        """What runs here: ``record.Record`` as JSON."""
        return self.root / "sandbox.json"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.root / "kubeconfig"

    @property
    def certificates(self) -> Path:
        """Keys and certificates, and the kubeconfigs of the components."""
        return self.root / "pki"

    @property
    def logs(self) -> Path:
        """One log per component, and the supervisor's."""
        return self.root / "logs"

    @property
    def pod_log(self) -> Path:
        """What ``kubectl logs`` shows, of whatever pod."""
        return self.root / "pods.log"

    @property
    def kwok_config(self) -> Path:
        """What kwok is told apart from stages."""
        return self.root / "kwok.yaml"

    @property
    def etcd_data(self) -> Path:
        """What etcd keeps."""
        return self.root / "etcd"

    def log(self, component: str) -> Path:
        """Return the log of one component."""
        return self.logs / f"{component}.log"

    def pki(self, name: str) -> Path:
        """Return one file of the certificates' folder."""
        return self.certificates / name

    def component_kubeconfig(self, component: str) -> Path:
        """Return the kubeconfig that one component uses."""
        return self.certificates / f"{component}.kubeconfig"
