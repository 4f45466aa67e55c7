"""TR-08: which pushes and changes concern a rollout."""

from __future__ import annotations

import pytest

from rollwright.plugins.contracts import Push
from rollwright.sources.git.changes import folders_read, is_about, may_read

URL = "https://github.com/shop/web"


@pytest.mark.parametrize(
    ("ref", "pushed", "expected"),
    [
        ("main", "refs/heads/main", True),
        ("main", "refs/tags/main", True),
        ("main", "refs/heads/main2", False),
        ("refs/heads/main", "refs/heads/main", True),
        ("refs/heads/main", "refs/tags/main", False),
        ("", "refs/heads/trunk", True),
        ("", "refs/heads/main", False),
        ("a" * 40, "refs/heads/main", False),
        ("main", "", True),
    ],
)
def test_a_push_moves_what_the_source_names(ref, pushed, expected):
    push = Push(urls=(f"{URL}.git",), ref=pushed, default_branch="trunk")

    assert is_about(push, URL, ref) is expected


@pytest.mark.parametrize(
    ("push", "expected"),
    [
        (Push(), True),
        (Push(repository="shop/web"), True),
        (Push(repository="Shop/Web"), True),
        (Push(repository="web"), True),
        (Push(repository="eb"), False),
        (Push(repository="other/web"), False),
        (Push(urls=("git@github.com:shop/web.git",), repository="other"), True),
        (Push(urls=("https://github.com/other/web",), repository="shop/web"), False),
    ],
)
def test_a_push_names_the_repository(push, expected):
    assert is_about(push, URL, "") is expected


def put(top, **files):
    for name, content in files.items():
        path = top / name.replace("__", "/").replace("_yaml", ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_a_rollout_reads_its_own_folder(tmp_path):
    put(tmp_path, apps__web__a_yaml="kind: X", apps__db__a_yaml="kind: X")

    assert folders_read(tmp_path, "apps/web", ()) == ("apps/web",)


def test_it_reads_what_files_name_outside_and_what_those_name(tmp_path):
    put(
        tmp_path,
        apps__web__prod__k_yaml="resources: [../base]\n",
        apps__web__base__k_yaml="resources:\n- ../../../lib/net/a.yaml\n",
        lib__net__a_yaml="kind: X",
    )

    assert {"apps/web/base", "apps/web/prod", "lib/net/a.yaml"} <= set(
        folders_read(tmp_path, "apps/web/prod", ()) or ()
    )


@pytest.mark.parametrize("text", ["- ../..", "x: ../../..", "a: ../../../../x"])
def test_what_names_the_top_or_beyond_reads_everything(tmp_path, text):
    put(tmp_path, apps__web__k_yaml=text)

    assert folders_read(tmp_path, "apps/web", ()) is None


def test_the_document_may_name_files_beside(tmp_path):
    put(tmp_path, apps__web__k_yaml="", values__a_yaml="")

    assert folders_read(tmp_path, "apps/web", ("values/a.yaml",)) == ("apps/web", "values/a.yaml")


def test_where_nothing_is_kept_it_may_read_everything():
    assert folders_read(None, "apps/web", ()) is None
    assert may_read(("x",), None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("apps/web/a", True), ("apps/web", True), ("apps/web2/a", False), ("apps", False)],
)
def test_a_file_lies_below_a_folder(name, expected):
    assert may_read((name,), ("apps/web",)) is expected
