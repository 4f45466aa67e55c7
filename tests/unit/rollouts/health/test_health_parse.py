"""Rule files: what they may say, and how all their mistakes come back at once."""

from __future__ import annotations

import pytest

from rollwright.errors import InvalidSpec
from rollwright.rollouts.health import HealthContext, compute, parse_rule, read_feedback
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.status import ObjectStatus, Status

MATCH = {"group": "example.com", "kind": "Widget"}
REF = ObjectRef("example.com", "Widget", "shop", "web")


def widget(**status):
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "web", "namespace": "shop"},
        "status": status,
    }


def problems_of(entry, **how):
    with pytest.raises(InvalidSpec) as caught:
        parse_rule(entry, where="rules.yaml:3", path="rules[0]", **how)
    return {problem.path: problem.message for problem in caught.value.problems}


def test_a_rule_is_named_after_its_match():
    rule = parse_rule({"match": MATCH, "conditions": []})

    assert rule.name == "example.com/Widget"


def test_several_kinds_share_a_rule():
    match = {"group": "example.com", "kinds": ["Widget", "Gadget"]}

    rule = parse_rule({"match": match, "conditions": []})

    assert rule.match.kinds == {"Widget", "Gadget"}


def test_every_problem_of_a_rule_is_reported_at_once():
    found = problems_of(
        {
            "match": {"kind": 3, "namespaces": [1], "labels": []},
            "conditions": [
                {"type": "Ready", "result": "fine", "status": "yes", "unblockChanges": "no"},
                {"reason": {}},
                "Ready",
            ],
            "otherwise": "perhaps",
            "feedback": [{"jsonpath": ".a["}, {"name": "x", "jsonpath": 4}],
            "colour": "red",
        }
    )

    assert set(found) == {
        "rules[0].colour",
        "rules[0].match.group",
        "rules[0].match.kind",
        "rules[0].match.namespaces",
        "rules[0].conditions[0].result",
        "rules[0].conditions[0].status",
        "rules[0].conditions[0].unblockChanges",
        "rules[0].conditions[1].type",
        "rules[0].conditions[1].result",
        "rules[0].conditions[1].reason",
        "rules[0].conditions[2]",
        "rules[0].conditions[2].type",
        "rules[0].conditions[2].result",
        "rules[0].otherwise",
        "rules[0].feedback[0].jsonpath",
        "rules[0].feedback[0].name",
        "rules[0].feedback[1].jsonpath",
    }


def test_a_problem_names_file_and_line():
    with pytest.raises(InvalidSpec, match=r"rules\.yaml:3 rules\[0\]\.match: got nothing"):
        parse_rule({"conditions": []}, where="rules.yaml:3", path="rules[0]")


@pytest.mark.parametrize(
    "entry", [{"match": MATCH}, {"match": MATCH, "conditions": [], "tests": []}]
)
def test_a_rule_has_exactly_one_form(entry):
    assert "exactly one of" in problems_of(entry)["rules[0]"]


def test_a_rule_must_be_a_mapping():
    assert problems_of("Widget")["rules[0]"] == "got a text, expected a mapping"


@pytest.mark.parametrize(
    ("when", "path"),
    [
        ({}, "when"),
        ({"field": ".a", "in": 3}, "when.in"),
        ({"field": ".a", "in": [1], "moreThan": 2}, "when"),
        ({"field": ".a[", "in": [1]}, "when.field"),
        ({"field": ".a", "like": "x"}, "when.like"),
        ({"field": ".a", "in": {"field": ".b"}}, "when.in"),
        ({"field": ".a", "differs": {}}, "when.differs.field"),
        ({"some": ".a["}, "when.some"),
        ({"all": {}}, "when.all"),
        ({"any": [{"field": ".a"}, {}]}, "when.any[1]"),
        ({"condition": 3}, "when.condition"),
    ],
)
def test_a_wrong_predicate_is_named_by_its_place(when, path):
    entry = {"match": MATCH, "tests": [{"when": when, "result": "failed"}]}

    assert f"rules[0].tests[0].{path}" in problems_of(entry)


def test_expressions_need_somebody_who_compiles_them():
    entry = {"match": MATCH, "expressions": {"current": "object.status.ok"}}

    assert problems_of(entry) == {"rules[0].expressions": "cannot be used here"}


def test_a_syntax_error_in_an_expression_shows_when_the_rule_is_loaded():
    def refuse(texts):
        raise ValueError(f"cannot read {texts['current']!r}")

    entry = {"match": MATCH, "expressions": {"current": "object."}}

    assert problems_of(entry, compile_expressions=refuse) == {
        "rules[0].expressions": "cannot read 'object.'"
    }


def test_compiled_expressions_give_the_verdict():
    def compile_them(texts):
        def judge(body, context, now):
            is_met = body["status"][texts["current"]]
            status = Status.CURRENT if is_met else Status.IN_PROGRESS
            return ObjectStatus(ref=REF, status=status, reason="Expression", message="as asked")

        return judge

    entry = {"name": "w", "match": MATCH, "expressions": {"current": "ok"}}
    rule = parse_rule(entry, compile_expressions=compile_them)

    status = compute(widget(ok=True), HealthContext(rules=(rule,)))

    assert (status.status, status.rule) == (Status.CURRENT, "custom:w.judge")


def test_a_plugin_that_says_nothing_leaves_the_verdict_to_others():
    rule = parse_rule(
        {"match": MATCH, "plugin": "mine:judge"}, load_plugin=lambda name: lambda *_: None
    )
    ready = widget(conditions=[{"type": "Ready", "status": "True"}])

    status = compute(ready, HealthContext(rules=(rule,)))

    assert status.rule == "generic.ready"


def test_a_plugin_that_breaks_gives_unknown():
    def judge(body, context, now):
        raise RuntimeError("no luck")

    rule = parse_rule({"match": MATCH, "plugin": "mine:judge"}, load_plugin=lambda name: judge)

    status = compute(widget(), HealthContext(rules=(rule,)))

    assert (status.status, status.message) == (
        Status.UNKNOWN,
        "no verdict: RuntimeError: no luck",
    )


def test_feedback_reads_the_values_that_are_there():
    feedback = [
        {"name": "url", "jsonpath": ".status.url"},
        {"name": "zones", "jsonpath": ".status.zones[*]"},
        {"name": "gone", "jsonpath": ".status.gone"},
    ]
    rule = parse_rule({"match": MATCH, "conditions": [], "feedback": feedback})

    found = read_feedback(rule, widget(url="http://web", zones=["a", "b"]))

    assert found == {"url": "http://web", "zones": ["a", "b"]}
