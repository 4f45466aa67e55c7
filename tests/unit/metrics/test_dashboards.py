"""Dashboard and alerts ask for what is counted: a metric that is renamed breaks a test."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rollwright.documents import load
from rollwright.engine.telling.metrics import FAMILIES, sample_names
from rollwright.rollouts.spec.trigger import parse_trigger

HERE = Path(__file__).resolve().parents[3] / "deployments"
DASHBOARD, ALERTS = HERE / "grafana" / "rollwright.json", HERE / "alerts" / "rollwright.yaml"

WORDS = {
    "absent", "and", "by", "count", "count_over_time", "histogram_quantile", "increase", "le",
    "max", "or", "rate", "sum", "time", "topk", "vector",
}  # fmt: skip
NOT_OURS = {"up"}


def dashboard():
    return json.loads(DASHBOARD.read_text())


def rules():
    return [one for group in load(ALERTS.read_text())["groups"] for one in group["rules"]]


def panels():
    return [one for one in dashboard()["panels"] if one["type"] != "row"]


def expressions():
    for panel in panels():
        for target in panel["targets"]:
            yield pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for rule in rules():
        yield pytest.param(rule["expr"], id=rule["alert"])


each_expression = pytest.mark.parametrize("expression", list(expressions()))


def bare(expression):
    """Return an expression without texts, ranges and groupings."""
    without_groups = re.sub(r"\bby \([^)]*\)", "", expression)
    return re.sub(r"\"[^\"]*\"|\[[^\]]*\]", "", without_groups)


def selectors(expression):
    """Yield each metric with the labels that are asked of it."""
    for name, labels in re.findall(r"([a-zA-Z_:][\w:]*)(\{[^}]*\})?", bare(expression)):
        if name in WORDS:
            continue
        yield name, re.findall(r"(\w+)\s*[!=]", labels or "")


def metrics_of(expression):
    inside = re.sub(r"\{[^}]*\}", "", bare(expression))
    return {name for name in re.findall(r"[a-zA-Z_:][\w:]*", inside) if name not in WORDS}


def family_of(name):
    plain = re.sub(r"_(bucket|sum|count)$", "", name)
    return FAMILIES.get(name) or FAMILIES[plain]


@each_expression
def test_every_metric_that_is_asked_for_is_counted(expression):
    assert metrics_of(expression) - sample_names() - NOT_OURS == set()


@each_expression
def test_every_expression_asks_for_something(expression):
    assert metrics_of(expression)


@each_expression
def test_every_label_is_one_of_its_metric(expression):
    wrong = [
        (name, label)
        for name, labels in selectors(expression)
        for label in labels
        if name not in NOT_OURS and label not in family_of(name).labels
    ]

    assert wrong == []


@each_expression
def test_what_it_is_grouped_by_is_a_label_of_one_of_its_metrics(expression):
    known = {"le"}
    for name in metrics_of(expression) - NOT_OURS:
        known |= set(family_of(name).labels)
    grouped = {
        label.strip()
        for labels in re.findall(r"\bby \(([^)]*)\)", expression)
        for label in labels.split(",")
    }

    assert grouped <= known


@each_expression
def test_parentheses_are_closed(expression):
    counts = [(expression.count(a), expression.count(b)) for a, b in ("()", "{}", "[]")]

    assert all(opened == closed for opened, closed in counts)


def test_every_family_of_ours_is_on_the_dashboard():
    asked = {
        family_of(name).name
        for one in expressions()
        for name in metrics_of(one.values[0]) - NOT_OURS
    }

    assert {name for name in FAMILIES if name.startswith("rollwright_")} - asked == set()


def test_no_data_source_is_named():
    uids = set(re.findall(r'"uid": "([^"]*)"', DASHBOARD.read_text()))

    assert uids == {"${datasource}", "rollwright"}


def test_panels_do_not_overlap():
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_ids_are_unique():
    ids = [panel["id"] for panel in dashboard()["panels"]]

    assert len(ids) == len(set(ids))


def test_every_legend_names_labels_that_the_expression_keeps():
    for panel in panels():
        for target in panel["targets"]:
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert all(label in target["expr"] or "topk" in target["expr"] for label in named)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_is_and_how_bad(rule):
    assert set(rule["annotations"]) == {"summary", "description"}
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}


def test_alerts_are_unique():
    names = [rule["alert"] for rule in rules()]

    assert len(names) == len(set(names))


@pytest.mark.skipif(not shutil.which("promtool"), reason="there is no promtool here")
def test_prometheus_takes_the_alerts():
    done = subprocess.run(
        ["promtool", "check", "rules", ALERTS], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_the_page_names_metrics_that_there_are():
    page = (HERE.parent / "docs" / "triggers.md").read_text()
    named = set(re.findall(r"`([a-z]+_[a-z_]+)(?:\{[^}]*\})?`", page))

    assert {name for name in named if "_" in name} - set(FAMILIES) - {"kube_applier"} == set()


def test_the_documents_of_the_page_are_triggers():
    page = (HERE.parent / "docs" / "triggers.md").read_text()
    texts = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    triggers = [load(text) for text in texts if "kind: Trigger" in text]

    assert [parse_trigger(one).name for one in triggers] == ["push"]
