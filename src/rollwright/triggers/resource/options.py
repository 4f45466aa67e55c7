"""What is watched: the options of the trigger, and the older configuration file that holds them.

Before: a Trigger, or a Rollout's ``triggers``, names ``resource``. After: requests to watch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from rollwright.documents import load_all
from rollwright.errors import InvalidSpec, NotFound, Problem
from rollwright.plugins.contracts import ListRequest
from rollwright.plugins.options import OPTIONS, problems_of
from rollwright.rollouts.triggering.go_patterns import compiled
from rollwright.rollouts.triggering.keys import KeyAction, KeyTransformation
from rollwright.rollouts.triggering.selectors import Operator, selector_text


class _Given(BaseModel):
    """Options of which null, and nothing after a colon, are as good as left out."""

    model_config = OPTIONS

    @model_validator(mode="before")
    @classmethod
    def _leave_out(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {key: value for key, value in given.items() if value is not None}


class KeyStep(_Given):
    """One transformation of keys; an empty text means the default, as in older files."""

    action: KeyAction = Field(default=KeyAction.REPLACE, description="replace, keep or drop.")
    regex: str = Field(default="(.*)", description="A pattern, as Go reads it.")
    replacement: str = Field(default="$1", description="What a key that matches becomes.")

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {key: value for key, value in given.items() if value != ""}

    @field_validator("regex")
    @classmethod
    def _is_pattern(cls, regex: str) -> str:
        compiled(regex)
        return regex

    @property
    def transformation(self) -> KeyTransformation:
        """The same, as what carries it out."""
        return KeyTransformation(action=self.action, regex=self.regex, replacement=self.replacement)


class LabelExpression(_Given):
    """One comparison of a label."""

    key: str = Field(description="Name of the label.")
    operator: Operator = Field(description="How it is compared.")
    values: tuple[str, ...] = Field(default=(), description="What it is compared with.")

    @model_validator(mode="after")
    def _fits(self) -> LabelExpression:
        selector_text({}, [(self.key, self.operator, self.values)])
        return self


class LabelSelector(_Given):
    """Labels that objects have; all of it must hold."""

    match_labels: Mapping[str, str] = Field(default={}, description="Labels with their values.")
    match_expressions: tuple[LabelExpression, ...] = Field(
        default=(), description="Comparisons of labels."
    )

    @property
    def text(self) -> str:
        """As an API server reads it."""
        expressions = [(one.key, one.operator, one.values) for one in self.match_expressions]
        return selector_text(self.match_labels, expressions)


class Watched(_Given):
    """Objects of one kind."""

    name: str = Field(min_length=1, description="What renderers import them as: NAME/list.")
    kind: str = Field(min_length=1, description="Kind of the objects.")
    api_version: str = Field(min_length=1, description="Group and version, such as apps/v1.")
    namespace: str = Field(default="", description="Their namespace; empty for all.")
    label_selector: str | LabelSelector = Field(
        default="", description="A selector as text, or {matchLabels, matchExpressions}."
    )
    field_selector: str = Field(default="", description="Fields, as an API server selects them.")
    key_transformations: tuple[KeyStep, ...] = Field(
        default=(), description="How keys of these objects become keys of the main resource."
    )
    reveal: bool = Field(
        default=False, description="Whether renderers get the values of Secrets, too."
    )

    @property
    def request(self) -> ListRequest:
        """What is asked of the cluster; equal ones are asked once."""
        labels = self.label_selector
        return ListRequest(
            api_version=self.api_version,
            kind=self.kind,
            namespace=self.namespace,
            label_selector=labels if isinstance(labels, str) else labels.text,
            field_selector=self.field_selector,
        )

    @property
    def transformations(self) -> tuple[KeyTransformation, ...]:
        """What happens to its keys, in order."""
        return tuple(one.transformation for one in self.key_transformations)

    @property
    def is_secret(self) -> bool:
        """Whether its values are shown to nobody without leave."""
        return (self.api_version, self.kind) == ("v1", "Secret")


class Watching(BaseModel):
    """What is watched; the whole of an older configuration file."""

    model_config = OPTIONS

    main_resource: str = Field(default="", description="Name of the resource that runs are for.")
    resources: tuple[Watched, ...] = Field(default=(), description="What is watched.")

    @model_validator(mode="after")
    def _names_are_known(self) -> Watching:
        names = [one.name for one in self.resources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two resources are called {twice[0]!r}")
        if names and self.main_resource not in names:
            known = ", ".join(sorted(names))
            raise ValueError(f"no resource is called {self.main_resource!r}; known: {known}")
        if self.main_resource and not names:
            raise ValueError("mainResource names a resource, and resources is empty")
        return self

    @property
    def main(self) -> Watched:
        """The resource that runs are for."""
        return next(one for one in self.resources if one.name == self.main_resource)


def read_watching(name: str, folders: tuple[Path, ...]) -> Watching:
    """Read a configuration file of the older form.

    Raises:
        NotFound: It is in none of the folders.
        InvalidDocument: It is no YAML or JSON.
        InvalidSpec: It does not say what is watched; every problem is in it.
    """
    places = [folder / Path(name).expanduser() for folder in folders]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        where = ", ".join(map(str, folders)) or "no folder"
        raise NotFound(f"no file {name!r}; looked in {where}")
    documents = load_all(file.read_bytes(), name=str(file))
    value = documents[0].value if len(documents) == 1 else None
    try:
        found = Watching.model_validate(value)
    except ValidationError as error:
        raise InvalidSpec(problems_of(error, where=str(file), path="", form=Watching)) from error
    if not found.resources:
        message = "missing: what is watched"
        raise InvalidSpec([Problem(where=str(file), path="resources", message=message)])
    return found
