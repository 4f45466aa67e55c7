from __future__ import annotations

import os
from pathlib import Path

import pytest

from rollwright.errors import RenderError
from rollwright.plugins import tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "b" / "c").mkdir(parents=True)
    (root / ".git").mkdir()
    for name in ("a.yaml", "b/one.yaml", "b/c/two.yaml", "b.yaml", ".git/config", ".hidden.yaml"):
        (root / name).write_text(name)
    (tmp_path / "outside.yaml").write_text("secret")
    return root


def names(root: Path, start: Path | None = None, **how: bool) -> list[str]:
    return [tree.name_in(root, one) for one in tree.files(root, start or root, **how)]


def test_files_come_in_the_order_of_their_paths_without_hidden_ones(root: Path) -> None:
    assert names(root) == ["a.yaml", "b/c/two.yaml", "b/one.yaml", "b.yaml"]


def test_folders_in_folders_can_be_left_out(root: Path) -> None:
    assert names(root, recurse=False) == ["a.yaml", "b.yaml"]


def test_a_single_file_is_a_tree(root: Path) -> None:
    assert names(root / "a.yaml") == ["a.yaml"]


@pytest.mark.parametrize(
    "path", ["..", "../outside.yaml", "b/../../outside.yaml", "/etc/passwd", "../nothing"]
)
def test_a_path_that_leads_out_is_refused(root: Path, path: str) -> None:
    with pytest.raises(RenderError, match="leads out of the source"):
        tree.inside(root, path)


@pytest.mark.parametrize("path", ["nothing.yaml", "a.yaml/b", "loop", "b/nothing"])
def test_a_path_to_nothing_is_told(root: Path, path: str) -> None:
    (root / "loop").symlink_to("loop")

    with pytest.raises(RenderError, match="is not in the source"):
        tree.inside(root, path)


def test_a_path_with_a_zero_byte_is_refused(root: Path) -> None:
    with pytest.raises(RenderError):
        tree.inside(root, "a\0b")


def test_a_path_may_go_up_within_the_tree(root: Path) -> None:
    assert tree.inside(root, "b/c/../../a.yaml") == (root / "a.yaml").resolve()


def test_a_path_through_a_link_that_leads_out_is_refused(root: Path) -> None:
    (root / "way").symlink_to("..")

    with pytest.raises(RenderError, match="leads out of the source"):
        tree.inside(root, "way/outside.yaml")


@pytest.mark.parametrize("target", ["../outside.yaml", "/etc/passwd", ".."])
def test_a_link_out_of_the_tree_is_refused(root: Path, target: str) -> None:
    (root / "b" / "link.yaml").symlink_to(root.parent / target if target == ".." else root / target)

    with pytest.raises(RenderError, match=r"b/link\.yaml is a link that leads out"):
        names(root)


def test_a_link_to_nothing_is_refused(root: Path) -> None:
    (root / "link.yaml").symlink_to("nothing")

    with pytest.raises(RenderError, match="link to nothing"):
        names(root)


def test_a_link_to_a_file_of_the_tree_counts(root: Path) -> None:
    (root / "link.yaml").symlink_to("a.yaml")

    assert "link.yaml" in names(root)


def test_a_link_to_a_folder_of_the_tree_is_not_followed(root: Path) -> None:
    (root / "again").symlink_to("b")
    (root / "b" / "loop").symlink_to("..")

    assert names(root) == ["a.yaml", "b/c/two.yaml", "b/one.yaml", "b.yaml"]


def test_a_pipe_is_refused_instead_of_waited_for(root: Path) -> None:
    os.mkfifo(root / "pipe.yaml")

    with pytest.raises(RenderError, match=r"pipe\.yaml is neither a file nor a folder"):
        names(root)


def test_links_are_told_with_what_they_lead_to(root: Path) -> None:
    (root / "current").symlink_to("b/c")
    (root / "b" / "whole.yaml").symlink_to(root / "a.yaml")
    (root / ".next").symlink_to("b")
    (root / ".away").symlink_to("/nowhere")
    (root / ".git" / "link").symlink_to("config")

    assert dict(tree.links(root)) == {
        ".away": "/nowhere",
        ".next": "b",
        "current": "b/c",
        "b/whole.yaml": "a.yaml",
    }


def test_a_name_that_is_no_text_is_refused(root: Path) -> None:
    (root / os.fsdecode(b"\xff.yaml")).touch()

    with pytest.raises(RenderError, match=r"not UTF-8: \\xff\.yaml"):
        names(root)
