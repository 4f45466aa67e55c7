"""What runs: the record on disk by which another process finds, judges and stops a sandbox.

A process is known by its id and the moment it started, so that a recycled id is never taken
for ours; the boot id tells the moments of two boots apart.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

PROC = Path("/proc")

_STATE, _START_TIME = 0, 19  # fields 3 and 22 of /proc/<pid>/stat, counted after the name


class Phase(StrEnum):
    """How far a sandbox has come."""

    STARTING = "starting"
    RUNNING = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process, in a way that survives the recycling of process ids.

    ``started_ticks`` counts clock ticks since boot (field 22 of ``/proc/<pid>/stat``).
    """

    name: str
    pid: int
    started_ticks: int

    @classmethod
    def of(cls, name: str, pid: int) -> Process:
        """Describe a process that runs now."""
        return cls(name=name, pid=pid, started_ticks=started_ticks(pid) or 0)

    def is_alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        ticks = started_ticks(self.pid)
        return ticks is not None and ticks == self.started_ticks

    def send(self, number: signal.Signals) -> bool:
        """Send a signal if this very process still runs; say whether it was sent."""
        if not self.is_alive():
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One sandbox as its supervisor writes it down."""

    name: str
    phase: Phase
    is_ephemeral: bool
    version: str
    boot_id: str
    started_at: datetime
    server: str
    etcd_endpoint: str
    supervisor: Process
    components: tuple[Process, ...] = ()

    @property
    def processes(self) -> tuple[Process, ...]:
        """All of them, the supervisor first."""
        return (self.supervisor, *self.components)

    def is_of_this_boot(self) -> bool:
        """Whether its process ids mean anything today."""
        return self.boot_id == boot_id()

    def living(self) -> tuple[Process, ...]:
        """Return the processes that still run."""
        if not self.is_of_this_boot():
            return ()
        return tuple(process for process in self.processes if process.is_alive())

    def dead(self) -> tuple[Process, ...]:
        """Return the processes that should run and do not."""
        living = self.living()
        return tuple(process for process in self.processes if process not in living)

    def is_running(self) -> bool:
        """Whether it came up and everything still runs."""
        return self.phase is Phase.RUNNING and not self.dead()

    def with_component(self, process: Process) -> Record:
        """Return a record that has this process as the one component of its name."""
        others = tuple(other for other in self.components if other.name != process.name)
        return replace(self, components=(*others, process))

    def in_phase(self, phase: Phase) -> Record:
        """Return the same sandbox, that far along."""
        return replace(self, phase=phase)

    def to_json(self) -> str:
        """Return the text of the file."""
        body = asdict(self) | {"started_at": self.started_at.isoformat()}
        return json.dumps(body, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read the text of the file.

        Raises:
            ValueError: It is no record (torn by a crash, or of another version).
        """
        try:
            return cls._from_body(json.loads(text))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not the record of a sandbox: {error!r}") from error

    @classmethod
    def _from_body(cls, body: Mapping[str, Any]) -> Record:
        fields = dict(body) | {
            "phase": Phase(body["phase"]),
            "started_at": datetime.fromisoformat(body["started_at"]),
            "supervisor": Process(**body["supervisor"]),
            "components": tuple(Process(**process) for process in body["components"]),
        }
        return cls(**fields)


def read(path: Path) -> Record | None:
    """Read a record; ``None`` when there is none, or none that can be understood."""
    try:
        return Record.from_json(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def write(path: Path, record: Record) -> None:
    """Replace a record in one step, so that nobody reads half of one."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".sandbox-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(record.to_json())
    Path(temporary).replace(path)


def started_ticks(pid: int) -> int | None:
    """Return when a process started, or ``None`` when it is gone or a zombie."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    # NB: the second field is the program's name in parentheses and may hold spaces and ")".
    fields = stat.rpartition(")")[2].split()
    if fields[_STATE] in {"Z", "X"}:
        return None
    return int(fields[_START_TIME])


def boot_id() -> str:
    """Return the id of this boot of the machine."""
    return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
