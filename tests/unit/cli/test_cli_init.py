"""A site from nothing, which works at once."""

from __future__ import annotations

import json
import tomllib

import jsonschema_rs

from rollwright.documents import load


def test_a_new_site_has_its_folders(run, tmp_path):
    done = run("init", "mine")
    folders = {one.name for one in (tmp_path / "mine").iterdir() if one.is_dir()}

    assert (done.code, folders) == (0, {"flows", "tasks", "blocks", "rollouts", "deployments"})


def test_the_first_rollout_is_without_fault(run):
    run("init", "mine")

    assert run("lint", "--strict", "mine/rollouts/hello").code == 0


def test_the_site_is_named_after_its_folder(run, tmp_path):
    run("init", "My Site_2")
    site = tomllib.loads((tmp_path / "My Site_2" / "deployments" / "site.toml").read_text())

    assert site["site"]["name"] == "my-site-2"


def test_the_site_names_its_own_schema(run, tmp_path):
    run("init")
    hello = tmp_path / "rollouts" / "hello"
    text = (hello / "rollout.yaml").read_text()
    schema = hello / text.partition("$schema=")[2].partition("\n")[0]

    jsonschema_rs.validate(json.loads(schema.read_text()), load(text))


def test_the_first_trigger_works_once_it_is_let_in(run, tmp_path):
    run("init")
    hello = tmp_path / "rollouts" / "hello" / "rollout.yaml"
    text = hello.read_text()
    for beginning in ("triggers:", "- {"):
        text = text.replace(f"  # {beginning}", f"  {beginning}")
    hello.write_text(text)

    assert load(text)["spec"]["triggers"][0]["use"] == "cron"
    assert run("lint", "--strict").code == 0


def test_doctor_looks_at_the_clusters_of_the_site(run, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    run("init")
    page = run("doctor")

    assert (page.code, "fail  cluster: sandbox 'default': not there" in page.out) == (3, True)


def test_triggers_have_a_schema_beside_the_others(run, tmp_path):
    run("init")
    schema = tmp_path / "deployments" / "schemas" / "trigger.json"

    assert json.loads(schema.read_text())["title"] == "Trigger"


def test_nothing_is_overwritten(run, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    done = run("init")

    assert (done.code, "README.md" in done.err) == (2, True)
    assert [one.name for one in tmp_path.iterdir()] == ["README.md"]


def test_a_second_init_changes_nothing(run, tmp_path):
    run("init")
    (tmp_path / "README.md").write_text("mine")

    assert (run("init").code, (tmp_path / "README.md").read_text()) == (2, "mine")


def test_a_place_that_cannot_be_written_is_told(run, tmp_path):
    (tmp_path / "file").write_text("")
    done = run("init", "file/site")

    assert (done.code, "cannot write" in done.err) == (2, True)


def test_programs_get_the_files(run):
    value = json.loads(run("init", "mine", "-o", "json").out)

    assert "deployments/site.toml" in value["items"]
