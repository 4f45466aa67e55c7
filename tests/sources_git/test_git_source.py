"""The git source: names, commits, revisions, what is asked of the server and what is kept."""

from __future__ import annotations

import asyncio
import os
from multiprocessing import get_context

import pytest

from rollwright.errors import RenderError, Unauthorized, Unreachable
from rollwright.plugins.contracts import FetchRequest, Resolver
from rollwright.sources.git import trees
from rollwright.sources.git.source import Git
from rollwright.sources.path import Path

FILES = {"deploy/web.yaml": b"a: 1\n", "lib/base.yaml": b"b: 2\n"}


async def test_the_default_branch_is_taken(repository, fetch):
    commit = repository.commit(FILES)
    checkout = await fetch()

    assert checkout.revision == f"main@sha1:{commit}"
    assert (checkout.root / "deploy/web.yaml").read_bytes() == b"a: 1\n"


async def test_the_rollout_may_lie_in_a_folder_and_reach_the_others(repository, fetch):
    repository.commit(FILES)
    checkout = await fetch(path="deploy")

    assert [one.name for one in checkout.root.iterdir()] == ["web.yaml"]
    assert (checkout.bounds / "lib/base.yaml").read_bytes() == b"b: 2\n"


async def test_nothing_of_git_lies_among_the_files(repository, fetch):
    repository.commit(FILES)

    assert sorted(one.name for one in (await fetch()).root.iterdir()) == ["deploy", "lib"]


async def test_a_branch_is_named(repository, fetch):
    repository.commit(FILES)
    commit = repository.commit({"x": b"1"}, branch="feature/new")

    assert (await fetch(ref="feature/new")).revision == f"feature/new@sha1:{commit}"
    assert (await fetch(ref="refs/heads/feature/new")).revision.endswith(f"sha1:{commit}")


@pytest.mark.parametrize("kind", ["plain", "annotated"])
async def test_a_tag_means_its_commit(repository, fetch, kind):
    commit = repository.commit(FILES)
    repository.git("tag", *(["-a", "-m", "x"] if kind == "annotated" else []), "v1.0", commit)
    repository.commit({"x": b"1"})

    assert (await fetch(ref="v1.0")).revision == f"v1.0@sha1:{commit}"
    assert (await fetch(ref="refs/tags/v1.0")).revision.endswith(f"sha1:{commit}")


async def test_a_branch_and_a_tag_of_one_name_are_told_apart(repository, fetch):
    old = repository.commit(FILES)
    repository.git("tag", "same", old)
    new = repository.commit({"x": b"1"}, branch="same")
    with pytest.raises(RenderError) as told:
        await fetch(ref="same")

    assert "refs/heads/same and refs/tags/same" in str(told.value)
    assert (await fetch(ref="refs/heads/same")).revision.endswith(new)
    assert (await fetch(ref="refs/tags/same")).revision.endswith(old)


async def test_a_name_whose_end_is_the_same_is_another_name(repository, fetch):
    repository.commit(FILES, branch="team/refs/heads/main2")
    with pytest.raises(RenderError, match="no branch or tag 'main2'"):
        await fetch(ref="main2")


async def test_a_commit_is_named_itself(repository, fetch):
    commit = repository.commit(FILES)
    repository.commit({"x": b"1"})
    checkout = await fetch(ref=commit)

    assert checkout.revision == f"sha1:{commit}"
    assert (checkout.root / "deploy/web.yaml").exists()


async def test_a_commit_that_is_part_of_nothing_is_refused(repository, fetch):
    repository.commit(FILES)
    hidden = repository.commit({"evil": b"1"}, branch="gone")
    repository.git("update-ref", "-d", "refs/heads/gone")
    with pytest.raises(RenderError, match="is not part of any branch or tag"):
        await fetch(ref=hidden)


async def test_a_short_commit_is_refused(repository, fetch):
    commit = repository.commit(FILES)
    with pytest.raises(RenderError) as told:
        await fetch(ref=commit[:10])

    assert "all of its 40 digits" in str(told.value.hint)


async def test_an_older_revision_is_asked_for(repository, fetch):
    old = repository.commit(FILES)
    repository.commit({"x": b"1"})
    checkout = await fetch(f"main@sha1:{old}")

    assert checkout.revision == f"main@sha1:{old}"
    assert (checkout.root / "deploy/web.yaml").exists()


async def test_a_commit_alone_may_be_asked_for(repository, fetch):
    old = repository.commit(FILES)
    repository.commit({"x": b"1"})

    assert (await fetch(old)).revision == f"main@sha1:{old}"


async def test_a_commit_of_another_branch_may_not_be_asked_for(repository, fetch):
    repository.commit(FILES)
    other = repository.commit({"evil": b"1"}, branch="other")
    with pytest.raises(RenderError, match=f"commit {other} is not part of refs/heads/main"):
        await fetch(other)


@pytest.mark.parametrize(
    ("revision", "words"),
    [
        ("path@sha256:" + "0" * 64, "is not of 'main'"),
        ("other@sha1:" + "0" * 40, "is not of 'main'"),
        ("main@sha256:" + "0" * 40, "digits of its kind"),
        ("main", "no revision of a git source"),
        ("--upload-pack=touch x", "no revision of a git source"),
        ("main@sha1:" + "g" * 40, "no revision of a git source"),
        ("sha1:" + "0" * 40, "is not part of refs/heads/main"),
    ],
)
async def test_what_is_no_revision_of_the_source_is_refused(repository, fetch, revision, words):
    repository.commit(FILES)
    with pytest.raises(RenderError, match=words):
        await fetch(revision)


async def test_another_commit_than_the_pinned_one_is_refused(repository, fetch):
    old, new = repository.commit(FILES), repository.commit({"x": b"1"})
    with pytest.raises(RenderError, match="the document names commit"):
        await fetch(old, ref=new)


async def test_a_revision_can_be_asked_for_without_files(repository, make, request_of, asked):
    commit = repository.commit(FILES)
    source = make()

    assert isinstance(source, Resolver)
    assert await source.resolve(request_of()) == f"main@sha1:{commit}"
    assert not any("upload-pack" in one and "POST" in one for one in asked()[2:])


async def test_a_folder_tells_its_revision_too(tmp_path, request_of):
    (tmp_path / "a.yaml").write_text("a: 1\n")
    source = Path(path=".")

    assert await source.resolve(request_of()) == (await source.fetch(request_of())).revision


async def test_what_is_kept_is_not_fetched_again(repository, fetch, asked):
    repository.commit(FILES)
    first = await fetch()
    fetched = asked()
    again = await fetch()

    assert again.root == first.root
    assert len(asked()) == 2 < len(fetched)


async def test_a_pinned_commit_that_is_kept_asks_nobody(repository, fetch, asked):
    commit = repository.commit(FILES)
    await fetch(ref=commit)
    asked()
    await fetch(ref=commit)

    assert asked() == []


async def test_a_new_commit_is_fetched(repository, fetch):
    repository.commit(FILES)
    await fetch()
    repository.commit({"new.yaml": b"c: 3\n"})

    assert [one.name for one in (await fetch()).root.iterdir()] == ["new.yaml"]


async def test_several_refs_of_one_repository_do_not_disturb_each_other(repository, fetch):
    repository.commit(FILES)
    for name in "abcd":
        repository.commit({name: name.encode()}, branch=name)
    found = await asyncio.gather(*(fetch(ref=name) for name in "abcdabcd"))

    assert [(one.root / name).read_text() for name, one in zip("abcdabcd", found, strict=True)] == [
        *"abcdabcd"
    ]


def _fetch_elsewhere(options, base, found):
    os.environ.update(options.pop("environment"))
    checkout = asyncio.run(Git.model_validate(options).fetch(FetchRequest(base=base)))
    found.put(checkout.revision)


async def test_several_processes_share_one_copy(repository, make, server, tmp_path):
    commit = repository.commit({f"{n}.yaml": b"a: 1\n" for n in range(200)})
    options = {
        "url": repository.url,
        "credentials": {"token": {"env": "SOURCE_GIT_TOKEN"}},
        "cache": str(tmp_path / "cache"),
        "environment": {"SOURCE_GIT_TOKEN": server.password},
    }
    context = get_context("spawn")
    found = context.Queue()
    workers = [
        context.Process(target=_fetch_elsewhere, args=(options, tmp_path, found)) for _ in range(3)
    ]
    for one in workers:
        one.start()
    revisions = [await asyncio.to_thread(found.get, timeout=60) for _ in workers]
    for one in workers:
        one.join(20)

    assert revisions == [f"main@sha1:{commit}"] * 3


async def test_contents_that_other_commits_have_are_not_fetched(repository, fetch, tmp_path):
    repository.commit({"large.bin": os.urandom(2**20)})
    repository.commit({"small.yaml": b"a: 1\n"})
    await fetch()
    size = sum(one.stat().st_size for one in tmp_path.rglob("*.pack"))

    assert size < 2**19


async def test_a_server_without_partial_clones_serves_too(repository, fetch):
    repository.git("config", "uploadpack.allowFilter", "false")
    old = repository.commit(FILES)
    repository.commit({"x": b"1"})

    assert (await fetch(old)).revision == f"main@sha1:{old}"


async def test_a_damaged_copy_is_fetched_again(repository, fetch, tmp_path):
    repository.commit(FILES)
    await fetch()
    for pack in tmp_path.rglob("*.pack"):
        pack.chmod(0o600)
        pack.write_bytes(b"nonsense")
    commit = repository.commit({"x": b"1"})

    assert (await fetch()).revision == f"main@sha1:{commit}"


async def test_what_a_killed_process_left_is_no_obstacle(repository, fetch, tmp_path):
    repository.commit(FILES)
    checkout = await fetch()
    [copy] = tmp_path.rglob("git-sha1.git")
    (copy / "shallow.lock").touch()
    left = checkout.bounds.parent / ".new-1"
    left.mkdir()
    repository.commit({"x": b"1"})
    await fetch()

    assert not left.exists()


async def test_a_repository_of_the_other_kind_of_ids_serves(repository, server, make, request_of):
    server.git("other", "init", "--quiet", "--bare", "--template=", "--object-format=sha256",
               "--initial-branch=main")  # fmt: skip
    stream = b"commit refs/heads/main\ncommitter T <t@l> 1 +0000\ndata 1\nx\nM 100644 inline a\n"
    server.git("other", "fast-import", "--quiet", feed=stream + b"data 1\nx\n")
    checkout = await make(url=server.url("other")).fetch(request_of())

    assert checkout.revision.startswith("main@sha256:")


async def test_trees_that_nobody_used_for_long_are_removed(repository, fetch, monkeypatch):
    monkeypatch.setattr(trees, "KEPT", 2)
    roots = []
    for number in range(4):
        repository.commit({"n": str(number).encode()})
        roots.append((await fetch()).root)
        os.utime(roots[-1], (number, trees.OLD_SECONDS * 2 + number))
    for root in roots:
        if root.exists():
            os.utime(root)
    repository.commit({"n": b"last"})
    last = (await fetch()).root

    assert [one.exists() for one in roots[:2]] == [False, False]
    assert last.exists()


async def test_an_empty_repository_is_told(fetch):
    with pytest.raises(RenderError, match="no default branch, or is empty"):
        await fetch()


async def test_a_folder_that_is_not_there_is_told(repository, fetch):
    repository.commit(FILES)
    with pytest.raises(RenderError, match="'nowhere' is not in the source"):
        await fetch(path="nowhere")


async def test_a_wrong_token_is_told_without_it(repository, fetch, monkeypatch):
    repository.commit(FILES)
    monkeypatch.setenv("SOURCE_GIT_TOKEN", "hunter2-hunter2")
    with pytest.raises(Unauthorized) as told:
        await fetch()

    assert "hunter2" not in f"{told.value} {told.value.hint}"


async def test_a_repository_that_is_not_there_is_told(fetch, server):
    with pytest.raises(Unreachable, match="not found"):
        await fetch(url=server.url("nothing"))


async def test_the_token_stands_in_no_file(repository, fetch, server, tmp_path):
    repository.commit(FILES)
    await fetch()
    texts = [one.read_bytes() for one in (tmp_path / "cache").rglob("*") if one.is_file()]

    assert not any(server.password.encode() in text for text in texts)


async def test_a_cache_that_cannot_be_written_is_told_and_hinders_nothing(
    repository, fetch, tmp_path
):
    repository.commit(FILES)
    (tmp_path / "file").write_text("")
    found = await fetch(cache=tmp_path / "file" / "copies")

    assert (found.root / "lib/base.yaml").read_bytes() == b"b: 2\n"
    assert [one.partition(" (")[0] for one in found.notes] == [
        f"cannot write the cache folder {tmp_path / 'file' / 'copies'}"
    ]
