"""The JSON Schema of a Rollout, as editors read it."""

from __future__ import annotations

import jsonschema_rs
import pytest

from rollwright.rollouts.spec import rollout_schema
from rollwright.rollouts.spec.part import Part
from rollwright.rollouts.spec.problems import fields_at
from rollwright.rollouts.spec.schema import schema_of_model


def test_the_schema_is_a_schema():
    jsonschema_rs.meta.validate(rollout_schema())


def test_the_schema_says_what_it_is_of():
    schema = rollout_schema()

    assert (schema["title"], schema["$id"]) == (
        "Rollout",
        "https://rollwright.dev/schemas/v1alpha1/rollout.json",
    )


def test_every_field_is_described():
    sections = rollout_schema()["$defs"]
    fields = {
        f"{name}.{field}": form
        for name, section in sections.items()
        for field, form in section.get("properties", {}).items()
    }

    assert [path for path, form in fields.items() if not form["description"]] == []


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (("spec", "source"), {"block", "path", "use", "with"}),
        (("spec", "render"), {"use", "with", "when"}),
        (("spec", "render", 0), {"use", "with", "when"}),
        (("spec", "groups"), {"file"}),
        (
            ("spec", "config", 0),
            {
                *("file", "values", "environment", "trigger", "objects", "query"),
                *("as", "at", "when", "reveal"),
            },
        ),
    ],
)
def test_editors_can_complete_every_form(path, fields):
    assert fields_at(rollout_schema(), path) == fields


def test_a_field_called_title_survives():
    class Page(Part):
        title: str
        """What it is called."""

    assert list(schema_of_model(Page, "Page")["properties"]) == ["title"]
