"""Every exception that Rollwright raises on purpose.

    RolloutError                      retryable, hint, exit_code
    ├── InvalidDocument (ValueError)  YAML or JSON text that nobody should act on
    ├── InvalidSpec (ValueError)      a Rollout or a site.toml; carries every Problem at once
    ├── InvalidManifests (ValueError) rendered objects that cannot stand together; every Problem
    ├── PluginNotFound (LookupError)  a name that no plugin is registered under
    ├── NotFound (LookupError)        a rollout, revision, cluster or file that is not there
    ├── RenderError                   a source or a renderer could not give objects
    ├── ClusterError                  the API server said no; status, reason, causes
    │   └── ApplyConflict             fields that another manager owns
    ├── Unreachable (ConnectionError) a cluster, store, lock or Prefect does not answer
    │   └── Unauthorized              it answers, and does not know us
    ├── Refused                       a guard, a lock, a hold, or a world that moved on
    │   ├── Held                      somebody wants nothing to run now
    │   ├── GuardRefused              guards that were breached
    │   │   └── ApprovalNeeded        what an approval of the plan lets pass
    │   ├── LockHeld                  somebody else runs this rollout
    │   ├── LockLost                  our lease may be gone: stop before the next write
    │   ├── StateConflict             somebody else saved the state first
    │   └── Forged                    a delivery whose origin cannot be shown
    └── SandboxError                  the control plane on this machine

A message says what, where and why; ``hint`` says what to do. Neither holds a secret, and text
from a server is cut. The retry policy lies in the error: ``retryable`` is read once, in
``engine/``, and by the tasks that wrap its stages. ``exit_code`` is what the command line ends
with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

EXCERPT_LENGTH = 256
"""Characters of a foreign text (a server's answer, a child's stderr) that a message may quote."""


def excerpt(text: str, length: int = EXCERPT_LENGTH) -> str:
    """Cut a foreign text to what a message may quote, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


class RolloutError(Exception):
    """Something went wrong that a person can understand.

    Attributes:
        hint: What to do about it, or ``None``.
        retryable: Whether the same call may succeed later without anybody's change.
        exit_code: What the command line ends with (``cli``: 1 failed, 2 invalid,
            3 unreachable, 4 refused).
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None, retryable: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        self.retryable = retryable

    @property
    def message(self) -> str:
        """What, where and why, without the hint."""
        return str(self.args[0])


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One mistake in an input.

    ``where`` is ``file:line``, a file or an object; ``path`` a place inside it
    (``spec.groups[0].name``), empty for the whole. A warning is told and stops nothing.
    """

    where: str
    path: str
    message: str
    is_warning: bool = False

    def __str__(self) -> str:
        place = f"{self.where} {self.path}".strip()
        return f"{place}: {self.message}" if place else self.message


class InvalidDocument(RolloutError, ValueError):
    """Text that is not YAML or JSON as Kubernetes reads it, or is made to hurt."""

    exit_code = 2


def _by_place(problem: Problem) -> tuple[str, int, str, str]:
    """Sort by file, then by line as a number."""
    file, _, line = problem.where.rpartition(":")
    if not line.isdigit():
        return problem.where, 0, problem.path, problem.message
    return file, int(line), problem.path, problem.message


class _ProblemsError(RolloutError, ValueError):
    exit_code = 2
    what = "the input"

    def __init__(self, problems: Iterable[Problem], *, hint: str | None = None) -> None:
        self.problems = tuple(sorted(problems, key=_by_place))
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        noun = "problem" if len(self.problems) == 1 else "problems"
        super().__init__(f"{len(self.problems)} {noun} in {self.what}:\n{lines}", hint=hint)


class InvalidSpec(_ProblemsError):
    """A Rollout document or a site.toml that cannot be used; all its problems."""

    what = "the document"

    def __init__(self, problems: Iterable[Problem], *, hint: str | None = None) -> None:
        super().__init__(problems, hint=hint)


class InvalidManifests(_ProblemsError):
    """Rendered objects that cannot stand together or that no schema allows; all problems.

    Attributes:
        warnings: What was found beside them that would have stopped nothing.
    """

    what = "the manifests"
    warnings: tuple[Problem, ...] = ()


class PluginNotFound(RolloutError, LookupError):
    """A document names a plugin that is not registered."""

    exit_code = 2

    def __init__(self, group: str, name: str, *, known: Iterable[str]) -> None:
        self.group, self.name, self.known = group, name, tuple(sorted(known))
        close = get_close_matches(name, self.known, n=1)
        super().__init__(
            f"no {group.removesuffix('s')} {name!r}; known: {', '.join(self.known) or 'none'}",
            hint=f"did you mean {close[0]!r}?" if close else None,
        )


class NotFound(RolloutError, LookupError):
    """A rollout, revision, cluster or file that is not there."""

    exit_code = 2


class RenderError(RolloutError):
    """A source could not be fetched or a renderer gave no objects."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One entry of ``details.causes`` of a Kubernetes Status."""

    reason: str
    field: str
    message: str


class ClusterError(RolloutError):
    """The API server refused a request.

    Attributes:
        status: HTTP status code.
        reason: ``reason`` of the Kubernetes Status, such as ``Invalid`` or ``Forbidden``.
        causes: ``details.causes`` of the Status.
        retry_after_seconds: What the server asked for, if it did.
    """

    def __init__(  # noqa: PLR0913  (the facts of one Kubernetes Status)
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        causes: Iterable[Cause] = (),
        retry_after_seconds: float | None = None,
        hint: str | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message, hint=hint, retryable=retryable)
        self.status = status
        self.reason = reason
        self.causes = tuple(causes)
        self.retry_after_seconds = retry_after_seconds


class ApplyConflict(ClusterError):
    """An unforced apply met fields of another manager; ``causes`` names field and manager."""


class Unreachable(RolloutError, ConnectionError):
    """A cluster, store, lock or Prefect does not answer.

    Attributes:
        retry_after_seconds: When it wants to be asked again, if it said so.
    """

    exit_code = 3
    retry_after_seconds: float | None = None

    def __init__(self, message: str, *, hint: str | None = None, retryable: bool = True) -> None:
        super().__init__(message, hint=hint, retryable=retryable)


class Unauthorized(Unreachable):
    """The server answers 401, or no credentials could be had."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, retryable=False)


class Refused(RolloutError):
    """A guard, a lock or a hold says no, or the world no longer matches the plan.

    Attributes:
        wants_plan: Whether a new plan may pass: another run was faster, and nothing else is wrong.
    """

    exit_code = 4
    wants_plan = False


class Held(Refused):
    """Somebody wants nothing to run now; what was asked for is worth a run once they let go."""


class GuardRefused(Refused):
    """Guards of the plan were breached and nobody allowed it."""


class ApprovalNeeded(GuardRefused):
    """The plan may be carried out once somebody approves it.

    Attributes:
        reason: Why somebody has to: the rollout's policy, or the guards that it breaches.
    """

    def __init__(self, message: str, *, reason: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class LockHeld(Refused):
    """Another run holds the lock of this rollout."""


class LockLost(Refused):
    """Our lease may be gone; nothing more is written."""


class StateConflict(Refused):
    """The state was saved by somebody else since it was loaded."""


class Forged(Refused):
    """A delivery whose origin cannot be shown: no or a wrong signature, too old, or a replay."""


class SandboxError(RolloutError):
    """The control plane on this machine could not be built, started or stopped."""

    exit_code = 3
