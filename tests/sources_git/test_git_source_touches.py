"""TR-08: whether a rollout may read what changed between two commits; TR-04: no contents fetched."""

from __future__ import annotations

import pytest

from rollwright.errors import RenderError
from rollwright.plugins.contracts import Push


@pytest.fixture
def touches(make, request_of):
    async def touches(old, new, *, paths=(), **options):
        source = make(**options)
        return await source.touches(request_of(paths=paths), f"main@sha1:{old}", f"main@sha1:{new}")

    return touches


@pytest.fixture
def commits(repository):
    """Three commits: a beginning, one that changes the web, one that changes a document."""
    files = {"apps/web/a.yaml": b"x: 1", "apps/db/a.yaml": b"x: 1", "docs/a.md": b"1"}
    first = repository.commit(files)
    second = repository.commit({**files, "apps/web/a.yaml": b"x: 2"})
    third = repository.commit({**files, "apps/web/a.yaml": b"x: 2", "docs/a.md": b"2"})
    return first, second, third


async def test_only_who_reads_what_changed_is_touched(commits, fetch, touches):
    first, second, third = commits
    await fetch(f"main@sha1:{first}", path="apps/web")

    assert await touches(first, second, path="apps/web")
    assert not await touches(first, second, path="apps/db")
    assert not await touches(second, third, path="apps/db")
    assert await touches(first, third)


async def test_where_no_files_are_kept_it_may_read_everything(commits, touches):
    first, second, _ = commits

    assert await touches(first, second, path="apps/db")


async def test_globs_count_instead(commits, touches):
    first, second, third = commits

    assert await touches(second, third, path="apps/web", paths=("docs/*",))
    assert not await touches(first, second, path="apps/web", paths=("docs/*",))


async def test_the_same_contents_touch_nobody(repository, commits, touches):
    files = {"apps/web/a.yaml": b"x: 2", "apps/db/a.yaml": b"x: 1", "docs/a.md": b"2"}

    assert not await touches(commits[2], repository.commit(files))


async def test_a_commit_that_is_gone_is_told(commits, touches):
    with pytest.raises(RenderError):
        await touches("e" * 40, commits[0])


async def test_a_revision_that_is_none_is_told(commits, make, request_of):
    with pytest.raises(RenderError, match="no revision"):
        await make().touches(request_of(), "main@sha1:--output=x", f"main@sha1:{commits[0]}")


async def test_a_removed_and_a_renamed_file_count(repository, fetch, touches):
    old = repository.commit({"apps/web/a.yaml": b"x: 1", "lib/b.yaml": b"same content"})
    new = repository.commit({"apps/web/a.yaml": b"x: 1", "apps/web/b.yaml": b"same content"})
    gone = repository.commit({"apps/web/b.yaml": b"same content"})
    await fetch(f"main@sha1:{old}", path="apps/web")

    assert await touches(old, new, path="apps/web")
    assert await touches(new, gone, path="apps/web")


async def test_a_push_is_judged_by_what_is_kept(commits, fetch, make, request_of, repository):
    first, second, _ = commits
    source = make(path="apps/db", ref="main")
    push = Push(
        urls=(repository.url,), ref="refs/heads/main", old=first, new=second,
        changed=("apps/web/a.yaml",),
    )  # fmt: skip
    before = source.is_pushed(request_of(), push)
    await fetch(f"main@sha1:{first}", path="apps/db")

    assert (before, source.is_pushed(request_of(), push)) == (True, False)


def test_sources_of_one_ref_have_one_place(make, request_of):
    one, other = make(path="apps/web"), make(path="apps/db", depth=5)

    assert one.place(request_of()) == other.place(request_of())
    assert one.place(request_of()) != make(ref="other").place(request_of())
