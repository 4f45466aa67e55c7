"""Commands that need no cluster: render, lint, graph, schema, plugins."""

from __future__ import annotations

import json

import jsonschema_rs
import pytest
import yaml

from rollwright.documents import load, load_all


def test_render_prints_a_stream_of_objects(run, shop):
    done = run("render", shop / "rollout.yaml")
    kinds = [document.value["kind"] for document in load_all(done.out)]

    assert (done.code, kinds, done.err) == (0, ["ConfigMap", "Deployment"], "")


def test_render_gives_programs_one_line_with_objects_and_rollout(run, shop):
    done = run("render", shop, "-o", "json")
    value = json.loads(done.out)

    assert done.out.count("\n") == 1
    assert list(value["objects"]) == ["settings.yaml", "web.yaml"]
    assert value["rollout"]["metadata"] == {"name": "shop"}


def test_render_is_the_same_every_time(run, shop):
    assert run("render", shop, "-o", "json") == run("render", shop, "-o", "json")


def test_render_takes_the_cluster_that_was_named(run, shop):
    rollout = json.loads(run("render", shop, "-o", "json", "--cluster", "prod").out)["rollout"]

    assert rollout["spec"]["target"]["cluster"] == "prod"


def test_objects_of_one_file_are_all_there(run, shop):
    text = (shop / "manifests" / "settings.yaml").read_text()
    more = text.replace("settings", "more")
    (shop / "manifests" / "settings.yaml").write_text(f"{text}---\n{more}")

    assert len(json.loads(run("render", shop, "-o", "json").out)["objects"]) == 3


def test_lint_is_silent_about_what_is_right(run, shop):
    done = run("lint", shop)

    assert (done.code, done.out) == (0, "1 rollout: 0 errors, 0 warnings\n")


def test_lint_warns_of_what_readers_dispute(run, shop):
    (shop / "manifests" / "settings.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"
        "data:\n  country: 'NO'\nimmutable: yes\n"
    )
    done = run("lint", shop)

    assert (done.code, "warning: settings.yaml:6 immutable" in done.out) == (0, True)


def test_strict_lint_takes_warnings_for_errors(run, shop):
    text = (shop / "manifests" / "settings.yaml").read_text()
    (shop / "manifests" / "settings.yaml").write_text(f"{text}immutable: yes\n")

    assert run("lint", shop, "--strict").code == 2


def test_lint_tells_mistakes_of_manifests_with_their_lines(run, shop):
    (shop / "manifests" / "web.yaml").write_text(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"
        "spec:\n  replicas: many\n  selector: {matchLabels: {app: web}}\n"
        "  template: {metadata: {labels: {app: web}}, spec: {containers: []}}\n"
    )
    done = run("lint", shop)

    assert (done.code, "error: web.yaml:" in done.out, "spec.replicas" in done.out) == (
        2, True, True,
    )  # fmt: skip


def test_lint_looks_at_every_file_that_is_named(run, shop, tmp_path):
    done = run("lint", tmp_path / "nowhere.yaml", shop)

    assert (done.code, done.out.splitlines()[-1]) == (2, "2 rollouts: 1 errors, 0 warnings")


def test_lint_gives_programs_a_list(run, shop):
    (shop / "rollout.yaml").write_text("kind: Rollout\n")
    done = run("lint", shop, "-o", "json")
    value = json.loads(done.out)

    assert (done.code, value["kind"], {one["severity"] for one in value["items"]}) == (
        2, "ProblemList", {"error"},
    )  # fmt: skip


def test_graph_says_what_waits_for_what(run, shop):
    text = run("graph", shop).out

    assert "Deployment/shop/web  after ConfigMap/shop/settings" in text


@pytest.mark.parametrize(
    ("form", "beginning"),
    [("mermaid", "flowchart LR\n"), ("svg", "<svg "), ("json", "{"), ("yaml", "apiVersion: ")],
)
def test_graph_has_several_forms(run, shop, form, beginning):
    done = run("graph", shop, "-o", form)

    assert (done.code, done.out.startswith(beginning)) == (0, True)


def test_graph_says_what_the_actions_of_plugins_will_do(run, shop):
    document = yaml.safe_load((shop / "rollout.yaml").read_text())
    steps = [
        {"name": "call", "action": {"use": "Http", "with": {"url": "https://shop.test/go"}}},
        {"name": "wait", "action": {"use": "Pause", "with": {"duration": "5s"}}},
    ]
    document["spec"] |= {"groups": [{"name": "g", "steps": steps}], "rest": "first"}
    (shop / "rollout.yaml").write_text(json.dumps(document))
    text = run("graph", shop).out

    assert "wait 5s" in text
    assert "https://shop.test/go" in text


@pytest.mark.parametrize("kind", ["Rollout", "Site", "Plan", "Report", "Status", "rollout"])
def test_schemas_are_schemas(run, kind):
    schema = json.loads(run("schema", kind).out)

    jsonschema_rs.meta.validate(schema)
    assert schema["title"] == kind.capitalize()


def test_schema_lists_the_kinds(run):
    kinds = [line.split()[0] for line in run("schema").out.splitlines()]

    assert kinds[:4] == ["KIND", "Rollout", "Trigger", "Site"]
    assert {"Plan", "Report", "Status", "Drift", "History", "Diff"} <= set(kinds)


def test_a_rendered_rollout_fits_its_schema(run, shop):
    schema = json.loads(run("schema", "Rollout").out)
    rollout = json.loads(run("render", shop, "-o", "json").out)["rollout"]

    jsonschema_rs.validate(schema, rollout)


def test_plugins_say_where_they_come_from(run):
    lines = run("plugins").out.splitlines()

    assert any(line.split()[:2] == ["renderers", "plain"] for line in lines)


def test_a_plugin_shows_its_options(run):
    out = run("plugins", "renderers/plain").out

    assert ("renderers/plain" in out, "recurse: boolean, default true" in out) == (True, True)


def test_options_within_options_are_shown(run):
    out = run("plugins", "triggers/resource").out

    assert "  resources: list of mapping" in out
    assert "    apiVersion: string, required" in out


def test_options_show_the_words_that_they_may_be(run):
    assert "  first: now|later, default later" in run("plugins", "triggers/interval").out
    assert "type: github|gitea|" in run("plugins", "triggers/webhook").out


def test_durations_are_shown_as_documents_write_them(run):
    assert "every: duration, default 5m" in run("plugins", "triggers/interval").out
    assert "interval: duration, default 10s" in run("plugins", "triggers/query").out


def test_kinds_of_databases_are_shown(run):
    assert "password: mapping or null" in run("plugins", "databases/postgres").out
    assert any(line.startswith("databases ") for line in run("plugins").out.splitlines())


def test_plugins_give_programs_their_schemas(run):
    value = load(run("plugins", "plain", "-o", "yaml").out)

    assert value["items"][0]["schema"]["properties"]["recurse"]["type"] == "boolean"


def test_plugins_of_a_site_are_listed(run, tmp_path):
    (tmp_path / "site.toml").write_text('[plugins.actions]\nsmoke = "tasks/smoke.py:Smoke"\n')
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "smoke.py").write_text("class Smoke: ...\n")

    assert "smoke" in run("--site", tmp_path / "site.toml", "plugins").out
