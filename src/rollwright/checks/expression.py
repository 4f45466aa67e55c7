"""The check ``expression``: a condition in CEL on the object and what belongs to it.

Before: the expression was compiled with the document that holds it.
After: every event of the object has it evaluated, in a process with limits.
"""

from __future__ import annotations

from typing import Annotated

import orjson
from pydantic import AfterValidator, BaseModel, Field

from rollwright.checks.cel import MAX_LENGTH, problem_of
from rollwright.checks.cel_worker import WORKER, Answer, Request
from rollwright.checks.durations import GoDuration
from rollwright.checks.waiting import absence, failed, succeeded, undecided
from rollwright.errors import excerpt
from rollwright.plugins.contracts import CheckRequest, CheckResult
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.spec.part import refuse


def _compiles(text: str) -> str:
    if problem := problem_of(text):
        raise refuse(problem)
    return text


Cel = Annotated[
    str,
    AfterValidator(_compiles),
    Field(max_length=MAX_LENGTH, examples=["object.status.readyReplicas >= 1"]),
]


class Expression(BaseModel):
    """Wait until an expression in CEL is true.

    It may use ``object``, the live object; ``status``, the word of its verdict such as
    ``Current``; ``pods``, the live pods that belong to it; ``now``. A field that is missing makes
    it undecided; ``has(object.status.field)`` asks for one.

    Attributes:
        expr: The expression that must become true.
        failure: An expression that must not become true: it ends the step as failed.
        timeout: Longest wait since the step began; 0 for no limit, by default the rollout's own.
    """

    model_config = OPTIONS

    expr: Cel
    failure: Cel | None = None
    timeout: GoDuration | None = None

    def __str__(self) -> str:
        return excerpt(self.expr)

    async def evaluate(self, request: CheckRequest) -> CheckResult:
        """Evaluate; the failure counts first."""
        if gone := absence(request):
            return undecided(request, gone, timeout=self.timeout)
        answers = await WORKER.ask(self._asks(request, request.object))
        for text, answer in zip(self._texts, answers, strict=True):
            if answer.limit:
                return failed(f"{excerpt(text)} needs {answer.limit}")
            if answer.kind and answer.kind != "NULL":
                return failed(f"{excerpt(text)} is {answer.kind}, neither true nor false")
        if answers[1:] and answers[1].value:
            return failed(f"{excerpt(self.failure or '')} is true")
        return self._judged(request, answers[0])

    @property
    def _texts(self) -> tuple[str, ...]:
        return (self.expr, self.failure) if self.failure else (self.expr,)

    def _asks(self, request: CheckRequest, live: LiveObject | None) -> Request:
        # NB: pods are many and large; who does not ask for them need not wait for them.
        pods = request.pods if any("pods" in text for text in self._texts) else ()
        return Request(
            expressions=self._texts,
            body=orjson.dumps(live.body if live else {}),
            pods=orjson.dumps(pods),
            status=str(request.status.status),
            now=request.now.isoformat(),
        )

    def _judged(self, request: CheckRequest, answer: Answer) -> CheckResult:
        if answer.value:
            return succeeded(f"{self} is true")
        words = f"{self} is false" if answer.value is False else f"{self} has no value yet"
        # NB: the library quotes the text that is no number or time; of a Secret nobody may read it.
        if answer.error and not (request.object and request.object.is_secret):
            words += f": {excerpt(answer.error)}"
        return undecided(request, words, timeout=self.timeout)
