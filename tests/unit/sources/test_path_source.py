from __future__ import annotations

from pathlib import Path as Folder

import pytest

from rollwright.errors import RenderError
from rollwright.plugins.contracts import Checkout, FetchRequest
from rollwright.sources import path as module
from rollwright.sources.path import Path


@pytest.fixture
def shop(tmp_path: Folder) -> Folder:
    (tmp_path / "shop" / "jobs").mkdir(parents=True)
    (tmp_path / "shop" / "web.yaml").write_text("a: 1\n")
    (tmp_path / "shop" / "jobs" / "migrate.yaml").write_text("b: 2\n")
    return tmp_path / "shop"


async def fetch(shop: Folder, path: str = "shop", revision: str = "") -> Checkout:
    request = FetchRequest(base=shop.parent, revision=revision)
    return await Path(path=path).fetch(request)


async def test_a_folder_is_found_relative_to_the_document(shop: Folder) -> None:
    assert (await fetch(shop)).root == shop.resolve()


async def test_a_folder_beside_the_document_s_own_is_found(shop: Folder) -> None:
    request = FetchRequest(base=shop / "jobs")

    assert (await Path(path="../../shop").fetch(request)).root == shop.resolve()


async def test_an_absolute_path_is_found(shop: Folder) -> None:
    assert (await fetch(shop, str(shop))).root == shop.resolve()


async def test_a_file_is_a_tree_of_its_own(shop: Folder) -> None:
    assert (await fetch(shop, "shop/web.yaml")).root == (shop / "web.yaml").resolve()


async def test_the_revision_is_a_digest(shop: Folder) -> None:
    name, _, digest = (await fetch(shop)).revision.partition("@sha256:")

    assert name == "path"
    assert len(digest) == 64


@pytest.mark.parametrize(
    "change",
    [
        lambda shop: (shop / "web.yaml").write_text("a: 2\n"),
        lambda shop: (shop / "web.yaml").rename(shop / "site.yaml"),
        lambda shop: (shop / "web.yaml").rename(shop / "jobs" / "web.yaml"),
        lambda shop: (shop / "empty.txt").write_text(""),
        lambda shop: (shop / "web.yaml").unlink(),
    ],
    ids=["contents", "name", "folder", "new", "gone"],
)
async def test_any_change_changes_the_revision(shop: Folder, change) -> None:
    before = (await fetch(shop)).revision
    change(shop)

    assert (await fetch(shop)).revision != before


async def test_a_link_that_leads_to_another_folder_changes_the_revision(shop: Folder) -> None:
    (shop / "current").symlink_to("jobs")
    before = (await fetch(shop)).revision
    (shop / "current").unlink()
    (shop / "current").symlink_to(".")

    assert (await fetch(shop)).revision != before


async def test_the_revision_does_not_depend_on_where_the_folder_stands(
    shop: Folder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = (await fetch(shop)).revision
    elsewhere = shop.rename(tmp_path_factory.mktemp("elsewhere") / "store")

    assert (await fetch(elsewhere, "store")).revision == before


async def test_hidden_files_do_not_count(shop: Folder) -> None:
    before = (await fetch(shop)).revision
    (shop / ".git").mkdir()
    (shop / ".git" / "HEAD").write_text("ref")

    assert (await fetch(shop)).revision == before


async def test_nothing_there_says_where_it_was_looked_for(shop: Folder) -> None:
    with pytest.raises(RenderError) as caught:
        await fetch(shop, "shops")

    assert caught.value.message == "no such folder or file: 'shops'"
    assert str(shop.parent) in str(caught.value.hint)


async def test_a_path_with_a_zero_byte_is_an_error(shop: Folder) -> None:
    with pytest.raises(RenderError):
        await fetch(shop, "shop\0")


async def test_a_link_out_of_the_folder_is_refused(shop: Folder) -> None:
    (shop / "passwd.yaml").symlink_to("/etc/passwd")

    with pytest.raises(RenderError, match="leads out of the source"):
        await fetch(shop)


async def test_the_present_revision_can_be_asked_for(shop: Folder) -> None:
    revision = (await fetch(shop)).revision

    assert (await fetch(shop, revision=revision)).revision == revision


async def test_another_revision_cannot_be_had(shop: Folder) -> None:
    with pytest.raises(RenderError, match="not at path@sha256:00"):
        await fetch(shop, revision="path@sha256:00")


async def test_too_many_files_are_refused(shop: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILES", 1)

    with pytest.raises(RenderError, match="too large"):
        await fetch(shop)


async def test_too_many_bytes_are_refused(shop: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 6)

    with pytest.raises(RenderError, match="too large"):
        await fetch(shop)
