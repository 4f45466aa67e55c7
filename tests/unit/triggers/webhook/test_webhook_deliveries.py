"""What recorded deliveries mean: events, repositories, refs, files, filters, payloads."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rollwright.errors import Forged, InvalidDocument
from rollwright.plugins.contracts import Candidate, Ignored

NEW = "b" * 40


class Source:
    """The source of a rollout, which remembers what it was asked."""

    def __init__(self, answer=True):
        self.answer, self.pushes = answer, []

    def __call__(self, push):
        self.pushes.append(push)
        return self.answer


@pytest.fixture
def pushed(hook, deliver):
    """Return the push that the sources of rollouts are asked about."""

    async def pushed(type_, name=None, **options):
        source = Source()
        one = Candidate(name="web", is_pushed=source)
        await hook(type_, **options).read(deliver(type_, name, candidates=(one,)))
        return source.pushes[0] if source.pushes else None

    return pushed


@pytest.mark.parametrize(
    ("type_", "url", "default"),
    [
        ("github", "git@github.com:shop/manifests.git", "main"),
        ("gitea", "ssh://git@gitea.example:2222/shop/manifests.git", "main"),
        ("gitlab", "git@gitlab.example:shop/manifests.git", "main"),
        ("bitbucket", "https://bitbucket.org/shop/manifests", ""),
        ("bitbucket-server", "https://bitbucket.example/scm/shop/manifests.git", ""),
        ("azure", "https://dev.azure.com/org/Web%20Shop/_git/manifests", "main"),
    ],
)
async def test_a_push_names_repository_ref_and_commits(pushed, type_, url, default):
    push = await pushed(type_)

    assert url in push.urls
    assert (push.ref, push.default_branch) == ("refs/heads/main", default)
    assert (push.old, push.new) == ("a" * 40, NEW)


@pytest.mark.parametrize("type_", ["github", "gitea", "gitlab"])
async def test_a_push_lists_its_files(pushed, type_):
    assert (await pushed(type_)).changed == ("apps/web/deploy.yaml", "docs/a.md")


@pytest.mark.parametrize("type_", ["bitbucket", "bitbucket-server", "azure"])
async def test_where_no_files_are_listed_nobody_can_say(pushed, type_):
    assert (await pushed(type_)).changed is None


@pytest.mark.parametrize(
    "more",
    [
        {"forced": True},
        {"created": True},
        {"commits": []},
        {"commits": [{"id": "x"}]},
        {"commits": None},
        {"total_commits": 30},
    ],
    ids=str,
)
async def test_where_files_may_be_missing_nobody_can_say(hook, deliver, recorded, more):
    body = json.dumps({**json.loads(recorded("github-push")[1]), **more}).encode()
    source = Source()
    one = Candidate(name="web", is_pushed=source)
    await hook("github").read(deliver("github", body=body, candidates=(one,)))

    assert source.pushes[0].changed is None


@pytest.mark.parametrize(
    ("type_", "name"),
    [("github", "github-ping"), ("github", "github-deleted"), ("github", "github-release"),
     ("bitbucket", "bitbucket-closed")],
)  # fmt: skip
async def test_tests_removals_and_other_events_mean_nothing(hook, deliver, type_, name):
    assert await hook(type_).read(deliver(type_, name)) == ()


async def test_events_that_are_asked_for_count(hook, deliver):
    trigger = hook("github", events=["release"])

    assert await trigger.read(deliver("github", "github-release"))
    assert not await trigger.read(deliver("github", "github-push"))
    assert not await hook("github", events=["*"]).read(deliver("github", "github-ping"))


async def test_a_tag_is_a_push(pushed):
    assert (await pushed("gitlab", "gitlab-tag")).ref == "refs/tags/v1.0.0"


@pytest.mark.parametrize(
    ("options", "fires"),
    [
        ({"refs": ["refs/heads/main"]}, True),
        ({"refs": ["refs/heads/rel-*"]}, False),
        ({"refs": ["refs/tags/*", "refs/heads/m*"]}, True),
        ({"repositories": ["shop/*"]}, True),
        ({"repositories": ["Shop/*"]}, False),
        ({"repositories": ["other/*"]}, False),
        ({"paths": ["apps/web/**"]}, True),
        ({"paths": ["apps/db/*"]}, False),
        ({"filter": "body.pusher.name == 'ann'"}, True),
        ({"filter": "body.pusher.name == 'eve'"}, False),
        ({"filter": "headers['x-github-event'] == 'push'"}, True),
        ({"filter": "body.nothing.there"}, False),
        ({"filter": "'x-hub-signature-256' in headers"}, False),
    ],
    ids=str,
)
async def test_what_the_document_asks_for_counts(hook, deliver, options, fires):
    assert bool(await hook("github", **options).read(deliver("github"))) is fires


async def test_a_filter_decides_for_each_rollout(hook, deliver):
    trigger = hook("github", filter="app.labels.team == body.sender.login || app.name == 'db'")
    those = (
        Candidate(name="web", labels={"team": "ann"}),
        Candidate(name="db"),
        Candidate(name="ops", labels={"team": "eve"}),
        Candidate(name="none"),
    )
    (firing,) = await trigger.read(deliver("github", candidates=those))

    assert firing.rollouts == ("web", "db")


async def test_only_rollouts_whose_source_is_concerned_are_looked_at(hook, deliver):
    those = (Candidate(name="web"), Candidate(name="db", is_pushed=Source(answer=False)))
    (firing,) = await hook("github").read(deliver("github", candidates=those))

    assert firing.rollouts == ("web",)


async def test_a_registry_concerns_every_rollout(hook, deliver):
    those = (Candidate(name="web", is_pushed=Source(answer=False)),)

    assert await hook("harbor").read(deliver("harbor", candidates=those))


@pytest.mark.parametrize("type_", ["gcr", "harbor", "quay", "dockerhub", "nexus", "acr"])
async def test_a_registry_names_image_and_tag(hook, deliver, type_):
    name = {"gcr": "us-docker.pkg.dev/p/shop/*", "nexus": "docker"}.get(type_, "shop/*")

    assert await hook(type_, repositories=[name], refs=["1.*"]).read(deliver(type_))
    assert not await hook(type_, repositories=["other"]).read(deliver(type_))
    assert not await hook(type_, refs=["2.*"]).read(deliver(type_))


async def test_what_a_registry_gives_out_means_nothing(hook, deliver, recorded):
    body = {**json.loads(recorded("harbor")[1]), "type": "PULL_ARTIFACT"}

    assert not await hook("harbor").read(deliver("harbor", body=json.dumps(body).encode()))


async def test_a_firing_says_what_it_is_about(hook, deliver, fingerprint):
    delivery = deliver("github")
    (firing,) = await hook("github").read(delivery)

    assert firing.id == "hook:72d3162e-cc78-11e3-81ab-4c9367dc0958"
    assert firing.fingerprint == f"hook:{fingerprint(delivery.body)}"
    assert (firing.revision, firing.actor) == (f"main@sha1:{NEW}", "github ann")
    assert firing.config == {}


async def test_without_an_id_the_digest_is_one(hook, deliver, fingerprint):
    delivery = deliver("quay")
    (firing,) = await hook("quay").read(delivery)

    assert firing.id == f"hook:{fingerprint(delivery.body)}"


async def test_empty_bodies_are_not_the_same(hook, deliver, later):
    first = deliver("generic", body=b"", headers={"x-delivery-id": None})
    second = replace(first, received_at=later(1))
    ids = {(await hook("generic").read(one))[0].id for one in (first, second)}

    assert len(ids) == 2


@pytest.mark.parametrize("bad", ["x\ny", "\udcff", "ü", "x" * 500], ids=ascii)
async def test_an_id_that_is_none_is_not_taken(hook, deliver, fingerprint, bad):
    delivery = deliver("generic", headers={"x-delivery-id": bad})
    (firing,) = await hook("generic").read(delivery)

    assert firing.id == f"hook:{fingerprint(delivery.body)}"


@pytest.mark.parametrize(
    ("payload", "config"),
    [
        (None, {}),
        (True, {"release": {"version": "1"}, "ref": "x"}),
        ("release", {"version": "1"}),
        ("release.version", {"version": "1"}),
        ("nothing.there", {}),
    ],
)
async def test_a_declared_part_becomes_values(hook, deliver, payload, config):
    body = json.dumps({"release": {"version": "1"}, "ref": "x"}).encode()
    (firing,) = await hook("generic-hmac", payload=payload).read(deliver("generic-hmac", body=body))

    assert firing.config == config


async def test_a_payload_is_not_endless(hook, deliver):
    body = json.dumps({"a": "x" * 200_000}).encode()

    with pytest.raises(InvalidDocument, match="payload"):
        await hook("generic-hmac", payload=True).read(deliver("generic-hmac", body=body))


@pytest.mark.parametrize(
    "body",
    [b"{", b"nothing", b"\xff", b'{"a": NaN}', b"[" * 101 + b"]" * 101, b"[" * 100_000,
     b'{"a":' * 101 + b"1" + b"}" * 101, b"[" + b"1," * 2_000_001 + b"1]"],
    ids=range(8),
)  # fmt: skip
async def test_what_cannot_be_read_is_refused(hook, deliver, body):
    with pytest.raises(InvalidDocument):
        await hook("generic-hmac").read(deliver("generic-hmac", body=body))


async def test_a_hundred_levels_are_read(hook, deliver):
    body = b"[" * 100 + b"]" * 100

    assert await hook("generic-hmac").read(deliver("generic-hmac", body=body))


async def test_github_may_send_a_form(hook, deliver, recorded):
    from urllib.parse import urlencode

    body = urlencode({"payload": recorded("github-push")[1].decode()}).encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}

    assert await hook("github").read(deliver("github", body=body, headers=headers))


@pytest.mark.parametrize("value", [[], "x", 1, None, {"repository": 1, "ref": []}, {"commits": {}}])
@pytest.mark.parametrize("type_", ["github", "gitlab", "bitbucket", "azure", "gcr", "harbor"])
async def test_a_body_of_another_shape_harms_nobody(hook, deliver, type_, value):
    await hook(type_).read(deliver(type_, body=json.dumps(value).encode()))


@pytest.mark.parametrize("type_", ["bitbucket-server", "azure", "gcr", "harbor", "dockerhub",
                                   "nexus", "acr", "cdevents"])  # fmt: skip
async def test_a_delivery_that_says_when_may_be_too_old(hook, deliver, later, type_):
    old = deliver(type_, received_at=later(3600))
    if type_ == "gcr":
        return  # its token has expired by then

    with pytest.raises(Forged, match="ago"):
        await hook(type_).read(old)
    assert await hook(type_, maxAge="2h").read(old)


async def test_who_caused_it_is_fit_to_be_shown(hook, deliver, recorded):
    body = {
        **json.loads(recorded("github-push")[1]),
        "sender": {"login": "a\n\x1b[31m" + "x" * 500},
    }
    (firing,) = await hook("github").read(deliver("github", body=json.dumps(body).encode()))

    assert firing.actor.isprintable()
    assert len(firing.actor) < 100


@pytest.mark.parametrize(
    ("name", "options", "answer", "reason"),
    [
        (None, {"refs": ["refs/heads/next"]}, True, "other ref"),
        (None, {"repositories": ["x/*"]}, True, "other repository"),
        (None, {"paths": ["nothing/*"]}, True, "other files than the trigger's paths"),
        (None, {"events": ["release"]}, True, "this event is not looked at"),
        (None, {"filter": "body.ref == 'x'"}, True, "the filter lets no rollout through"),
        (None, {}, False, "other repository"),
    ],
)
async def test_whoever_wonders_hears_why_a_delivery_starts_nothing(
    hook, deliver, name, options, answer, reason
):
    told: list[Ignored] = []
    one = Candidate(name="web", is_pushed=lambda _push: answer)
    sent = replace(deliver("github", name, candidates=(one,)), ignored=told.append)

    assert await hook("github", **options).read(sent) == ()
    assert [(why.event, why.reason) for why in told] == [("push", reason)]
    assert told[0].delivery
