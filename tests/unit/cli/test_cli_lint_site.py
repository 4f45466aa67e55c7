"""``lint`` of sites: names that stand twice, what triggers name, what rendering waits for."""

from __future__ import annotations

import json

import pytest

OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"
TENANT = [{"use": "query", "with": {"database": "main", "query": "SELECT 1 AS k", "key": "k"}}]
DATABASE = '[databases.main]\nuse = "postgres"\n'


@pytest.fixture
def declare(tmp_path):
    """Write a rollout of a site."""
    (tmp_path / "site.toml").write_text(DATABASE)

    def write(name, *, template="settings", **spec):
        folder = tmp_path / "rollouts" / name
        (folder / "src").mkdir(parents=True, exist_ok=True)
        (folder / "src" / "a.yaml").write_text(OBJECT.format(name=template))
        document = {
            "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": name},
            "spec": {"source": {"path": "src"}, "target": {"namespace": "a"}, **spec},
        }  # fmt: skip
        (folder / "rollout.yaml").write_text(json.dumps(document, indent=1))
        return folder / "rollout.yaml"

    return write


@pytest.fixture
def a_trigger(tmp_path):
    """Write a file with one trigger, as YAML."""

    def write(file="push", name="push", when="interval", field="when"):
        path = tmp_path / "rollouts" / f"{file}.trigger.yaml"
        path.write_text(
            "apiVersion: rollwright.dev/v1alpha1\nkind: Trigger\n"
            f"metadata: {{name: {name}}}\nspec:\n  rollouts: [shop]\n  {field}: {when}\n"
        )
        return path

    return write


def lines(page):
    return page.out.splitlines()


def by_tenant(declare, **spec):
    return declare(
        "tenant", template="'{{ cluster }}'", config=[{"trigger": {}}],
        render={"use": "jinja", "with": {"files": ["*.yaml"]}}, triggers=TENANT, **spec,
    )  # fmt: skip


# ------------------------------------------------------------------ what is looked at


def test_without_a_file_the_whole_site_is_linted(run, declare, a_trigger):
    declare("shop")
    declare("web")
    a_trigger()
    page = run("lint")

    assert (page.code, lines(page)[-1]) == (0, "2 rollouts, 1 trigger: 0 errors, 0 warnings")


def test_a_folder_is_linted_with_all_that_is_in_it(run, declare, a_trigger):
    declare("shop")
    declare("web", onFailure="nonesuch")
    a_trigger(when="nonesuch")
    page = run("lint", "rollouts")

    assert (page.code, lines(page)[-1]) == (2, "2 rollouts, 1 trigger: 2 errors, 0 warnings")


def test_a_trigger_is_counted_as_one(run, declare, a_trigger):
    declare("shop")

    assert lines(run("lint", a_trigger())) == ["1 trigger: 0 errors, 0 warnings"]


def test_a_manifest_may_be_called_as_a_rollout_is(run, declare, tmp_path):
    declare("shop")
    (tmp_path / "rollouts" / "shop" / "src" / "rollout.yaml").write_text(OBJECT.format(name="b"))

    assert lines(run("lint")) == ["1 rollout: 0 errors, 0 warnings"]


def test_without_a_site_and_a_file_there_is_nothing_to_lint(run):
    page = run("lint")

    assert (page.code, "no site.toml here or above" in page.err) == (2, True)


# ------------------------------------------------------------------ names that stand twice


def test_a_trigger_that_stands_in_two_files_is_told_with_both(run, declare, a_trigger):
    declare("shop")
    a_trigger("a")
    a_trigger("b")
    [told, _] = lines(run("lint"))

    assert "rollouts/b.trigger.yaml:3 metadata.name: trigger 'push'" in told
    assert "is declared in rollouts/a.trigger.yaml:3, too" in told


@pytest.mark.parametrize("file", ["a", "b"])
def test_a_double_is_told_whichever_of_both_is_linted(run, declare, a_trigger, file):
    declare("shop")
    files = {"a": a_trigger("a"), "b": a_trigger("b")}
    page = run("lint", files[file])

    assert (page.code, "a.trigger.yaml" in page.out, "b.trigger.yaml" in page.out) == (
        2, True, True,
    )  # fmt: skip


@pytest.mark.parametrize(
    "own", [{"name": "push", "use": "interval"}, {"use": "interval", "name": "a"}, "interval"]
)
def test_own_triggers_of_two_rollouts_are_not_called_the_same(run, declare, a_trigger, own):
    declare("shop", triggers=[own])
    declare("web", triggers=[{"use": "interval", "name": "a"}])
    a_trigger(name="push")
    a_trigger("other", name="shop-interval")

    assert "is declared in" in run("lint").out


def test_two_rollouts_are_not_called_the_same(run, declare, tmp_path):
    text = declare("shop").read_text()
    declare("web")
    (tmp_path / "rollouts" / "web" / "rollout.yaml").write_text(text)
    page = run("lint")

    assert (page.code, "rollout 'shop' is declared in rollouts/shop/rollout.yaml" in page.out) == (
        2, True,
    )  # fmt: skip


# ------------------------------------------------------------------ what is named


@pytest.mark.parametrize(
    ("when", "words"),
    [
        (
            "{use: query, with: {database: mian, query: SELECT 1, key: k}}",
            "spec.when.with.database: no database 'mian' in site.toml; known: main; did you mean",
        ),
        (
            "{use: resource, with: {cluster: prd, mainResource: a, resources: [*a]}}".replace(
                "*a", "{name: a, kind: A, apiVersion: v1}"
            ),
            "spec.when.with.cluster: no cluster 'prd' in site.toml",
        ),
        ("{use: query, with: {file: nowhere.yaml}}", "no file 'nowhere.yaml'"),
    ],
)
def test_what_a_trigger_names_has_to_be_there(run, declare, a_trigger, when, words):
    declare("shop")
    page = run("lint", a_trigger(when=when))

    assert (page.code, words in page.out) == (2, True)


def test_the_cluster_of_a_target_has_to_be_there(run, declare):
    page = run("lint", declare("shop", target={"cluster": "prd", "namespace": "a"}))

    assert (page.code, "spec.target.cluster: no cluster 'prd'" in page.out) == (2, True)


def test_a_mistake_has_the_line_of_its_option(run, declare, a_trigger):
    declare("shop")
    when = "\n    use: resource\n    with:\n      mainResource: a\n      resources:\n"
    file = a_trigger(when=f"{when}      - {{name: a, apiVersion: v1, knid: A}}")

    assert "push.trigger.yaml:11 spec.when.with.resources[0].knid" in run("lint", file).out


def test_a_secret_that_is_not_here_is_a_warning(run, declare, a_trigger, monkeypatch):
    monkeypatch.delenv("HOOK_SECRET", raising=False)
    declare("shop")
    file = a_trigger(when="{use: webhook, with: {type: github, secret: {env: HOOK_SECRET}}}")
    page = run("lint", file)

    assert (page.code, "warning: " in page.out, "HOOK_SECRET is not there" in page.out) == (
        0, True, True,
    )  # fmt: skip


def test_options_of_the_site_itself_are_looked_at(run, declare, tmp_path):
    declare("shop")
    (tmp_path / "site.toml").write_text(f'{DATABASE}hsot = "a"\n[locks.default]\nuse = "leese"\n')
    page = run("lint")

    assert "site.toml:3 databases.main.hsot: unknown option; did you mean 'host'?" in page.out
    assert "site.toml:4 locks.default: no lock 'leese'" in page.out


def test_on_is_read_as_true(run, declare, a_trigger):
    declare("shop")
    page = run("lint", a_trigger(field="on"))

    assert "YAML reads `on` and `yes` as true; write 'when'" in page.out
    assert "spec.when" not in page.out


# ------------------------------------------------------------------ what rendering waits for


def test_a_rollout_that_lives_by_a_trigger_is_no_mistake(run, declare):
    page = run("lint", "--strict", by_tenant(declare))

    assert (page.code, page.out.startswith("note: ")) == (0, True)
    assert "rendering waits for what trigger 'tenant-query' (query) brings" in page.out


def test_what_needs_no_data_is_found_without_it(run, declare):
    page = run("lint", by_tenant(declare, validate=["nonesuch"]))

    assert (page.code, "no validator 'nonesuch'" in page.out) == (2, True)


def test_no_data_mends_a_template_that_is_broken(run, declare, tmp_path):
    file = by_tenant(declare)
    (tmp_path / "rollouts" / "tenant" / "src" / "a.yaml").write_text("a: {{ cluster\n")
    page = run("lint", file)

    assert (page.code, "error: " in page.out, "unexpected end of template" in page.out) == (
        2, True, True,
    )  # fmt: skip


def test_a_trigger_that_brings_nothing_excuses_nothing(run, declare):
    file = by_tenant(declare)
    text = json.loads(file.read_text())
    text["spec"]["triggers"] = ["interval"]
    file.write_text(json.dumps(text))

    assert run("lint", file).code == 2


def test_what_takes_no_values_waits_for_none(run, declare):
    file = declare("tenant", template="", triggers=TENANT)
    page = run("lint", file)

    assert (page.code, "error: " in page.out, "note: " in page.out) == (2, True, False)


def test_holes_that_data_will_fill_are_warnings(run, declare, tmp_path):
    file = by_tenant(declare)
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ cluster | default('') }}'}\n"
    (tmp_path / "rollouts" / "tenant" / "src" / "a.yaml").write_text(text)
    page = run("lint", file)

    assert (page.code, "warning: " in page.out, "note: " in page.out) == (0, True, True)


def test_programs_get_notes(run, declare):
    page = run("lint", by_tenant(declare), "-o", "json")

    assert [one["severity"] for one in json.loads(page.out)["items"]] == ["note"]
