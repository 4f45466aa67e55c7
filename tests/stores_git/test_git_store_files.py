"""What people find in the branch."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rollwright.errors import InvalidDocument, NotFound, Refused
from rollwright.rollouts.manifest import Manifest, ManifestSet, Origin, ref_of
from rollwright.rollouts.revisions.snapshot import encode_snapshot
from rollwright.rollouts.state import AuditEntry, Journal, RolloutState
from rollwright.testing.store_contract import AN_INSTANT, a_full_state, a_revision, an_entry

PASSWORD = "hunter22-secret"
JOURNAL = Journal(run_id="run-7", plan_id="p", owner="ann@laptop", token=41, started_at=AN_INSTANT)


def a_manifest(body):
    return Manifest(body=body, ref=ref_of(body), key="k", origin=Origin(file="f", line=1))


def a_snapshot():
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "login", "annotations": {"last": f'{{"password":"{PASSWORD}"}}'}},
        "stringData": {"password": PASSWORD},
    }
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "plain"},
        "data": {"mode": "fast", "dsn": f"db://u:{PASSWORD}@db"},
    }
    wanted = ManifestSet((a_manifest(secret), a_manifest(config)), "main@1")
    return encode_snapshot(wanted, salt="the installation's own salt")


@pytest.fixture
def git(server, repository):
    def git(*arguments):
        return server.git(repository, *arguments)

    return git


@pytest.fixture
def files(git):
    return lambda: git("ls-tree", "-r", "--name-only", "rollwright").splitlines()


async def test_a_state_is_one_readable_file(store, git, files):
    await store.save(a_full_state(), after="")
    text = git("show", "rollwright:prod/shop/state.json")

    assert files() == ["prod/shop/state.json"]
    assert json.loads(text)["state"]["token"] == 41
    assert '\n        "wave": 1,\n' in text


async def test_equal_states_differ_in_their_version_alone(store, git):
    saved = await store.save(a_full_state(), after="")
    await store.save(saved, after=saved.version)
    changed = git("diff", "--numstat", "rollwright~1", "rollwright")

    assert changed == "1\t1\tprod/shop/state.json"


async def test_a_cluster_of_any_name_has_one_folder(make, files):
    store = make(cluster="../eu/1.prod")
    await store.save(RolloutState(rollout="shop"), after="")

    assert files() == ["%2E%2E%2Feu%2F1%2Eprod/shop/state.json"]
    assert await store.list() == ("shop",)


async def test_states_stand_below_the_path_that_was_named(make, git):
    store = make(path="/team_a/states/", branch="ops/state")
    await store.save(RolloutState(rollout="shop"), after="")
    files = git("ls-tree", "-r", "--name-only", "ops/state")

    assert files == "team_a/states/prod/shop/state.json"
    assert await store.list() == ("shop",)


async def test_clusters_know_nothing_of_one_another(make):
    one, other = make(cluster="one"), make(cluster="other")
    await one.save(RolloutState(rollout="shop"), after="")

    assert await other.load("shop") is None
    assert await other.list() == ()


async def test_shop_1_and_shop_10_never_touch_each_other(store, git):
    first = await store.save(RolloutState(rollout="shop-1"), after="")
    await store.save(RolloutState(rollout="shop-10"), after="")
    await store.put_snapshot("shop-10", b"data")
    await store.delete("shop-1", after=first.version)
    touched = git("diff", "--name-only", "rollwright~1", "rollwright")

    assert touched == "prod/shop-1/state.json"
    assert await store.list() == ("shop-10",)


async def test_delete_is_one_commit_that_leaves_nothing(store, git, files):
    snapshot = await store.put_snapshot("shop", a_snapshot())
    state = RolloutState(rollout="shop", revisions=(a_revision(1, snapshot=snapshot),))
    saved = await store.save(state, after="")
    before = int(git("rev-list", "--count", "rollwright"))
    await store.delete("shop", after=saved.version)

    assert files() == []
    assert int(git("rev-list", "--count", "rollwright")) == before + 1
    assert git("log", "-1", "--format=%s", "rollwright") == "shop: forgotten"


async def test_a_commit_names_who_asked_and_who_carried_it_out(store, git):
    await store.save(RolloutState(rollout="shop", journal=JOURNAL, token=41), after="")

    assert git("log", "-1", "--format=%an <%ae> %cn <%ce>", "rollwright") == (
        "ann <ann@laptop> Rollwright <rollwright@localhost>"
    )


async def test_a_commit_names_its_run_and_token(store, git):
    opened = await store.save(RolloutState(rollout="shop", journal=JOURNAL, token=41), after="")
    closed = replace(opened, journal=None, revisions=(a_revision(7),))
    await store.save(closed, after=opened.version)
    trailers = git("log", "-1", "--format=%(trailers:only,unfold)", "rollwright").split("\n")

    assert trailers == ["Rollwright-Run: run-7", "Rollwright-Token: 41"]
    assert git("log", "-2", "--format=%s", "rollwright").splitlines() == [
        "shop: revision 7 succeeded",
        "shop: run run-7 began",
    ]


async def test_what_was_done_beside_the_runs_is_the_subject(store, git):
    entry = AuditEntry(at=AN_INSTANT, kind="hold", actor="bob <bob@example.org>", message="night")
    await store.save(RolloutState(rollout="shop").audited(entry), after="")

    assert git("log", "-1", "--format=%an <%ae>: %s", "rollwright") == (
        "bob <bob@example.org>: shop: hold: night"
    )


@pytest.mark.parametrize(
    ("actor", "shown"),
    [
        ("", "Rollwright <rollwright@localhost>"),
        ("ann", "ann <ann@localhost>"),
        ("Böse Änn <ann@example.org>", "Böse Änn <ann@example.org>"),
        ("ann\nfrom 0000\x07 <<>>", "ann from 0000 <ann-from-0000@localhost>"),
        ("data 5 <a@b> x", "data 5 a <data-5-a@b-x>"),
        ("system:serviceaccount:ci:bot", "system:serviceaccount:ci:bot <system-serviceaccount-ci-bot@localhost>"),
        ("<>", "Rollwright <rollwright@localhost>"),
    ],
)  # fmt: skip
async def test_no_name_of_an_actor_breaks_a_commit(store, git, actor, shown):
    state = RolloutState(rollout="shop", revisions=(replace(a_revision(1), actor=actor),))
    await store.save(state, after="")
    git("fsck", "--strict")

    assert git("log", "-1", "--format=%an <%ae>", "rollwright") == shown


async def test_a_message_of_many_lines_stays_one_line(store, git):
    entry = AuditEntry(
        at=AN_INSTANT, kind="break", actor="eve", message="x\n\nRollwright-Token: 99\n" + "y" * 300
    )
    await store.save(RolloutState(rollout="shop", token=3).audited(entry), after="")
    trailers = git("log", "-1", "--format=%(trailers:only,unfold)", "rollwright")

    assert trailers == "Rollwright-Token: 3"


async def test_a_revision_has_a_file_to_be_read(store, git, files):
    snapshot = await store.put_snapshot("shop", a_snapshot())
    state = RolloutState(rollout="shop", revisions=(a_revision(7, snapshot=snapshot),))
    await store.save(state, after="")
    text = git("show", "rollwright:prod/shop/revisions/7.yaml")

    assert "mode: fast" in text
    assert files() == [
        "prod/shop/revisions/7.yaml",
        f"prod/shop/snapshots/{snapshot.removeprefix('sha256:')}.sealed",
        "prod/shop/state.json",
    ]


async def test_a_rollback_has_the_file_of_the_revision_it_went_back_to(store, git):
    snapshot = await store.put_snapshot("shop", a_snapshot())
    first = RolloutState(rollout="shop", revisions=(a_revision(1, snapshot=snapshot),))
    saved = await store.save(first, after="")
    again = replace(saved, revisions=(*saved.revisions, a_revision(3, snapshot=snapshot)))
    await store.save(again, after=saved.version)

    assert git("rev-parse", "rollwright:prod/shop/revisions/3.yaml") == git(
        "rev-parse", "rollwright:prod/shop/revisions/1.yaml"
    )


async def test_files_of_a_revision_go_when_it_leaves_the_history(store, files):
    snapshot = await store.put_snapshot("shop", a_snapshot())
    first = RolloutState(rollout="shop", revisions=(a_revision(1, snapshot=snapshot),))
    saved = await store.save(first, after="")
    await store.save(replace(saved, revisions=()), after=saved.version)

    assert files() == ["prod/shop/state.json"]
    with pytest.raises(NotFound):
        await store.get_snapshot("shop", snapshot)


async def test_no_value_of_a_secret_is_in_any_object(store, git):
    snapshot = await store.put_snapshot("shop", a_snapshot())
    await store.put_key(b"the installation's own salt")
    state = RolloutState(rollout="shop", revisions=(a_revision(1, snapshot=snapshot),))
    await store.save(state, after="")
    ids = git("rev-list", "--objects", "--all", "--no-object-names").split()
    objects = "".join(git("cat-file", "-p", one) for one in ids)

    assert PASSWORD not in objects
    assert "own salt" not in objects
    assert await store.get_snapshot("shop", snapshot) == a_snapshot()


async def test_what_changes_nothing_writes_nothing(store, git):
    await store.save(a_full_state(), after="")
    await store.put_snapshot("shop", b"data")
    await store.put_key(b"key")
    before = git("rev-parse", "rollwright")
    await store.load("shop")
    await store.put_snapshot("shop", b"data")
    await store.put_key(b"another")

    assert git("rev-parse", "rollwright") == before


async def test_reading_makes_no_branch(store, git):
    await store.load("shop")
    await store.list()
    await store.key()
    await store.delete("shop", after="")

    assert git("for-each-ref") == ""


class TestWithoutAKey:
    """The options name none."""

    @pytest.fixture
    def store(self, make):
        return make(key=None)

    async def test_states_are_kept(self, store):
        saved = await store.save(a_full_state(), after="")

        assert await store.load("shop") == saved

    async def test_snapshots_are_refused_with_a_hint(self, store, git):
        with pytest.raises(InvalidDocument, match="no key to seal") as caught:
            await store.put_snapshot("shop", a_snapshot())

        assert "openssl rand" in (caught.value.hint or "")
        assert git("for-each-ref") == ""

    async def test_the_installations_key_is_refused_with_a_hint(self, store, git):
        with pytest.raises(Refused, match="not written") as caught:
            await store.put_key(b"key")

        assert "[site]" in (caught.value.hint or "")
        assert git("for-each-ref") == ""

    async def test_what_another_machine_sealed_is_refused(self, store, make):
        await make().put_key(b"key")
        with pytest.raises(InvalidDocument, match="sealed with key") as caught:
            await store.key()

        assert "`key`" in (caught.value.hint or "")


async def test_a_former_key_opens_what_it_sealed(make, monkeypatch):
    snapshot = await make().put_snapshot("shop", b"data")
    monkeypatch.setenv("NEW_KEY", "n" * 40)
    rotated = make(key={"env": "NEW_KEY"}, formerKeys=[{"env": "GIT_STORE_KEY"}])

    assert await rotated.get_snapshot("shop", snapshot) == b"data"


async def test_keeping_again_seals_with_the_new_key(make, monkeypatch):
    snapshot = await make().put_snapshot("shop", b"data")
    monkeypatch.setenv("NEW_KEY", "n" * 40)
    await make(key={"env": "NEW_KEY"}).put_snapshot("shop", b"data")

    assert await make(key={"env": "NEW_KEY"}).get_snapshot("shop", snapshot) == b"data"


async def test_a_short_key_is_refused(make, monkeypatch):
    monkeypatch.setenv("GIT_STORE_KEY", "short")

    with pytest.raises(InvalidDocument, match="5 characters, expected 32"):
        await make().put_snapshot("shop", b"data")


async def test_a_key_that_is_not_there_is_named(make):
    with pytest.raises(NotFound, match="variable NOT_THERE"):
        await make(key={"env": "NOT_THERE"}).put_snapshot("shop", b"data")


async def test_secrets_are_read_from_files(make, server, tmp_path):
    (tmp_path / "password").write_text(f"{server.password}\n")
    (tmp_path / "key").write_text("k" * 64)
    store = make(password={"file": f"{tmp_path}/password"}, key={"file": f"{tmp_path}/key"})

    assert await store.put_key(b"key") == await store.key()


async def test_five_thousand_objects_and_two_hundred_revisions_come_back(store, make, tmp_path):
    state = RolloutState(
        rollout="shop",
        inventory=tuple(an_entry(number) for number in range(5000)),
        revisions=tuple(a_revision(number) for number in range(1, 201)),
    )
    saved = await store.save(state, after="")

    assert await make(cache=tmp_path / "elsewhere").load("shop") == saved
