"""The declared rollout as a value: defaults, short forms, the way out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from rollwright.errors import InvalidSpec
from rollwright.rollouts.spec import (
    API_VERSION,
    Approval,
    GroupsFile,
    OnFailure,
    OnInterrupted,
    Rest,
    RolloutSpec,
    Use,
    dump,
    parse,
)
from rollwright.rollouts.spec.uses import RendererUse


def a_document(**spec):
    return {
        "apiVersion": API_VERSION,
        "kind": "Rollout",
        "metadata": {"name": "shop"},
        "spec": {"source": {"path": "./shop"}, **spec},
    }


def problems_of(document, **options):
    with pytest.raises(InvalidSpec) as caught:
        parse(document, **options)
    return [str(problem) for problem in caught.value.problems]


def test_what_nobody_declares_has_its_default():
    spec = parse(a_document())

    assert spec == RolloutSpec(name="shop", source=Use(name="path", options={"path": "./shop"}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("renderers", (RendererUse(name="plain"),)),
        ("validators", (Use(name="schema"),)),
        ("transformers", ()),
        ("rest", Rest.ERROR),
        ("on_failure", OnFailure.STOP),
        ("on_interrupted", OnInterrupted.RESUME),
        ("approval", Approval.NEVER),
        ("suspend", False),
        ("groups", ()),
    ],
)
def test_a_field_has_its_default(field, value):
    assert getattr(parse(a_document()), field) == value


def test_health_has_its_defaults():
    health = parse(a_document()).health

    assert (health.timeout, health.progress_timeout, health.soak) == (
        timedelta(minutes=10),
        timedelta(minutes=5),
        timedelta(0),
    )


def test_prune_has_its_defaults():
    prune = parse(a_document()).prune

    assert prune.model_dump() == {
        "enabled": True,
        "max_count": None,
        "max_percent": 50,
        "protect": (
            "Namespace",
            "CustomResourceDefinition",
            "PersistentVolumeClaim",
            "PersistentVolume",
        ),
        "on_empty": "refuse",
        "propagation": "foreground",
    }


@pytest.mark.parametrize(
    ("render", "names"),
    [
        ("helm", ["helm"]),
        ({"use": "helm", "with": {"chart": "."}}, ["helm"]),
        (["helm", {"use": "plain"}], ["helm", "plain"]),
    ],
)
def test_render_is_a_name_options_or_a_list(render, names):
    assert [use.name for use in parse(a_document(render=render)).renderers] == names


def test_a_source_may_be_any_plugin():
    spec = parse(a_document(source={"use": "git", "with": {"ref": "main"}}))

    assert (spec.source.name, spec.source.options) == ("git", {"ref": "main"})


def groups_of(document):
    groups = parse(document).groups
    assert isinstance(groups, tuple)
    return groups


def one_check(check):
    step = {"name": "web", "object": "web.yaml", "success": [check]}
    return groups_of(a_document(groups=[{"name": "web", "steps": [step]}]))[0].steps[0].success[0]


@pytest.mark.parametrize(
    "check",
    [
        "healthy",
        {"healthy": {}},
        {"healthy": None},
        {"use": "healthy"},
        {"use": "healthy", "with": None},
    ],
)
def test_a_check_may_be_written_in_every_form(check):
    assert one_check(check) == Use(name="healthy")


def test_both_forms_of_field_comparisons_mean_the_same():
    compared = [{"name": "n", "path": "{.a}", "value": {"static": 1}}]

    assert (
        one_check({"fieldComparisons": compared})
        == one_check({"fieldComparisons": {"expectedValues": compared}})
        == Use(name="fieldComparisons", options={"expectedValues": compared})
    )


def test_groups_of_a_file_leave_other_objects_alone():
    spec = parse(a_document(groups={"file": "groups.yaml"}))

    assert (spec.groups, spec.rest) == (GroupsFile(file="groups.yaml"), Rest.IGNORE)


def test_rest_of_a_groups_file_can_be_declared_and_dumped():
    spec = parse(a_document(groups={"file": "groups.yaml"}, rest="error"))

    assert parse(dump(spec)).rest is Rest.ERROR


@pytest.mark.parametrize("section", ["config", "transform", "groups", "prune", "target", "windows"])
def test_an_empty_section_is_as_good_as_none(section):
    assert parse(a_document(**{section: None})) == parse(a_document())


@pytest.mark.parametrize("action", ["Http", "Pause", "Command", "Wait", "smoke"])
def test_an_action_without_an_object_needs_no_object(action):
    steps = [{"name": "one", "action": action}]

    assert groups_of(a_document(groups=[{"name": "g", "steps": steps}]))[0].steps[0].object is None


def test_dump_leaves_out_defaults():
    assert dump(parse(a_document(suspend=False, onFailure="rollback")))["spec"] == {
        "source": {"use": "path", "with": {"path": "./shop"}},
        "onFailure": "rollback",
    }


def test_dump_can_keep_defaults():
    spec = dump(parse(a_document()), keep_defaults=True)["spec"]

    assert (spec["health"]["timeout"], spec["render"]) == ("10m", [{"use": "plain", "with": {}}])


def test_a_spec_never_changes():
    spec = parse(a_document())

    with pytest.raises(ValidationError):
        spec.__setattr__("suspend", True)


def test_field_names_of_the_program_are_unknown_in_documents():
    assert problems_of(a_document(on_failure="stop"), name="a.yaml") == [
        "a.yaml spec.on_failure: unknown field; did you mean 'onFailure'?"
    ]


def test_a_missing_field_has_the_line_of_its_section():
    document = a_document()
    del document["spec"]["source"]
    lines = {("spec",): 4}

    assert problems_of(document, name="a.yaml", line_of=lines.get) == [
        "a.yaml:4 spec.source: required, but missing"
    ]


def test_a_misspelled_required_field_is_told_once():
    document = a_document(soruce={"path": "."})
    del document["spec"]["source"]

    assert problems_of(document) == ["rollout spec.soruce: unknown field; did you mean 'source'?"]


@pytest.mark.parametrize("document", [None, [], "text", 5])
def test_what_is_no_mapping_is_no_rollout(document):
    assert "not a Rollout" in problems_of(document)[0]


def test_a_secret_never_shows_in_a_message():
    use = {"use": "sign", "with": {"password": "hunter2"}}

    assert "hunter2" not in "".join(problems_of(a_document(transform=[use])))


def test_values_for_a_renderer_may_hold_what_looks_like_a_secret():
    config = [{"values": {"password": "chart-default", "with": {"token": "x"}}}]

    assert parse(a_document(config=config)).config[0].values == config[0]["values"]
