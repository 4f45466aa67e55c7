"""Commit statuses on Gitea, Bitbucket and Azure DevOps, and what the family has in common."""

from __future__ import annotations

import base64

import pytest

from rollwright.errors import RolloutError, Unauthorized, Unreachable
from rollwright.feedback.azure import Azure
from rollwright.feedback.bitbucket import Bitbucket
from rollwright.feedback.gitea import Gitea
from rollwright.feedback.github import GitHub
from rollwright.feedback.gitlab import GitLab
from rollwright.rollouts.feedback import Event, Reason
from rollwright.testing.feedback_contract import COMMIT, a_feedback
from rollwright.testing.http import Reply, ScriptedServer

TOKEN = {"env": "TEST_FEEDBACK_TOKEN"}
GITEA = f"/git/api/v1/repos/team/shop/statuses/{COMMIT}"
BITBUCKET = f"/rest/build-status/1.0/commits/{COMMIT}"
AZURE = f"/team/web%20shop/_apis/git/repositories/shop/commits/{COMMIT}/statuses"
GITHUB = f"/repos/team/shop/statuses/{COMMIT}"


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv(TOKEN["env"], "s3cret")


@pytest.fixture
async def server():
    async with ScriptedServer() as server:
        for path in (GITEA, BITBUCKET, AZURE, GITHUB):
            server.on("POST", path, Reply(status=201, body=b"{}"))
        yield server


def plain(header):
    return base64.b64decode(header.removeprefix("Basic ")).decode()


async def test_gitea_is_told_below_a_path_of_its_host(server):
    sink = Gitea(token=TOKEN, api=f"{server.url}/git/")
    await sink.tell(a_feedback(repository=f"{server.url}/git/team/shop.git"))
    [request] = server.requests

    assert request.path == GITEA
    assert request.headers["Authorization"] == "token s3cret"
    assert (request.json["state"], request.json["context"]) == ("failure", "rollwright/shop")


async def test_bitbucket_is_told_with_a_key_and_a_link(server):
    sink = Bitbucket(token=TOKEN, url=server.url, repository="team/shop", name="a" * 60)
    await sink.tell(a_feedback(url=""))
    [request] = server.requests

    assert request.headers["Authorization"] == "Bearer s3cret"
    assert request.json["state"] == "FAILED"
    assert (len(request.json["key"]), len(request.json["name"])) == (40, 60)
    assert request.json["url"] == server.url


def test_bitbucket_in_the_cloud_has_addresses_of_its_own():
    sink, told = Bitbucket(token=TOKEN), a_feedback(repository="git@bitbucket.org:team/shop.git")
    base = "https://api.bitbucket.org/2.0/repositories/team/shop"

    assert sink.address(told) == f"{base}/commit/{COMMIT}/statuses/build"
    assert sink.body(a_feedback(url="", repository=told.repository), "FAILED")["url"] == (
        f"https://bitbucket.org/team/shop/commits/{COMMIT}"
    )


async def test_bitbucket_takes_a_user_and_a_password(server, monkeypatch):
    monkeypatch.setenv(TOKEN["env"], "ada:s3cret")
    await Bitbucket(token=TOKEN, url=server.url, repository="team/shop").tell(a_feedback())

    assert plain(server.requests[0].headers["Authorization"]) == "ada:s3cret"


async def test_azure_is_told_with_a_genre(server):
    sink = Azure(token=TOKEN, url=server.url, repository="team/web shop/shop")
    await sink.tell(a_feedback())
    [request] = server.requests

    assert plain(request.headers["Authorization"]) == ":s3cret"
    assert request.query == {"api-version": "7.0"}
    assert request.json["context"] == {"genre": "rollwright", "name": "shop"}
    assert (request.json["state"], request.json["targetUrl"]) == (
        "failed", "https://prefect.example/runs/1",
    )  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "https://dev.azure.com/team/web%20shop/_git/shop",
        "https://team@dev.azure.com/team/web%20shop/_git/shop",
        "ssh://git@ssh.dev.azure.com/v3/team/web%20shop/shop",
        "git@ssh.dev.azure.com:v3/team/web%20shop/shop",
    ],
)
def test_azure_knows_its_repositories_by_every_address(url):
    assert Azure(token=TOKEN).place(a_feedback(repository=url)) == "team/web shop/shop"


async def test_the_page_to_log_in_is_no_success(server):
    server.on("POST", AZURE, Reply(status=203, body=b"<html>"))
    with pytest.raises(Unauthorized):
        await Azure(token=TOKEN, url=server.url, repository="team/web shop/shop").tell(a_feedback())


@pytest.mark.parametrize(
    ("sink", "url"),
    [
        (Bitbucket(token=TOKEN), "https://bitbucket.org/team/shop.git"),
        (Azure(token=TOKEN), "https://dev.azure.com/team/_git/shop"),
        (Gitea(token=TOKEN, api="https://git.example"), "git@git.example:team/shop.git"),
        (GitHub(token=TOKEN), "git@github.com:team/shop.git"),
        (GitLab(token=TOKEN), "git@gitlab.com:team/below/shop.git"),
        (GitLab(token=TOKEN, url="https://x.example/lab"), "https://x.example/lab/team/shop.git"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_the_repository_is_that_of_the_source_and_of_no_other_host(sink, url):
    elsewhere = "https://elsewhere.example/team/shop.git"

    assert sink.shows(a_feedback(repository=url))
    assert not sink.shows(a_feedback(repository=elsewhere))


@pytest.mark.parametrize(
    "sink",
    [
        GitHub(token=TOKEN), GitLab(token=TOKEN), Gitea(token=TOKEN, api="https://git.example"),
        Bitbucket(token=TOKEN), Azure(token=TOKEN),
    ],
    ids=lambda one: type(one).__name__,
)  # fmt: skip
@pytest.mark.parametrize("event", list(Event))
@pytest.mark.parametrize("reason", [Reason.APPLY_FAILED, Reason.CANCELLED, Reason.LOCK_HELD])
def test_every_state_has_a_word_that_its_host_knows(sink, event, reason):
    told = a_feedback(event=event, reason=reason, message="ä" * 400)
    body = sink.body(told, sink.states.get(sink.state(told), ""))

    assert sink.state(told) in {"", *sink.states}
    assert len(body["description"]) <= sink.longest


async def test_a_commit_that_the_host_does_not_know_is_told_and_not_tried_again(server):
    said = b'{"message": "No commit found for SHA: ' + COMMIT.encode() + b'"}'
    server.on("POST", GITHUB, Reply(status=422, body=said))
    with pytest.raises(RolloutError, match="No commit found") as refused:
        await GitHub(token=TOKEN, api=server.url, repository="team/shop").tell(a_feedback())

    assert not refused.value.retryable


async def test_a_limit_that_is_used_up_is_no_refusal(server):
    spent = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1577836800"}
    server.on("POST", GITHUB, Reply(status=403, headers=spent, body=b"rate limit exceeded"))
    with pytest.raises(Unreachable) as refused:
        await GitHub(token=TOKEN, api=server.url, repository="team/shop").tell(a_feedback())

    assert (refused.value.retryable, refused.value.retry_after_seconds) == (True, 0.0)


async def test_credentials_follow_nobody_to_another_host(server):
    async with ScriptedServer() as thief:
        server.on("POST", GITHUB, Reply(status=307, headers={"Location": f"{thief.url}/x"}))
        with pytest.raises(RolloutError, match="redirects are not followed"):
            await GitHub(token=TOKEN, api=server.url, repository="team/shop").tell(a_feedback())

        assert thief.requests == []


def test_a_name_is_cut_to_what_every_host_takes():
    sink = GitHub(token=TOKEN, name="{cluster}" * 20)

    assert len(sink.title(a_feedback(cluster="c" * 63))) == 255
