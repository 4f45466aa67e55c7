"""Rules of an installation: conditions in CEL that objects have to meet.

Before: the rules stand in a rollout, or in files that a site shares between its rollouts.
After: each object that breaks one is a finding, as grave as the rule says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError

from rollwright.documents import load_all
from rollwright.errors import InvalidSpec, Problem, RenderError, excerpt
from rollwright.plugins import tree
from rollwright.plugins.cel.compiling import MAX_LENGTH, problem_of
from rollwright.plugins.cel.worker import WORKER, Answer, Batch
from rollwright.plugins.contracts import ValidateRequest
from rollwright.plugins.options import OPTIONS, problems_of
from rollwright.plugins.target import Target
from rollwright.rollouts.manifest import Manifest, is_secret
from rollwright.validators.findings import place_of

_OF_OBJECT = re.compile(r"\bobject\b")
_OF_SET = re.compile(r"\bobjects\b")


def _condition(text: str) -> str:
    if problem := problem_of(text, "policy"):
        raise ValueError(problem)
    return text


def _sentence(text: str) -> str:
    if problem := problem_of(text, "policy", "STRING"):
        raise ValueError(problem)
    return text


class Rule(BaseModel):
    """One rule.

    The expression may use ``object``; ``objects``, the whole set; ``rollout.name`` and
    ``rollout.namespace``. Without ``object`` it is asked once, of the whole set.

    Attributes:
        name: What findings call it.
        expr: What must be true.
        message: What to tell where it is not.
        message_expression: The same as an expression that comes to text; not asked of Secrets.
        severity: Whether breaking it stops a rollout.
        match: Objects that it is about, by any of the entries; all without one.
        exclude: Objects that it is not about.
    """

    model_config = OPTIONS

    name: str = Field(min_length=1, max_length=100)
    expr: Annotated[str, Field(max_length=MAX_LENGTH), AfterValidator(_condition)]
    message: str = ""
    message_expression: Annotated[str, AfterValidator(_sentence)] | None = None
    severity: Literal["error", "warning"] = "error"
    match: tuple[Target, ...] = ()
    exclude: tuple[Target, ...] = ()

    @property
    def is_of_set(self) -> bool:
        """Whether it is about the set, and not about each object."""
        return _OF_OBJECT.search(self.expr) is None

    @property
    def texts(self) -> tuple[str, ...]:
        """What is evaluated."""
        return (self.expr, self.message_expression) if self.message_expression else (self.expr,)

    def means(self, manifest: Manifest) -> bool:
        """Tell whether the rule is about an object."""
        is_meant = not self.match or any(one.matches(manifest) for one in self.match)
        return is_meant and not any(one.matches(manifest) for one in self.exclude)


class Policies(BaseModel):
    """Hold objects to rules in CEL.

    Attributes:
        rules: The rules.
        files: Files of the site with more of them, each a YAML document with ``rules``.
    """

    model_config = OPTIONS

    rules: tuple[Rule, ...] = ()
    files: tuple[str, ...] = ()

    def validate(self, request: ValidateRequest) -> tuple[Problem, ...]:  # type: ignore[override]  # the port's name; pydantic's own is deprecated
        """Return every object that breaks a rule.

        Raises:
            RenderError: A file is not in the site.
            InvalidSpec: A file holds no rules.
        """
        shared = [rule for name in self.files for rule in _read(request.site, name)]
        return tuple(found for rule in (*self.rules, *shared) for found in _judged(rule, request))

    def inputs(self, site: Path | None) -> Mapping[str, bytes]:
        """Return what is read beside the objects: whoever keeps a result has to know."""
        return {name: _content(site, name) for name in self.files}


def _judged(rule: Rule, request: ValidateRequest) -> Iterator[Problem]:
    meant = tuple(one for one in request.manifests if rule.is_of_set or rule.means(one))
    if rule.is_of_set:
        for answers in WORKER.ask_each(_batch(rule, request, ({},))):
            yield from _told(rule, answers, f"rollout {request.rollout}", is_quoted=False)
        return
    for is_kept_secret in (False, True):
        group = tuple(one for one in meant if is_secret(one.body) is is_kept_secret)
        bodies = tuple(one.body for one in group)
        answered = WORKER.ask_each(_batch(rule, request, bodies)) if group else ()
        for one, answers in zip(group, answered, strict=True):
            yield from _told(rule, answers, place_of(one), is_quoted=not is_kept_secret)


def _batch(rule: Rule, request: ValidateRequest, items: tuple[Any, ...]) -> Batch:
    values: dict[str, Any] = {"rollout": {"name": request.rollout, "namespace": request.namespace}}
    # NB: the set may be large; who does not ask for it need not wait for it.
    if any(_OF_SET.search(text) for text in rule.texts):
        values["objects"] = [one.body for one in request.manifests]
    return Batch(scope="policy", expressions=rule.texts, item="object", items=items, values=values)


def _told(
    rule: Rule, answers: tuple[Answer, ...], where: str, *, is_quoted: bool
) -> Iterator[Problem]:
    answer = answers[0]
    if answer.value:
        return
    said = answers[1].text if len(answers) > 1 and is_quoted else ""
    message = said or rule.message or f"{excerpt(rule.expr, 120)} is not true"
    if why := _why_undecided(answer, is_quoted=is_quoted):
        message = f"{message} ({why})"
    yield Problem(
        where=where,
        path="",
        message=f"{rule.name}: {message}",
        is_warning=rule.severity == "warning",
    )


def _why_undecided(answer: Answer, *, is_quoted: bool) -> str:
    if answer.limit:
        return f"it needs {answer.limit}"
    if answer.kind:
        return f"it is of type {answer.kind}"
    if answer.value is None:
        # NB: the library quotes texts; of a Secret nobody may read them.
        return excerpt(answer.error) if is_quoted and answer.error else "it has no value"
    return ""


def _read(site: Path | None, name: str) -> tuple[Rule, ...]:
    return _parsed(_content(site, name), name)


def _content(site: Path | None, name: str) -> bytes:
    if site is None:
        raise RenderError(
            f"policies: no site to read {excerpt(name)!r} from", hint="write the rules inline"
        )
    try:
        return tree.read(site, tree.inside(site, name))
    except RenderError as error:
        raise RenderError(
            f"policies: {excerpt(name)!r} is not in the site",
            hint="paths of rules are relative to the folder of site.toml",
        ) from error


_RULES = tuple[Rule, ...]


@lru_cache(maxsize=32)
def _parsed(content: bytes, name: str) -> tuple[Rule, ...]:
    found: list[Rule] = []
    for document in load_all(content, name=name):
        value = document.value
        if not isinstance(value, Mapping) or set(value) != {"rules"}:
            problem = Problem(where=f"{name}:{document.line}", path="", message="expected 'rules'")
            raise InvalidSpec([problem])
        try:
            found += TypeAdapter(_RULES).validate_python(value["rules"])
        except ValidationError as error:
            problems = problems_of(error, where=name, path="rules", form=_RULES)
            raise InvalidSpec(problems) from error
    return tuple(found)
