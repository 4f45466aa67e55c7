"""The check ``fieldComparisons``: live fields that must have values (DOC-22 to DOC-34).

Before: an action wrote the object, and every event of it brings us here.
After: the step goes on when all comparisons hold at one moment, and ends when ``timeout`` is
over, or when nothing that is compared has moved for ``progressTimeout``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, model_validator

from rollwright.checks.comparing import Comparison, Reading
from rollwright.checks.durations import GoDuration
from rollwright.checks.reporting import Report, databases_of
from rollwright.checks.waiting import (
    absence,
    failed,
    in_words,
    shortest,
    staleness,
    succeeded,
    undecided,
)
from rollwright.plugins.contracts import CheckRequest, CheckResult
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.manifest import digest_of
from rollwright.rollouts.spec.part import refuse

_VALUES, _MOVED = "values", "moved"


def _some(comparisons: tuple[Comparison, ...]) -> tuple[Comparison, ...]:
    # Not min_length: pydantic then calls a list empty whose entries are all wrong.
    if not comparisons:
        raise refuse("compares nothing; expected a list of comparisons")
    return comparisons


def _not_zero(interval: timedelta) -> timedelta:
    if not interval:
        raise refuse("must be longer than 0")
    return interval


class FieldComparisons(BaseModel):
    """Wait until live fields have their values, all at the same time.

    Attributes:
        expected_values: The comparisons.
        timeout: Longest wait since the step began; 0 for no limit.
        progress_timeout: At least one compared value must change in this time; 0 for no limit.
        poll_interval: Longest time between two looks; every event of the object brings one.
        report_timeout: An SQL statement instead of a failure when time runs out, of either kind.
    """

    model_config = OPTIONS

    expected_values: Annotated[tuple[Comparison, ...], AfterValidator(_some)] = Field(
        json_schema_extra={"minItems": 1}
    )
    timeout: GoDuration = timedelta(hours=1)
    progress_timeout: GoDuration = timedelta(minutes=5)
    poll_interval: Annotated[GoDuration, AfterValidator(_not_zero)] = timedelta(seconds=5)
    report_timeout: Report | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_both_forms(cls, data: Any) -> Any:
        """Read the list form (DOC-22); what is null was left out."""
        if isinstance(data, list | tuple):
            return {"expectedValues": data}
        if isinstance(data, Mapping):
            return {key: value for key, value in data.items() if value is not None}
        return data

    def __str__(self) -> str:
        return ", ".join(map(str, self.expected_values))

    @property
    def databases(self) -> tuple[str, ...]:
        """The databases of the site that it may write to."""
        return databases_of(self.report_timeout)

    async def evaluate(self, request: CheckRequest) -> CheckResult:
        """Compare the fields of the object as it is now."""
        found = self._compared(request)
        if found.is_timeout and self.report_timeout is not None:
            return replace(found, report=self.report_timeout.sql)
        return found

    def _compared(self, request: CheckRequest) -> CheckResult:
        readings = self._readings(request)
        missing = absence(request) or staleness(request)
        if not missing:
            hopeless = next((one.unmet for one in readings if one.is_ambiguous), "")
            if hopeless:
                return failed(hopeless)
            missing = "; ".join(one.unmet for one in readings if one.unmet)
        if not missing:
            return succeeded(f"{len(readings)} comparisons hold" if readings[1:] else str(self))
        return self._waits(request, readings, missing)

    def _readings(self, request: CheckRequest) -> tuple[Reading, ...]:
        live = request.object
        body = live.body if live else {}
        hides = live is not None and live.is_secret
        return tuple(one.read(body, hides_values=hides) for one in self.expected_values)

    def _waits(
        self, request: CheckRequest, readings: tuple[Reading, ...], missing: str
    ) -> CheckResult:
        moved_at = _moved_at(request, readings)
        quiet = self.progress_timeout - (request.now - moved_at) if self.progress_timeout else None
        found = undecided(
            request,
            missing,
            timeout=self.timeout,
            recheck_after=shortest(quiet, self.poll_interval),
        )
        if found.is_timeout or quiet is None or quiet > timedelta(0):
            return found
        words = f"no compared value changed for {in_words(self.progress_timeout)}: {missing}"
        return failed(words, is_timeout=True)


def _moved_at(request: CheckRequest, readings: tuple[Reading, ...]) -> datetime:
    """Return when a compared value last changed; the present values count (DOC-N3)."""
    memory = request.memory
    # NB: a digest, since a compared value may come from a Secret.
    values = digest_of([one.found for one in readings])
    if memory.get(_VALUES) != values or _MOVED not in memory:
        memory[_VALUES], memory[_MOVED] = values, request.now.isoformat()
    moved_at: str = memory[_MOVED]
    return datetime.fromisoformat(moved_at)
