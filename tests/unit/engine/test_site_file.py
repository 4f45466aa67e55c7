"""site.toml: its defaults, its mistakes with their lines, the environment over it."""

from __future__ import annotations

from pathlib import Path

import jsonschema_rs
import pytest

from rollwright.engine.documents import schema_of
from rollwright.engine.site_file import SiteFile, find_site, load_site, parse_site
from rollwright.engine.site_file.lines import key_lines
from rollwright.errors import InvalidSpec, NotFound
from rollwright.rollouts.spec import Use

FULL = """\
[site]
name = "shop"
[clusters.sandbox]
sandbox = true
[clusters.prod]
kubeconfig = "~/.kube/prod"          # context, impersonate, namespaces, qps = none by default
labels = {region = "eu", tier = "prod"}
[stores.default]
use = "cluster"
[locks.default]
use = "etcd"
with = {endpoints = ["127.0.0.1:2379"], ttl = "15s"}
[rollouts]
paths = ["rollouts"]
[plugins]
allow = ["rollwright-*"]
[plugins.actions]
smoke = "tasks/smoke.py:Smoke"
[feedback.team]
use = "webhook"
with = {url = "https://example.org", secret = {env = "TEAM_HOOK_SECRET"}}
"""


def problems_of(text, environ=None):
    with pytest.raises(InvalidSpec) as caught:
        parse_site(text, environ=environ)
    return [str(problem) for problem in caught.value.problems]


# what it means


def test_a_full_site_is_read():
    site = parse_site(FULL)

    assert (
        site.name,
        site.clusters["sandbox"].sandbox,
        site.clusters["prod"].kubeconfig,
        site.clusters["prod"].labels,
        site.locks["default"],
        site.plugins.by_group(),
        site.feedback["team"].options["secret"],
    ) == (
        "shop",
        True,
        "~/.kube/prod",
        {"region": "eu", "tier": "prod"},
        Use(name="etcd", options={"endpoints": ["127.0.0.1:2379"], "ttl": "15s"}),
        {"actions": {"smoke": "tasks/smoke.py:Smoke"}},
        {"env": "TEAM_HOOK_SECRET"},
    )


def test_without_anything_the_defaults_hold():
    assert parse_site("") == SiteFile()


@pytest.mark.parametrize(("table", "plugin"), [("stores", "cluster"), ("locks", "lease")])
def test_a_site_has_a_default_store_and_lock(table, plugin):
    site = parse_site("[stores.archive]\nuse = 'file'\n[locks.shared]\nuse = 'etcd'\n")

    assert getattr(site, table)["default"] == Use(name=plugin)


def test_a_plugin_may_stand_as_its_name():
    assert parse_site("[stores]\ndefault = 'etcd'\n").stores["default"] == Use(name="etcd")


@pytest.mark.parametrize("value", [True, False, "second"])
def test_a_cluster_may_be_a_sandbox_of_any_name(value):
    text = (
        f"[clusters.a]\nsandbox = {str(value).lower() if value in (True, False) else repr(value)}"
    )

    assert parse_site(text).clusters["a"].sandbox == value


# mistakes


def test_every_mistake_is_told_at_once_with_its_line():
    text = """\
[site]
name = "My Shop"
nmae = "x"

[clusters.prod]
kubeconfg = "a"
qps = 0
namespaces = "shop"
sandbox = 5

[plugins]
[plugins.actions]
smoke = "tasks.smoke.Smoke"
[plugins.action]

[locks.default]
use = 7
with = {
}
"""
    text = text.replace("with = {\n}\n", 'with = {password = "hunter2"}\n')

    assert sorted(problems_of(text)) == sorted(
        [
            (
                "site.toml:2 site.name: expected a DNS label (a-z, 0-9 and '-', no '-' at the ends); "
                "got 'My Shop'"
            ),
            "site.toml:3 site.nmae: unknown field; did you mean 'name'?",
            "site.toml:6 clusters.prod.kubeconfg: unknown field; did you mean 'kubeconfig'?",
            "site.toml:7 clusters.prod.qps: must be more than 0; got 0",
            "site.toml:8 clusters.prod.namespaces: expected a list; got 'shop'",
            "site.toml:9 clusters.prod.sandbox: expected true, false or the name of a sandbox; got 5",
            (
                "site.toml:13 plugins.actions.smoke: expected 'folder/file.py:Class', relative to the "
                "site; got 'tasks.smoke.Smoke'"
            ),
            "site.toml:14 plugins.action: unknown field; did you mean 'actions'?",
            "site.toml:17 locks.default.use: expected text; got 7",
            (
                "site.toml:18 locks.default.with.password: a secret is never a value in a document; "
                "write {env: NAME}, {file: PATH} or {block: NAME}"
            ),
        ]
    )


def test_text_that_is_no_toml_is_told_with_its_line():
    assert problems_of("[site]\nname = \n")[0].startswith("site.toml:2: not TOML: ")


def test_an_unknown_table_is_a_mistake():
    assert problems_of("[cluster.prod]\ncontext = 'a'\n") == [
        "site.toml:1 cluster: unknown field; did you mean 'clusters'?"
    ]


def test_a_sandbox_has_no_kubeconfig():
    assert problems_of("[clusters.a]\nsandbox = true\nkubeconfig = 'b'\n") == [
        "site.toml:3 clusters.a.kubeconfig: a sandbox has its own; leave it out"
    ]


@pytest.mark.parametrize("key", ["secret", "password", "token", "apiToken"])
def test_a_secret_is_never_written_out(key):
    text = f"[feedback.team]\nuse = 'webhook'\n[feedback.team.with]\n{key} = 'hunter2'\n"
    [problem] = problems_of(text)

    assert (
        problem.startswith(f"site.toml:4 feedback.team.with.{key}: "),
        "hunter2" in problem,
    ) == (
        True,
        False,
    )


# the environment


def test_the_environment_overrides_a_key():
    environ = {"ROLLWRIGHT_CLUSTERS__PROD__CONTEXT": "blue"}

    assert parse_site(FULL, environ=environ).clusters["prod"].context == "blue"


@pytest.mark.parametrize(
    ("variable", "value", "read"),
    [
        ("ROLLWRIGHT_SITE__NAME", "other", lambda site: site.site.name == "other"),
        ("ROLLWRIGHT_SITE__NAME", "123", lambda site: site.site.name == "123"),
        ("ROLLWRIGHT_SITE__NAME", '"123"', lambda site: site.site.name == "123"),
        ("ROLLWRIGHT_CLUSTERS__PROD__QPS", "12.5", lambda site: site.clusters["prod"].qps == 12.5),
        (
            "ROLLWRIGHT_CLUSTERS__PROD__NAMESPACES",
            '["a", "b"]',
            lambda site: site.clusters["prod"].namespaces == ("a", "b"),
        ),
        (
            "ROLLWRIGHT_CLUSTERS__PROD__LABELS__REGION",
            "us",
            lambda site: site.clusters["prod"].labels["region"] == "us",
        ),
        (
            "ROLLWRIGHT_CLUSTERS__NEXT__SANDBOX",
            "true",
            lambda site: site.clusters["next"].sandbox is True,
        ),
        (
            "ROLLWRIGHT_CLUSTERS__NEXT__SANDBOX",
            "second",
            lambda site: site.clusters["next"].sandbox == "second",
        ),
        (
            "ROLLWRIGHT_LOCKS__DEFAULT__WITH__TTL",
            "30s",
            lambda site: site.locks["default"].options["ttl"] == "30s",
        ),
        (
            "ROLLWRIGHT_LOCKS__DEFAULT__WITH__KEY_PREFIX",
            "/a",
            lambda site: site.locks["default"].options["keyPrefix"] == "/a",
        ),
        (
            "ROLLWRIGHT_LOCKS__DEFAULT__WITH__RETRIES",
            "3",
            lambda site: site.locks["default"].options["retries"] == 3,
        ),
        (
            "ROLLWRIGHT_FEEDBACK__TEAM__WITH__LIMITS__PER_HOUR",
            "5",
            lambda site: site.feedback["team"].options["limits"] == {"perHour": 5},
        ),
        (
            "ROLLWRIGHT_FEEDBACK__TEAM__WITH__SECRET__ENV",
            "OTHER",
            lambda site: site.feedback["team"].options["secret"] == {"env": "OTHER"},
        ),
        ("ROLLWRIGHT_STORES__DEFAULT", "file", lambda site: site.stores["default"].name == "file"),
        (
            "ROLLWRIGHT_LOCKS__DEFAULT",
            '{use = "file", with = {path = "a"}}',
            lambda site: site.locks["default"].options == {"path": "a"},
        ),
        ("ROLLWRIGHT_PLUGINS__ALLOW", "[]", lambda site: site.plugins.allow == ()),
        ("rollwright_site__name", "no", lambda site: site.site.name == "shop"),
    ],
)
def test_a_variable_is_read_as_its_key_wants(variable, value, read):
    assert read(parse_site(FULL, environ={variable: value}))


@pytest.mark.parametrize("name", ["prod-eu", "prod_eu", "Prod-EU", "prodEu"])
def test_a_variable_finds_a_key_whatever_its_spelling(name):
    environ = {"ROLLWRIGHT_CLUSTERS__PROD_EU__CONTEXT": "blue"}
    site = parse_site(f"[clusters.{name}]\nqps = 5\n", environ=environ)

    assert {name: one.context for name, one in site.clusters.items()} == {name: "blue"}


def test_options_come_to_a_plugin_that_stands_as_its_name():
    environ = {"ROLLWRIGHT_STORES__DEFAULT__WITH__PATH": "state"}

    assert parse_site("[stores]\ndefault = 'file'\n", environ=environ).stores["default"] == Use(
        name="file", options={"path": "state"}
    )


def test_options_come_to_the_default_plugin():
    environ = {"ROLLWRIGHT_LOCKS__DEFAULT__WITH__NAMESPACE": "locks"}

    assert parse_site("", environ=environ).locks["default"] == Use(
        name="lease", options={"namespace": "locks"}
    )


def test_a_whole_table_is_laid_before_its_keys():
    environ = {
        "ROLLWRIGHT_CLUSTERS__A__CONTEXT": "blue",
        "ROLLWRIGHT_CLUSTERS": "{a = {qps = 5}}",
    }

    assert parse_site(FULL, environ=environ).clusters["a"].context == "blue"


@pytest.mark.parametrize(
    "variable",
    [
        "ROLLWRIGHT_SITE",
        "ROLLWRIGHT_HELM",
        "ROLLWRIGHT_KUBECTL",
        "ROLLWRIGHT_TEST_CLUSTER",
        "ROLLWRIGHT_SANDBOX",
        "ROLLWRIGHT_SANDBOX_ASSETS",
        "OTHER_SITE__NAME",
        "XROLLWRIGHT_SITE__NAME",
    ],
)
def test_variables_with_another_meaning_are_left_alone(variable):
    assert parse_site(FULL, environ={variable: "nonsense"}) == parse_site(FULL)


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("ROLLWRIGHT_CLUSTER__A__QPS", "no site key 'cluster'; did you mean 'clusters'?"),
        ("ROLLWRIGHT_CLUSTERS__PROD__CONTXT", "no site key 'contxt'; did you mean 'context'?"),
        ("ROLLWRIGHT_FROBNICATE", "no site key 'frobnicate'"),
        ("ROLLWRIGHT_SITE__NAME__MORE", "no site key 'more'"),
        ("ROLLWRIGHT_CLUSTERS____QPS", "no site key ''"),
    ],
)
def test_a_variable_that_means_no_key_is_a_mistake(variable, message):
    assert problems_of(FULL, {variable: "5"}) == [f"{variable}: {message}"]


def test_a_bad_value_names_its_variable():
    assert problems_of(FULL, {"ROLLWRIGHT_CLUSTERS__PROD__QPS": "many"}) == [
        "ROLLWRIGHT_CLUSTERS__PROD__QPS clusters.prod.qps: expected a number; got 'many'"
    ]


def test_mistakes_of_file_and_environment_are_told_together():
    told = problems_of("[site]\nnmae = 'x'\n", {"ROLLWRIGHT_A": "1", "ROLLWRIGHT_SITE__NAME": "A"})

    assert [line.split(":")[0] for line in told] == [
        "ROLLWRIGHT_A",
        "ROLLWRIGHT_SITE__NAME site.name",
        "site.toml",
    ]


def test_a_secret_from_a_variable_is_never_shown():
    environ = {"ROLLWRIGHT_FEEDBACK__TEAM__WITH__SECRET": "hunter2"}

    assert "hunter2" not in "".join(problems_of(FULL, environ))


def test_a_variable_cannot_bring_further_keys():
    environ = {"ROLLWRIGHT_CLUSTERS__PROD__CONTEXT": '"a"\nother = 1'}

    assert parse_site(FULL, environ=environ).clusters["prod"].context == '"a"\nother = 1'


# where it stands


def a_site(folder, text=""):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.toml").write_text(text)
    return folder / "site.toml"


def test_the_nearest_site_above_a_document_is_its_site(tmp_path):
    a_site(tmp_path)
    near = a_site(tmp_path / "a/deployments")
    (tmp_path / "a/rollouts/web").mkdir(parents=True)

    assert find_site(tmp_path / "a/rollouts/web/rollout.yaml", {}) == near


def test_deployments_comes_before_the_folder_itself(tmp_path):
    a_site(tmp_path)
    inner = a_site(tmp_path / "deployments")

    assert find_site(tmp_path, {}) == inner


def test_a_named_site_wins(tmp_path):
    a_site(tmp_path)
    other = a_site(tmp_path / "other")

    assert find_site(tmp_path, {"ROLLWRIGHT_SITE": str(other)}) == other


def test_a_named_folder_is_searched_for_its_site(tmp_path):
    other = a_site(tmp_path / "other/deployments")

    assert find_site(tmp_path, {"ROLLWRIGHT_SITE": str(tmp_path / "other")}) == other


def test_a_named_site_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(NotFound, match="no site file"):
        find_site(tmp_path, {"ROLLWRIGHT_SITE": str(tmp_path / "none.toml")})


@pytest.mark.parametrize(("folder", "root"), [("deployments", "."), ("conf", "conf")])
def test_paths_of_a_site_start_at_its_root(tmp_path, folder, root):
    site = load_site(a_site(tmp_path / folder), environ={})

    assert site.resolve("tasks/smoke.py") == tmp_path / root / "tasks/smoke.py"


def test_a_home_folder_is_filled_in(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")

    assert load_site(None, environ={}, start=tmp_path).resolve("~/.kube/prod") == Path(
        "/home/someone/.kube/prod"
    )


def test_without_a_site_the_environment_still_counts(tmp_path):
    site = load_site(None, environ={"ROLLWRIGHT_SITE__NAME": "lab"}, start=tmp_path)

    assert (site.file.name, site.path, site.root) == ("lab", None, tmp_path)


def test_mistakes_name_the_file(tmp_path):
    path = a_site(tmp_path, "[site]\nnmae = 'x'\n")

    with pytest.raises(InvalidSpec, match=r"site\.toml:2 site\.nmae"):
        load_site(path, environ={})


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFound, match="cannot read site file"):
        load_site(tmp_path / "site.toml", environ={})


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "site.toml").write_bytes(b"\xff\xfe")

    with pytest.raises(InvalidSpec, match="not UTF-8"):
        load_site(tmp_path / "site.toml", environ={})


# its lines and its schema


def test_lines_are_found_through_every_form_of_toml():
    text = '''\
# [not.this]
[a."b.c"]
x = """
y = 1
"""
z = [
  "]", # ]
  { k = 1 },
]
d.e = 1
[[f]]
g = '#'
'''

    assert {key: line for key, line in key_lines(text).items() if len(key) != 1} == {
        ("a", "b.c"): 2,
        ("a", "b.c", "x"): 3,
        ("a", "b.c", "z"): 6,
        ("a", "b.c", "d"): 10,
        ("a", "b.c", "d", "e"): 10,
        ("f", "g"): 12,
    }


def test_the_schema_describes_a_full_site():
    import tomllib

    assert jsonschema_rs.is_valid(schema_of("Site"), tomllib.loads(FULL))


@pytest.mark.parametrize(
    "site",
    [
        {"cluster": {}},
        {"clusters": {"a": {"qps": "many"}}},
        {"clusters": {"a": {"sandbox": 5}}},
        {"plugins": {"actions": {"smoke": "tasks.smoke"}}},
        {"locks": {"default": {"with": {}}}},
    ],
)
def test_the_schema_refuses_a_bad_site(site):
    assert not jsonschema_rs.is_valid(schema_of("Site"), site)


def test_every_field_of_a_site_is_described():
    schema = schema_of("site")
    sections = {"": schema, **schema["$defs"]}

    assert [
        f"{name}.{field}"
        for name, section in sections.items()
        for field, form in section.get("properties", {}).items()
        if not form["description"]
    ] == []


def test_only_known_kinds_have_a_schema():
    with pytest.raises(NotFound, match="no schema of kind 'Pod'; known: Rollout, Trigger, Site"):
        schema_of("Pod")


@pytest.mark.parametrize(
    ("link", "is_taken"),
    [
        ("https://ci.example/{rollout}/{run}?c={cluster}", True),
        ("http://{cluster}.example/", True),
        ("https://ci.example/{runs}", False),
        ("javascript:alert(1)", False),
        ("ci.example/{run}", False),
    ],
)
def test_the_page_of_a_run_is_an_address_with_names_that_there_are(link, is_taken):
    try:
        taken = SiteFile.model_validate({"site": {"link": link}}).site.link == link
    except ValueError:
        taken = False

    assert taken is is_taken
