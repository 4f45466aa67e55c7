"""``Command``: run a program of this machine, if the site allows it.

Before: the document names a program; ``command_allowed`` knows which ones the site lets it start.
After: the exit code decides; the report keeps the end of what it wrote.

There is no shell, and nothing of our environment. A plan only says what would be run. A resumed
run that was killed inside it runs it again, so it must be able to stand that.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from rollwright.actions.command_allowed import (
    SEARCH_PATH,
    Refusal,
    allowed_program,
    find_program,
    why_refused,
)
from rollwright.actions.process import Finished, Program, run_program
from rollwright.errors import NotFound, excerpt
from rollwright.plugins.contracts import ActionRequest
from rollwright.plugins.options import OPTIONS
from rollwright.plugins.secret_refs import NamedSecret, read_secret
from rollwright.rollouts.container_logs import all_forms, kept_log, quoted_lines
from rollwright.rollouts.health.verdict import mask
from rollwright.rollouts.report import Outcome, StepResult
from rollwright.rollouts.spec.durations import PositiveDuration, format_duration

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOADS_CODE = re.compile(
    r"(LD|DYLD|GIT)_.*|PYTHON[A-Z0-9]*|PERL5?(OPT|LIB|DB)|RUBY(OPT|LIB)|NODE_(OPTIONS|PATH)"
    r"|BASH_.*|ENV|PATH|IFS|PS4|SHELLOPTS|GCONV_PATH|HOME|TMPDIR|SHELL|EDITOR|VISUAL|PAGER"
    r"|PSQLRC|PSQL_.*|LESSOPEN|LESSCLOSE|JAVA_TOOL_OPTIONS|(JDK)?_JAVA_OPTIONS"
)
"""Variables through which a document could let an allowed program run anything else."""

_CODE = Annotated[int, Field(ge=0, le=255, strict=True)]


def _read_variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError("not the name of a variable")
    if _LOADS_CODE.fullmatch(name):
        raise ValueError(f"the variable {name} could make a program run another one")
    return name


def _read_text(value: str) -> str:
    if "\0" in value:
        raise ValueError("holds a NUL")
    return value


def _read_folder(value: str) -> str:
    path = Path(_read_text(value))
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("expected a folder of the site, relative to it")
    return value


Text = Annotated[str, AfterValidator(_read_text)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """What is started; ``hidden`` is what nobody may read in what it writes."""

    program: Program
    hidden: frozenset[str] = field(repr=False)


class Command(BaseModel):
    """Runs a program of this machine, if the site allows it."""

    model_config = OPTIONS

    argv: tuple[Text, ...] = Field(
        min_length=1, description="Program and arguments; no shell reads them."
    )
    env: Mapping[Annotated[str, AfterValidator(_read_variable)], Text | NamedSecret] = Field(
        default={}, description="All that it sees: values, or {env: NAME} or {file: PATH}."
    )
    cwd: Annotated[str, AfterValidator(_read_folder)] = Field(
        default=".", description="Where it runs, relative to the site."
    )
    timeout: PositiveDuration = Field(
        default=timedelta(minutes=10),
        description="How long it may take; then it is killed.",
        json_schema_extra={"default": "10m"},
    )
    expect_exit_codes: tuple[_CODE, ...] = Field(
        default=(0,), min_length=1, description="Exit codes that are good."
    )

    @property
    def programs(self) -> tuple[str, ...]:
        """The programs of this machine that it starts; a plan asks whether the site lets it."""
        return self.argv[:1]

    def __str__(self) -> str:
        return f"run {excerpt(' '.join(self.argv), 80)}; a resumed run runs it again"

    def _limit(self, request: ActionRequest) -> timedelta:
        return min(self.timeout, request.timeout)

    async def run(self, request: ActionRequest) -> StepResult:
        """Run it."""
        started_at = datetime.now(UTC)
        outcome, message, hint, log = await self._run(request)
        return StepResult(
            step=request.step.name, outcome=outcome, message=message, hint=hint,
            started_at=started_at, ended_at=datetime.now(UTC),
            logs={Path(self.argv[0]).name: log} if log else {},
        )  # fmt: skip

    async def _run(self, request: ActionRequest) -> tuple[Outcome, str, str, str]:
        with tempfile.TemporaryDirectory(prefix="rollwright-") as home:
            ready = await asyncio.to_thread(self._ready, request, home)
            if isinstance(ready, Refusal):
                return Outcome.FAILED, ready.message, ready.hint, ""
            if request.must_stop():
                return Outcome.CANCELLED, "the run was cancelled", "", ""
            try:
                finished = await run_program(ready.program, limit=self._limit(request))
            except OSError as error:
                words = f"cannot start {self.argv[0]!r}: {error.strerror}"
                return Outcome.FAILED, mask(words, ready.hidden), "", ""
        return self._verdict(finished, ready.hidden, self._limit(request))

    def _ready(self, request: ActionRequest, home: str) -> _Ready | Refusal:
        """Find the program, the folder and the secrets; reads files."""
        name = self.argv[0]
        site = (request.site or Path()).resolve()
        if refusal := why_refused(name, site, request.commands if request.site else ()):
            return refusal
        path = find_program(name, site)
        program = allowed_program(path, site, request.commands) if path else None
        if program is None:
            return Refusal(message=f"no program {name!r}")
        folder = (site / self.cwd).resolve()
        if not folder.is_dir() or not folder.is_relative_to(site):
            return Refusal(message=f"cwd {self.cwd!r} is no folder of the site")
        return self._with_environment(request, program, folder, home)

    def _with_environment(
        self, request: ActionRequest, file: Path, folder: Path, home: str
    ) -> _Ready | Refusal:
        secrets: set[str] = set()
        environment = {"PATH": SEARCH_PATH, "LANG": "C.UTF-8", "HOME": home, "TMPDIR": home}
        for name, value in self.env.items():
            if isinstance(value, str):
                environment[name] = value
                continue
            try:
                environment[name] = read_secret(value, f"variable {name}")
            except NotFound as error:
                return Refusal(message=error.message, hint=error.hint or "")
            secrets.add(environment[name])
        return _Ready(
            program=Program(file=file, arguments=self.argv, environment=environment, folder=folder),
            hidden=all_forms(request.hidden | secrets) | secrets,
        )

    def _verdict(
        self, finished: Finished, hidden: frozenset[str], limit: timedelta
    ) -> tuple[Outcome, str, str, str]:
        name, log = Path(self.argv[0]).name, kept_log(finished.output, hidden)
        words = quoted_lines(finished.output, hidden)
        last = f'; it wrote: "{words[-1]}"' if words else ""
        if finished.code is None:
            message = f"{name} took more than {format_duration(limit)}, and was killed{last}"
            return Outcome.TIMED_OUT, message, "", log
        if finished.code in self.expect_exit_codes:
            return Outcome.SUCCEEDED, f"{name} ended with exit code {finished.code}", "", log
        ending = f"exit code {finished.code}" if finished.code >= 0 else f"signal {-finished.code}"
        wanted = ", ".join(str(code) for code in self.expect_exit_codes)
        message = f"{name} ended with {ending}, expected {wanted}{last}"
        return Outcome.FAILED, message, "", log
