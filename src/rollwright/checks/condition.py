"""The check ``condition``: one condition of the object's status, as ``kubectl wait`` has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from rollwright.checks.durations import GoDuration
from rollwright.checks.waiting import absence, staleness, succeeded, undecided
from rollwright.errors import excerpt
from rollwright.plugins.contracts import CheckRequest, CheckResult
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.health.generic import is_stale
from rollwright.rollouts.health.subject import by_type
from rollwright.rollouts.live import LiveObject


def _as_written(value: Any) -> Any:
    """YAML reads an unquoted True as a boolean; a condition holds the text."""
    return str(value) if isinstance(value, bool) else value


class Condition(BaseModel):
    """Wait until a condition has a status, and a reason if one is named.

    A condition, or an object, that has not observed the present generation does not count.

    Attributes:
        type: Type of the condition, such as ``Available``.
        status: ``True``, ``False`` or ``Unknown``.
        reason: The reason that it must give; any by default.
        timeout: Longest wait since the step began; 0 for no limit, by default the rollout's own.
    """

    model_config = OPTIONS

    type: str = Field(min_length=1)
    status: Annotated[str, BeforeValidator(_as_written), Field(min_length=1)] = "True"
    reason: str | None = Field(default=None, min_length=1)
    timeout: GoDuration | None = None

    def __str__(self) -> str:
        because = f" because {self.reason}" if self.reason else ""
        return f"condition {self.type} is {self.status}{because}"

    async def evaluate(self, request: CheckRequest) -> CheckResult:
        """Look for the condition."""
        missing = absence(request) or staleness(request) or self._missing(request.object)
        if missing:
            return undecided(request, missing, timeout=self.timeout)
        return succeeded(str(self))

    def _missing(self, live: LiveObject | None) -> str:
        """Say what is not as wanted; empty if all is."""
        body = live.body if live else {}
        found = _conditions(body).get(self.type)
        if found is None:
            return f"there is no condition {self.type!r} yet"
        if is_stale(found, (body.get("metadata") or {}).get("generation")):
            return f"condition {self.type} is of an older generation"
        status, reason = str(found.get("status")), str(found.get("reason") or "")
        if status == self.status and self.reason in (None, reason):
            return ""
        return f"{_described(found, status, reason)}; wanted {self._wanted}"

    @property
    def _wanted(self) -> str:
        return f"{self.status} because {self.reason}" if self.reason else self.status


def _conditions(body: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    status = body.get("status")
    found = status.get("conditions") if isinstance(status, Mapping) else None
    return by_type(found) if isinstance(found, list) else {}


def _described(found: Mapping[str, Any], status: str, reason: str) -> str:
    why = f" because {reason}" if reason else ""
    message = excerpt(str(found.get("message") or ""))
    return f"condition {found['type']} is {status}{why}" + (f": {message}" if message else "")
