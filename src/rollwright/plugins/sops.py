"""Files that SOPS encrypted, opened by the ``sops`` program; the clear text stays in memory.

Before: a file of values or of manifests holds a section ``sops``.
After: whoever asked reads the clear text; it is written nowhere, and no message quotes it.

Which key opens a file stands in the file; where our keys are, in the environment (``SOPS_…``,
``AWS_…``, …), of which an allow-list is passed on (RE-30, RE-33, RE-34).
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rollwright.documents import load_all
from rollwright.errors import InvalidDocument, RenderError, excerpt

VARIABLE = "ROLLWRIGHT_SOPS"
"""Names the program where it is not ``sops`` of ``PATH``."""

MARK = b"sops"
"""What every encrypted file holds."""

SECONDS = 60.0
MAX_BYTES = 16 * 2**20

_PASSED = (
    "PATH", "HOME", "XDG_CONFIG_HOME", "GNUPGHOME", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "SOPS_*", "AWS_*", "AZURE_*", "GOOGLE_*", "CLOUDSDK_*", "VAULT_*", "BAO_*", "HUAWEICLOUD_*",
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
)  # fmt: skip
_DOTENV = re.compile(rb"^sops_(mac|version)=", re.MULTILINE)
_INI = re.compile(rb"^\[sops\]\s*$", re.MULTILINE)
_WAYS = ("mac", "lastmodified", "version", "enc", "encrypted_regex")


def is_encrypted(value: Any) -> bool:
    """Whether a document is one that SOPS encrypted."""
    section = value.get("sops") if isinstance(value, Mapping) else None
    return isinstance(section, Mapping) and any(key in section for key in _WAYS)


def is_encrypted_text(text: bytes, name: str) -> bool:
    """Whether the text of a file is what SOPS encrypted; its name tells the form."""
    if MARK not in text:
        return False
    if _form(name) == "dotenv":
        return bool(_DOTENV.search(text))
    if form_of_any(name) == "ini":
        return bool(_INI.search(text))
    try:
        return any(is_encrypted(one.value) for one in load_all(text, name=name))
    except InvalidDocument:
        return False  # whoever reads it says why


async def decrypted(text: bytes | str, name: str) -> bytes:
    """Return the clear text of an encrypted file.

    Args:
        text: The file.
        name: Its path, for its form and for messages.

    Raises:
        RenderError: There is no ``sops``, or it cannot open the file.
    """
    return await asyncio.to_thread(decrypt, text, name)


def decrypt(text: bytes | str, name: str, *, form: str = "") -> bytes:
    """Return the clear text of an encrypted file; blocks the thread.

    Args:
        text: The file.
        name: Its path, for messages.
        form: One of sops' own; by itself what the name tells of values and manifests.
    """
    data = text.encode() if isinstance(text, str) else text
    if len(data) > MAX_BYTES:
        raise RenderError(f"{name}: larger than {MAX_BYTES:,} bytes, and encrypted")
    form = form or _form(name)
    arguments = ("--decrypt", "--input-type", form, "--output-type", form, "/dev/stdin")
    code, out, err = _run((_program(name), *arguments), data, name)
    if code:
        raise RenderError(
            f"{name}: sops cannot decrypt it: {_cause(err) or f'exit code {code}'}",
            hint="is one of its keys here? for age set SOPS_AGE_KEY_FILE; see `sops filestatus`",
        )
    return out


def _run(command: tuple[str, ...], data: bytes, name: str) -> tuple[int, bytes, bytes]:
    with subprocess.Popen(  # noqa: S603  (the site's program and constants; no shell)
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
        cwd="/",  # no .sops.yaml of anybody's folder counts
        start_new_session=True,
    ) as child:
        try:
            out, err = child.communicate(data, timeout=SECONDS)
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                # Not chained: the error would hold what was read.
                raise RenderError(
                    f"{name}: sops has not ended after {SECONDS:g} s",
                    hint="does it wait for a key service that does not answer?",
                ) from None
            raise
    return child.returncode, out, err


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if any(fnmatchcase(name, passed) for passed in _PASSED)
    }


def _program(name: str) -> str:
    wanted = os.environ.get(VARIABLE, "")
    found = shutil.which(wanted or "sops")
    if found is None:
        missing = (
            f"{VARIABLE} names no program: {wanted!r}" if wanted else "there is no sops on PATH"
        )
        raise RenderError(
            f"{name}: it is encrypted with SOPS, and {missing}",
            hint=f"install sops (https://getsops.io), or name it in {VARIABLE}",
        )
    return str(Path(found).absolute())


def _cause(err: bytes) -> str:
    """Return what sops says of the matter, without its advice to people at a terminal."""
    lines = (line.strip(" |\t") for line in err.decode("utf-8", "replace").splitlines())
    return excerpt("; ".join(line for line in lines if line))


def form_of_any(name: str) -> str:
    """Return the form that sops gives a file of any kind: what it does not know is binary."""
    is_known = name.lower().endswith((".yaml", ".yml", ".json", ".env"))
    if is_known or _form(name) == "dotenv":
        return _form(name)
    return "ini" if name.lower().endswith(".ini") else "binary"


def _form(name: str) -> str:
    lower = name.lower().rpartition("/")[2]
    if lower.endswith(".json"):
        return "json"
    return "dotenv" if lower.endswith(".env") or lower.startswith(".env") else "yaml"
