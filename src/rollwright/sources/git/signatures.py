"""Who signed a commit, as git itself finds out with ``ssh-keygen`` or ``gpg``."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from rollwright.errors import NotFound, RenderError, excerpt
from rollwright.plugins.git.program import GitProgram
from rollwright.sources.git.options import Signatures

_SECONDS = 60


def check_signature(git: GitProgram, commit: str, wanted: Signatures, base: Path) -> None:
    """Refuse a commit that nobody of those who may has signed.

    Args:
        git: The repository.
        commit: The commit, or a ref that holds it.
        wanted: Who may sign.
        base: Where relative paths of the options start.

    Raises:
        RenderError: It is not signed, or by somebody else.
        NotFound: A file of keys, or a program, is not there.
    """
    with _keyring(wanted, base) as folder:
        ended = git.run(
            # Without a file of signers, a signature by ssh is worth nothing.
            "-c", f"gpg.ssh.allowedSignersFile={_signers(wanted, base)}",
            "-c", "gpg.minTrustLevel=undefined",
            "verify-commit", f"{commit}^{{commit}}",
            more={"GNUPGHOME": str(folder)},
        )  # fmt: skip
    if ended.code:
        said = excerpt(ended.err) or "it has no signature"
        raise RenderError(
            f"commit {git.run('rev-parse', commit).out.decode().strip()} is not signed by anybody"
            f" who may: {said}",
            hint="sign it with a key of `verify`, or add the signer's key there",
        )


def digest_of_signers(wanted: Signatures, base: Path) -> str:
    """Return a digest of all keys that may sign; it changes with the files that hold them."""
    whole = sha256()
    files = (wanted.ssh_allowed_signers, *wanted.gpg_keys)
    for one in files:
        whole.update(sha256(_there(one.at(base)).read_bytes() if one else b"").digest())
    return whole.hexdigest()[:24]


def _signers(wanted: Signatures, base: Path) -> str:
    if wanted.ssh_allowed_signers is None:
        return "/dev/null"
    return str(_there(wanted.ssh_allowed_signers.at(base)))


def _there(path: Path) -> Path:
    if not path.is_file():
        raise NotFound(f"git source: `verify`: no file {str(path)!r}", hint="correct the path")
    return path


@contextmanager
def _keyring(wanted: Signatures, base: Path) -> Iterator[Path]:
    """Make a keyring of the public keys, and of nothing else."""
    with tempfile.TemporaryDirectory(prefix="rollwright-keys-") as name:
        folder = Path(name)
        if wanted.gpg_keys:
            _import(folder, [str(_there(one.at(base))) for one in wanted.gpg_keys])
        yield folder


def _import(folder: Path, files: list[str]) -> None:
    program = shutil.which("gpg")
    if program is None:
        raise NotFound("git source: `verify.gpgKeys` needs gpg, and there is none on PATH")
    command = (program, "--batch", "--no-autostart", "--homedir", str(folder), "--import", "--")
    done = subprocess.run(  # noqa: S603  (constants and paths after --)
        (*command, *files), capture_output=True, text=True, check=False, timeout=_SECONDS
    )
    if done.returncode:
        raise RenderError(f"git source: `verify.gpgKeys`: no keys: {excerpt(done.stderr)}")
