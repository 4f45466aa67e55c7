"""``smoke``: an action of this site, and the worked example of a plugin.

It looks whether what was rolled out answers: it asks a URL, or looks at an object, until that is
good or a few attempts have failed::

    groups:
    - name: public
      steps:
      - {name: service, object: service.yaml}
      - name: smoke
        action: {use: smoke, with: {url: "http://shop.example.com/health", contains: ok}}

How an action is written:

1.  A class whose fields are its options. It is a pydantic model: frozen, without unknown options,
    camelCase in documents. Types and descriptions become its JSON Schema, which is what
    ``rollwright plugins smoke`` prints; a document with wrong options is refused before anything
    happens. Secrets are never options: name a variable or a file, and read it in ``run``.
2.  ``__str__`` says in the plan what it will do. A plan never calls ``run``.
3.  ``async run(request) -> StepResult`` carries the step out. What may be expected to go wrong is a
    result with a sentence, not an exception. Ask ``request.must_stop()`` before every write. A run
    that was killed is resumed and calls ``run`` again with the same ``request.run_id``: find what
    was done before, or do only what can be done twice.
4.  One line in ``deployments/site.toml`` gives it its name::

        [plugins.actions]
        smoke = "tasks/smoke.py:Smoke"

5.  Its tests inherit ``rollwright.testing.contracts.ActionContract`` (here:
    ``tests/site/test_smoke.py``).

It imports public modules only: ``rollwright.plugins.contracts``, ``rollwright.rollouts``,
``rollwright.errors``.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from rollwright.errors import RolloutError, excerpt
from rollwright.plugins.contracts import ActionRequest, GetRequest
from rollwright.rollouts.health import compute
from rollwright.rollouts.manifest import ObjectRef, group_of
from rollwright.rollouts.report import Outcome, StepResult
from rollwright.rollouts.spec.durations import Duration, format_duration

OPTIONS = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

ANSWER_BYTES = 64 * 1024


class Target(BaseModel):
    """An object that has to be Current."""

    model_config = OPTIONS

    api_version: str = Field(description="Such as apps/v1.")
    kind: str = Field(description="Such as Deployment.")
    name: str = Field(description="Its name.")
    namespace: str = Field(default="", description="Its namespace; empty for cluster-wide kinds.")

    @property
    def ref(self) -> ObjectRef:
        """Its identity."""
        return ObjectRef(group_of(self.api_version), self.kind, self.namespace, self.name)


class Smoke(BaseModel):
    """Looks whether what was rolled out answers: a URL, or an object that is Current."""

    model_config = OPTIONS

    url: Annotated[str, Field(pattern="^https?://")] | None = Field(
        default=None, description="What is asked with GET; it must answer 200."
    )
    contains: str = Field(default="", description="What the answer must contain.")
    object: Target | None = Field(default=None, description="An object to look at instead.")
    attempts: int = Field(default=5, ge=1, le=100, description="How often it is tried.")
    every: Duration = Field(
        default=timedelta(seconds=2),
        description="How long it waits between two attempts.",
        json_schema_extra={"default": "2s"},  # as people write it
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Smoke:
        if (self.url is None) == (self.object is None):
            raise ValueError("expected either url or object")
        if self.contains and self.url is None:
            raise ValueError("contains needs a url")
        return self

    def __str__(self) -> str:
        """Say in the plan what it will do."""
        what = f"GET {self._place}" if self.object is None else f"look at {self.object.ref}"
        return f"{what}, up to {self.attempts} times every {format_duration(self.every)}"

    @property
    def _place(self) -> str:
        """The address without its query, which may hold a token."""
        return (self.url or "").partition("?")[0]

    async def run(self, request: ActionRequest) -> StepResult:
        """Try until it is good, or often enough."""
        started_at = datetime.now(UTC)
        outcome, message = await self._run(request)
        return StepResult(
            step=request.step.name,
            outcome=outcome,
            message=message,
            started_at=started_at,
            ended_at=datetime.now(UTC),
        )

    async def _run(self, request: ActionRequest) -> tuple[Outcome, str]:
        problem = ""
        for attempt in range(1, self.attempts + 1):
            if request.must_stop():
                return Outcome.CANCELLED, "the run was cancelled"
            problem = await self._problem(request)
            if not problem:
                return Outcome.SUCCEEDED, f"good at attempt {attempt}"
            request.tell(f"attempt {attempt} of {self.attempts}: {problem}")
            if attempt < self.attempts:
                await asyncio.sleep(self.every.total_seconds())
        return Outcome.FAILED, f"{problem} ({self.attempts} attempts)"

    async def _problem(self, request: ActionRequest) -> str:
        """Return what is wrong; empty if all is good."""
        if self.object is None:
            return await self._ask()
        try:
            wanted = GetRequest(ref=self.object.ref, api_version=self.object.api_version)
            live = await request.cluster.get(wanted)
        except RolloutError as error:
            return error.message
        status = compute(live.body if live else None, ref=self.object.ref)
        return "" if status.is_current else str(status)

    async def _ask(self) -> str:
        import aiohttp  # noqa: PLC0415  (loaded when it is used, so that listing plugins is fast)

        limit = aiohttp.ClientTimeout(total=10)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.get(self.url or "", allow_redirects=False) as response,
            ):
                text = (await response.content.read(ANSWER_BYTES)).decode("utf-8", "replace")
        except (aiohttp.ClientError, OSError) as error:
            return f"{self._place}: {excerpt(str(error)) or type(error).__name__}"
        if response.status != 200:
            return f"{self._place} answered {response.status}, expected 200"
        if self.contains not in text:
            return f"{self._place} answered without {self.contains!r}"
        return ""
