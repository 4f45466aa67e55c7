"""Saved plans on disk.

Before: a plan was made, or a person names a file.
After: the file is whole, or it is the former one; what is read is checked to the byte.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from rollwright.errors import NotFound, Refused
from rollwright.rollouts.saved.saved_plan import LIMIT_BYTES, SavedPlan, decode, encode

MODE = 0o644
"""Whoever approves a plan may read it; it holds no value of a Secret."""


def write_plan(saved: SavedPlan, file: Path) -> None:
    """Write a plan so that nobody ever reads half of it.

    Raises:
        NotFound: The file cannot be written.
    """
    draft = file.with_name(f".{file.name}.{uuid4().hex[:8]}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(descriptor, MODE)
            stream.write(encode(saved))
            stream.flush()
            os.fsync(descriptor)
        draft.replace(file)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise NotFound(f"cannot write {str(file)!r}: {error.strerror}") from error


def read_plan(file: Path) -> SavedPlan:
    """Read a plan that ``write_plan`` wrote.

    Raises:
        NotFound: There is no such file, or it cannot be read.
        InvalidDocument: It is something else than a saved plan.
        Refused: It is damaged, was changed, or a newer Rollwright wrote it.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise NotFound(f"cannot read plan {str(file)!r}: {error.strerror}") from error
    if not data:
        raise Refused(f"{file}: is empty", hint="make a new plan with `rollwright plan --save`")
    return decode(data, where=str(file))
