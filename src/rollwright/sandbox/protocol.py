"""What ``lifecycle`` and the supervisor say to one another, over two pipes.

To the supervisor: one request as a line of JSON, later perhaps ``DETACH``. Back: lines of JSON
with ``progress``, and at last ``ready`` or ``error`` with ``hint``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

DETACH = b"detach\n"
"""The caller may go now; the sandbox stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One sandbox that is to be started.

    ``owner`` is the process that an ephemeral sandbox must not outlive.
    """

    name: str
    folder: str
    is_ephemeral: bool
    node_count: int
    version: str
    binaries: dict[str, str]
    extra_apiserver_args: tuple[str, ...]
    owner: int

    def to_line(self) -> bytes:
        """Return it as it is sent."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Request:
        """Read what ``to_line`` made."""
        body = json.loads(line)
        return cls(**body | {"extra_apiserver_args": tuple(body["extra_apiserver_args"])})
