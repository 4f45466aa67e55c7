from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from rollwright.errors import InvalidSpec, PluginNotFound
from rollwright.plugins.registry import GROUPS, Registry
from rollwright.renderers.plain import Plain

SMOKE = """
    from __future__ import annotations
    from pydantic import BaseModel, ConfigDict

    class Smoke(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        url: str
        tries: int = 3

        async def run(self, request):
            return None

    class Nothing:
        pass
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "smoke.py").write_text(dedent(SMOKE))
    return tmp_path


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution with two plugins, as an installer leaves it."""
    home = tmp_path / "lib"
    info = home / "Rollwright_Extra-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Rollwright_Extra\nVersion: 1.2\n")
    points = (
        "[rollwright.renderers]\nextra = rollwright_extra:Extra\nplain = rollwright_extra:Extra\n"
    )
    (info / "entry_points.txt").write_text(points)
    body = "class Extra:\n    async def render(self, request):\n        return None\n"
    (home / "rollwright_extra.py").write_text(body)
    monkeypatch.syspath_prepend(str(home))
    return info


def with_file(site: Path, where: str, name: str = "smoke") -> Registry:
    return Registry(site=site, files={"actions": {name: where}})


def test_a_builtin_is_found_by_name() -> None:
    assert Registry().find("renderers", "plain") is Plain


def test_options_are_validated_and_kept() -> None:
    assert Registry().build("renderers", "plain", {"paths": ["a"]}) == Plain(paths=("a",))


def test_a_plugin_without_options_has_its_defaults() -> None:
    assert Registry().build("renderers", "plain") == Plain()


def test_an_unknown_name_tells_the_known_ones() -> None:
    with pytest.raises(PluginNotFound) as caught:
        Registry().find("renderers", "plan")

    assert caught.value.message.startswith("no renderer 'plan'; known: ")
    assert ", kustomize, plain" in caught.value.message
    assert caught.value.hint == "did you mean 'plain'?"


def test_an_unknown_group_is_not_found() -> None:
    with pytest.raises(PluginNotFound, match="no group 'renderer'"):
        Registry().find("renderer", "plain")


@pytest.mark.parametrize("name", ["os:system", "rollwright.renderers.plain:Plain", "", "../plain"])
def test_a_document_cannot_name_an_import(name: str) -> None:
    with pytest.raises(PluginNotFound):
        Registry().build("renderers", name, {})


def test_every_wrong_option_is_told_at_once() -> None:
    given = {"recurs": True, "exclude": [1], "paths": "x"}

    with pytest.raises(InvalidSpec) as caught:
        Registry().build("renderers", "plain", given, where="web.yaml:4", path="spec.render.with")

    assert [(one.where, one.path) for one in caught.value.problems] == [
        ("web.yaml:4", "spec.render.with.exclude[0]"),
        ("web.yaml:4", "spec.render.with.paths"),
        ("web.yaml:4", "spec.render.with.recurs"),
    ]
    assert caught.value.problems[2].message == "unknown option; did you mean 'recurse'?"


@pytest.mark.parametrize(
    ("group", "name", "given", "told"),
    [
        ("renderers", "helm", {"value": {}}, "with.value: unknown option; did you mean 'values'?"),
        ("renderers", "helm", {"includeCrds": True}, "did you mean 'includeCRDs'?"),
        ("renderers", "helm", {"release_nam": "x"}, "did you mean 'releaseName'?"),
        ("transformers", "images", {"images": [{"nam": "a"}]}, "did you mean 'name'?"),
        ("transformers", "namespace", {"zzz": 1}, "with.zzz: unknown option"),
        ("stores", "file", {"paht": "x"}, "did you mean 'path'?"),
        ("actions", "Job", {"timeuot": "1s"}, "did you mean 'timeout'?"),
    ],
)
def test_an_unknown_option_names_the_one_that_was_meant(group, name, given, told) -> None:
    with pytest.raises(InvalidSpec) as caught:
        Registry().build(group, name, given)

    assert any(str(one).endswith(told) for one in caught.value.problems), caught.value


def test_an_option_that_was_misspelled_is_not_missing_as_well() -> None:
    with pytest.raises(InvalidSpec) as caught:
        Registry().build("sources", "git", {"urll": "x"})

    assert [one.path for one in caught.value.problems] == ["with.urll"]


def test_a_wrong_option_is_not_quoted() -> None:
    with pytest.raises(InvalidSpec) as caught:
        Registry().build("renderers", "plain", {"paths": "hunter2"})

    assert "hunter2" not in str(caught.value)


def test_nothing_is_imported_before_it_is_used() -> None:
    code = dedent("""
        import sys
        from rollwright.plugins.registry import Registry
        Registry()
        names = ("rollwright.renderers", "rollwright.sources", "pydantic", "yaml", "jsonschema_rs")
        print([name for name in names if name in sys.modules])
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_listing_imports_no_plugin() -> None:
    code = dedent("""
        import sys
        from rollwright.plugins.registry import Registry
        assert Registry().listing()
        print([name for name in ("rollwright.renderers.plain", "pydantic") if name in sys.modules])
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_every_listed_plugin_of_our_packages_loads_and_has_a_schema() -> None:
    ours = {"sources", "renderers", "transformers", "validators"}
    listed = [one for one in Registry().listing() if one.group in ours]

    assert {one.group for one in listed} == ours
    assert all(one.schema()["type"] == "object" for one in listed)


def test_listing_says_where_a_builtin_comes_from() -> None:
    plain = next(one for one in Registry().listing() if one.name == "plain")

    assert (plain.group, plain.where) == ("renderers", "rollwright.renderers.plain:Plain")
    assert plain.distribution == "rollwright"
    assert plain.version


def test_listing_is_in_the_order_of_groups() -> None:
    groups = [one.group for one in Registry().listing()]

    assert groups == sorted(groups, key=GROUPS.index)


def test_a_file_of_the_site_brings_a_plugin(site: Path) -> None:
    plugin = with_file(site, "tasks/smoke.py:Smoke").build("actions", "smoke", {"url": "x"})

    assert (plugin.url, plugin.tries) == ("x", 3)


def test_two_registries_share_the_type_of_a_file(site: Path) -> None:
    first, second = (with_file(site, "tasks/smoke.py:Smoke") for _ in range(2))

    assert first.find("actions", "smoke") is second.find("actions", "smoke")


def test_a_changed_file_is_loaded_anew(site: Path) -> None:
    before = with_file(site, "tasks/smoke.py:Smoke").find("actions", "smoke")
    (site / "tasks" / "smoke.py").write_text(
        dedent(SMOKE).replace("tries: int = 3", "tries: int = 5")
    )
    after = with_file(site, "tasks/smoke.py:Smoke").find("actions", "smoke")

    assert (before(url="x").tries, after(url="x").tries) == (3, 5)


def test_a_file_of_the_site_is_listed_without_a_distribution(site: Path) -> None:
    listed = with_file(site, "tasks/smoke.py:Smoke").listing()

    smoke = next(one for one in listed if one.name == "smoke")
    assert (smoke.group, smoke.where, smoke.distribution) == ("actions", "tasks/smoke.py:Smoke", "")


@pytest.mark.parametrize(
    "where",
    [
        "/etc/smoke.py:Smoke",
        "../smoke.py:Smoke",
        "tasks/../../smoke.py:Smoke",
        "tasks/smoke.py",
        "tasks.smoke:Smoke",
        "tasks/smoke.py:not a name",
        "os:system",
        "",
        7,
    ],
)
def test_a_place_outside_of_the_site_is_refused_at_once(site: Path, where: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        with_file(site, where)

    assert caught.value.problems[0].path == "plugins.actions.smoke"
    assert caught.value.problems[0].where == "site.toml"


def test_a_link_out_of_the_site_is_refused(
    site: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "evil.py"
    outside.write_text("raise SystemExit('ran')\n")
    (site / "tasks" / "evil.py").symlink_to(outside)

    with pytest.raises(InvalidSpec, match="leads out of the site"):
        with_file(site, "tasks/evil.py:Evil").find("actions", "smoke")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("raise RuntimeError('no')\n", "RuntimeError: no"),
        ("x = 1\n", "AttributeError"),
        (None, "FileNotFoundError"),
    ],
)
def test_a_file_that_cannot_be_loaded_says_why(site: Path, text: str | None, why: str) -> None:
    if text is not None:
        (site / "tasks" / "other.py").write_text(text)

    with pytest.raises(InvalidSpec, match=why):
        with_file(site, "tasks/other.py:Other").find("actions", "smoke")


def test_a_class_without_the_method_of_its_kind_is_refused(site: Path) -> None:
    with pytest.raises(InvalidSpec, match="is not a class with a method run"):
        with_file(site, "tasks/smoke.py:Nothing").find("actions", "smoke")


def test_a_wrong_group_in_the_site_is_told_with_a_suggestion(site: Path) -> None:
    with pytest.raises(InvalidSpec, match="no such kind of plugin; did you mean 'actions'"):
        Registry(site=site, files={"action": {"smoke": "tasks/smoke.py:Smoke"}})


def test_a_name_that_is_no_name_is_refused(site: Path) -> None:
    with pytest.raises(InvalidSpec, match="not a name"):
        with_file(site, "tasks/smoke.py:Smoke", name="a b")


def test_a_name_that_stands_twice_names_both_places(site: Path) -> None:
    registry = Registry(site=site, files={"renderers": {"plain": "tasks/smoke.py:Smoke"}})

    with pytest.raises(InvalidSpec) as caught:
        registry.find("renderers", "kustomize")

    message = caught.value.problems[0].message
    assert "rollwright.renderers.plain:Plain" in message
    assert "tasks/smoke.py:Smoke" in message


def test_an_entry_point_of_an_unknown_distribution_does_not_count(installed: Path) -> None:
    with pytest.raises(PluginNotFound) as caught:
        Registry().find("renderers", "extra")

    assert caught.value.hint == "Rollwright_Extra has it: add it to [plugins] allow"


@pytest.mark.parametrize("glob", ["rollwright-*", "Rollwright_Extra", "rollwright.extra"])
def test_an_entry_point_of_an_allowed_distribution_counts(installed: Path, glob: str) -> None:
    points = installed / "entry_points.txt"
    points.write_text("[rollwright.renderers]\nextra = rollwright_extra:Extra\n")
    registry = Registry(allow=[glob])

    extra = next(one for one in registry.listing() if one.name == "extra")
    assert registry.find("renderers", "extra").__name__ == "Extra"
    assert (extra.where, extra.version) == ("rollwright_extra:Extra", "1.2")


def test_an_entry_point_with_the_name_of_a_builtin_is_an_error(installed: Path) -> None:
    with pytest.raises(InvalidSpec, match=r"registered twice.*Rollwright_Extra 1\.2"):
        Registry(allow=["rollwright-*"]).find("renderers", "extra")
