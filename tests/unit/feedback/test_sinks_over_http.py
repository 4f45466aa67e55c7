"""Webhooks and commit statuses: what they send, and what an answer means."""

from __future__ import annotations

import asyncio
import hmac
import json
import ssl
import subprocess

import pytest
from pydantic import ValidationError

from rollwright.errors import NotFound, RolloutError, Unauthorized, Unreachable
from rollwright.feedback.github import GitHub
from rollwright.feedback.gitlab import GitLab
from rollwright.feedback.webhook import Webhook
from rollwright.rollouts.feedback import Event, Reason
from rollwright.testing.feedback_contract import COMMIT, a_feedback
from rollwright.testing.http import Reply, ScriptedServer, dropped, silence

TOKEN = {"env": "TEST_FEEDBACK_TOKEN"}
STATUS = f"/repos/team/shop/statuses/{COMMIT}"
LAB_STATUS = f"/api/v4/projects/team%2Fshop/statuses/{COMMIT}"


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv(TOKEN["env"], "s3cret")


@pytest.fixture
async def server():
    async with ScriptedServer() as server:
        server.on("POST", "/hook", Reply(status=204))
        server.on("POST", STATUS, Reply(status=201, body=b"{}"))
        server.on("POST", LAB_STATUS, Reply(status=201, body=b"{}"))
        yield server


# ------------------------------------------------------------------ webhook


async def test_a_webhook_sends_the_machine_form(server):
    told = a_feedback()
    await Webhook(url=f"{server.url}/hook").tell(told)
    [request] = server.requests

    assert request.json == dict(told.machine)
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["X-Rollwright-Delivery"] == told.id
    assert request.headers["X-Rollwright-Event"] == "failed"


async def test_what_is_sent_is_signed_with_its_time(server):
    await Webhook(url=f"{server.url}/hook", secret=TOKEN).tell(a_feedback())
    [request] = server.requests
    at = request.headers["X-Rollwright-Timestamp"]
    plain = hmac.new(b"s3cret", request.body, "sha256").hexdigest()
    timed = hmac.new(b"s3cret", f"{at}.".encode() + request.body, "sha256").hexdigest()

    assert request.headers["X-Signature"] == f"sha256={plain}"
    assert request.headers["X-Rollwright-Signature"] == f"sha256={timed}"


async def test_without_a_secret_nothing_is_signed(server):
    await Webhook(url=f"{server.url}/hook").tell(a_feedback())

    assert not {"X-Signature", "X-Rollwright-Signature"} & server.requests[0].headers.keys()


async def test_a_template_makes_the_body(server):
    template = '{"text": {{ title | tojson }}, "n": {{ counts.failed }}}'
    await Webhook(url=f"{server.url}/hook", template=template).tell(a_feedback())

    assert server.requests[0].json == {"text": "shop: failed", "n": 1}


@pytest.mark.parametrize(
    "template",
    [
        "{{ nothing }}", "{{ title.nothing }}", "{{ ''.__class__.__mro__ }}",
        "{% for x in range(100000) %}{% endfor %}", "{{ 1 / 0 }}", "{{ 'x' * 1000000 }}",
        "{{ objects[9].object }}", "{{ labels.update(a=1) }}",
    ],
)  # fmt: skip
async def test_a_template_is_strict_and_sandboxed(server, template):
    with pytest.raises(RolloutError) as refused:
        await Webhook(url=f"{server.url}/hook", template=template).tell(a_feedback())

    assert not refused.value.retryable
    assert server.requests == []


def test_a_template_that_cannot_be_read_is_refused_at_once():
    with pytest.raises(ValidationError, match="line 1"):
        Webhook(url="http://x/", template="{{ a ")


@pytest.mark.parametrize(
    "url", ["ftp://x/", "file:///etc/passwd", "//x", "http://user:pw@x/", "http://", "x"]
)
def test_an_address_is_of_http_and_holds_no_password(url):
    with pytest.raises(ValidationError):
        Webhook(url=url)


async def test_a_template_puts_in_secrets_that_are_named(server):
    template = '{"key": {{ secrets.key | tojson }}}'
    await Webhook(url=f"{server.url}/hook", template=template, secrets={"key": TOKEN}).tell(
        a_feedback()
    )

    assert server.requests[0].json == {"key": "s3cret"}


async def test_a_template_that_fails_shows_no_secret(server):
    template = "{{ labels[secrets.key] }}"
    sink = Webhook(url=f"{server.url}/hook", template=template, secrets={"key": TOKEN})
    with pytest.raises(RolloutError) as refused:
        await sink.tell(a_feedback())

    assert "s3cret" not in refused.value.message


async def test_a_secret_address_is_read_where_it_is_named(server, monkeypatch):
    monkeypatch.setenv("HOOK", f"{server.url}/hook?key=hunter2")
    await Webhook(url={"env": "HOOK"}).tell(a_feedback())

    assert server.requests[0].query == {"key": "hunter2"}


async def test_a_secret_address_does_not_show(server, monkeypatch):
    monkeypatch.setenv("HOOK", f"{server.url}/gone/hunter2")
    with pytest.raises(RolloutError) as refused:
        await Webhook(url={"env": "HOOK"}).tell(a_feedback())

    assert "hunter2" not in str(refused.value)


async def test_a_secret_address_of_another_scheme_is_refused(monkeypatch):
    monkeypatch.setenv("HOOK", "file:///etc/passwd")
    with pytest.raises(RolloutError, match="http://"):
        await Webhook(url={"env": "HOOK"}).tell(a_feedback())


async def test_a_secret_that_is_not_there_is_told(monkeypatch, server):
    monkeypatch.delenv(TOKEN["env"])
    with pytest.raises(NotFound, match="TEST_FEEDBACK_TOKEN"):
        await Webhook(url=f"{server.url}/hook", secret=TOKEN).tell(a_feedback())


@pytest.mark.parametrize(
    ("reply", "is_retryable"),
    [
        (Reply(status=500), True), (Reply(status=502), True), (Reply(status=429), True),
        (Reply(status=408), True), (dropped(), True), (Reply(status=400), False),
        (Reply(status=401), False), (Reply(status=404), False), (Reply(status=410), False),
        (Reply(status=302, headers={"Location": "/other"}), False),
    ],
    ids=lambda one: str(getattr(one, "status", one)),
)  # fmt: skip
async def test_an_answer_says_whether_to_try_again(server, reply, is_retryable):
    server.on("POST", "/hook", reply)
    with pytest.raises(RolloutError) as refused:
        await Webhook(url=f"{server.url}/hook").tell(a_feedback())

    assert refused.value.retryable is is_retryable
    assert len(server.requests) == 1


async def test_a_redirect_is_not_followed(server):
    server.on("POST", "/hook", Reply(status=307, headers={"Location": f"{server.url}/other"}))
    with pytest.raises(RolloutError, match="redirects are not followed"):
        await Webhook(url=f"{server.url}/hook").tell(a_feedback())

    assert server.paths() == ["/hook"]


async def test_an_answer_that_does_not_come_is_not_waited_for(server):
    server.on("POST", "/hook", silence())
    with pytest.raises(Unreachable, match="no answer within"):
        await Webhook(url=f"{server.url}/hook", timeout="50ms").tell(a_feedback())


async def test_an_answer_that_repeats_a_secret_is_masked(server):
    server.on(
        "POST", "/hook", lambda request: Reply(status=400, body=request.headers["K"].encode())
    )
    with pytest.raises(RolloutError) as refused:
        await Webhook(url=f"{server.url}/hook", headers={"K": TOKEN}).tell(a_feedback())

    assert "s3cret" not in refused.value.message


async def test_openssl_makes_the_same_signature(server, tmp_path):
    await Webhook(url=f"{server.url}/hook", secret=TOKEN).tell(a_feedback(message="Straße ✓"))
    [request] = server.requests
    at = request.headers["X-Rollwright-Timestamp"]
    signed = [
        subprocess.run(
            ["openssl", "dgst", "-sha256", "-hmac", "s3cret"],
            input=body, capture_output=True, check=True,
        ).stdout.decode().split()[-1]
        for body in (request.body, f"{at}.".encode() + request.body)
    ]  # fmt: skip
    names = ("X-Signature", "X-Rollwright-Signature")

    assert [request.headers[name] for name in names] == [f"sha256={one}" for one in signed]


async def test_a_huge_answer_is_read_as_far_as_anybody_needs_it(server):
    server.on("POST", "/hook", Reply(status=400, body=b"x" * 2**24))
    with pytest.raises(RolloutError) as refused:
        await Webhook(url=f"{server.url}/hook").tell(a_feedback())

    assert len(refused.value.message) < 500


async def test_a_certificate_that_nobody_trusts_is_told_to(tmp_path):
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1",
            "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem",
        ], capture_output=True, check=True,
    )  # fmt: skip
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    opened = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
    async with opened:
        port = opened.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable, match="certificate"):
            await Webhook(url=f"https://127.0.0.1:{port}/hook").tell(a_feedback())


@pytest.mark.parametrize(
    ("headers", "status", "seconds"),
    [
        ({"Retry-After": "7"}, 429, 7.0),
        ({"Retry-After": "Wed, 01 Jan 2020 00:00:00 GMT"}, 503, 0.0),
        ({"Retry-After": "soon"}, 429, None),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1577836800"}, 403, 0.0),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9" * 40}, 403, None),
        ({}, 500, None),
    ],
)
async def test_it_is_heard_when_somebody_wants_to_be_asked_again(server, headers, status, seconds):
    server.on("POST", "/hook", Reply(status=status, headers=headers))
    with pytest.raises(Unreachable) as refused:
        await Webhook(url=f"{server.url}/hook").tell(a_feedback())

    assert refused.value.retryable
    assert refused.value.retry_after_seconds == seconds


async def test_nobody_there_is_no_defect():
    with pytest.raises(Unreachable):
        await Webhook(url="http://127.0.0.1:1/").tell(a_feedback())


# ------------------------------------------------------------------ GitHub


@pytest.mark.parametrize(
    ("event", "reason", "state"),
    [
        (Event.PLANNED, None, "pending"), (Event.STARTED, None, "pending"),
        (Event.APPROVAL_NEEDED, Reason.WAITING_FOR_APPROVAL, "pending"),
        (Event.SUCCEEDED, Reason.SUCCEEDED, "success"), (Event.RECOVERED, None, "success"),
        (Event.FAILED, Reason.APPLY_FAILED, "failure"),
        (Event.ROLLED_BACK, Reason.ROLLED_BACK, "failure"),
        (Event.FAILED, Reason.CLUSTER_UNREACHABLE, "error"),
        (Event.FAILED, Reason.CANCELLED, "error"), (Event.FAILED, Reason.SUPERSEDED, "error"),
    ],
)  # fmt: skip
async def test_an_event_is_a_state_of_the_commit(server, event, reason, state):
    sink = GitHub(token=TOKEN, api=server.url, repository="team/shop")
    await sink.tell(a_feedback(event=event, reason=reason))
    [request] = server.requests

    assert request.json["state"] == state
    assert request.json["context"] == "rollwright/shop"
    assert request.json["target_url"] == "https://prefect.example/runs/1"
    assert request.headers["Authorization"] == "Bearer s3cret"


async def test_a_description_is_cut_to_what_github_takes(server):
    sink = GitHub(token=TOKEN, api=server.url, repository="team/shop")
    await sink.tell(a_feedback(message="ä" * 300))
    said = server.requests[0].json["description"]

    assert len(said) == 140
    assert said.endswith("…")


async def test_without_a_page_there_is_no_link(server):
    await GitHub(token=TOKEN, api=server.url, repository="team/shop").tell(a_feedback(url=""))

    assert "target_url" not in server.requests[0].json


@pytest.mark.parametrize("revision", ["", "path@sha256:" + "a" * 64, "4.1.2", "main@sha1:abc"])
async def test_what_is_no_commit_has_no_status(server, revision):
    sink = GitHub(token=TOKEN, api=server.url, repository="team/shop")
    await sink.tell(a_feedback(revision=revision))

    assert (sink.shows(a_feedback(revision=revision)), server.requests) == ("", [])


@pytest.mark.parametrize("event", [Event.STEP_ENDED, Event.GROUP_ENDED, Event.TEST, Event.SUMMARY])
def test_a_part_of_a_run_is_no_state(event):
    assert GitHub(token=TOKEN).shows(a_feedback(event=event)) == ""


@pytest.mark.parametrize(
    ("api", "repository", "is_shown"),
    [
        ("https://api.github.com", "https://github.com/team/shop.git", True),
        ("https://api.github.com", "ssh://git@github.com/team/shop", True),
        ("https://api.github.com", "https://gitlab.com/team/shop.git", False),
        ("https://api.github.com", "https://evil.example/github.com/shop", False),
        ("https://git.example/api/v3", "https://git.example/team/shop.git", True),
        ("https://git.example/api/v3", "https://github.com/team/shop.git", False),
        ("https://api.github.com", "", False),
    ],
)
def test_the_repository_is_that_of_the_source(api, repository, is_shown):
    shown = GitHub(token=TOKEN, api=api).shows(a_feedback(repository=repository))

    assert bool(shown) is is_shown


async def test_a_status_may_be_called_otherwise(server):
    sink = GitHub(
        token=TOKEN, api=server.url, repository="team/shop", name="deploy/{cluster}/{rollout}"
    )
    await sink.tell(a_feedback())

    assert server.requests[0].json["context"] == "deploy/prod/shop"


async def test_a_token_that_may_not_is_told_and_not_tried_again(server):
    server.on("POST", STATUS, Reply(status=403, body=b'{"message": "s3cret may not"}'))
    sink = GitHub(token=TOKEN, api=server.url, repository="team/shop")
    with pytest.raises(Unauthorized) as refused:
        await sink.tell(a_feedback())

    assert not refused.value.retryable
    assert "s3cret" not in refused.value.message


def test_a_token_is_never_a_value():
    with pytest.raises(ValidationError) as refused:
        GitHub(token="ghp_hunter2")

    assert "never a value" in str(refused.value)


# ------------------------------------------------------------------ GitLab


@pytest.mark.parametrize(
    ("event", "reason", "state"),
    [
        (Event.STARTED, None, "pending"), (Event.SUCCEEDED, None, "success"),
        (Event.FAILED, Reason.APPLY_FAILED, "failed"),
        (Event.FAILED, Reason.CLUSTER_UNREACHABLE, "failed"),
        (Event.FAILED, Reason.SUPERSEDED, "canceled"),
    ],
)  # fmt: skip
async def test_an_event_is_a_state_at_gitlab(server, event, reason, state):
    sink = GitLab(token=TOKEN, url=server.url, project="team/shop")
    await sink.tell(a_feedback(event=event, reason=reason))
    [request] = server.requests

    assert (request.path, request.json["state"]) == (LAB_STATUS, state)
    assert request.json["name"] == "rollwright/shop"
    assert request.headers["PRIVATE-TOKEN"] == "s3cret"


async def test_a_state_that_gitlab_has_already_is_no_fault(server):
    said = json.dumps({"message": "Cannot transition status via :run from :running"}).encode()
    server.on("POST", LAB_STATUS, Reply(status=400, body=said))

    await GitLab(token=TOKEN, url=server.url, project="team/shop").tell(a_feedback())


async def test_another_refusal_of_gitlab_is_a_fault(server):
    server.on("POST", LAB_STATUS, Reply(status=400, body=b'{"message": "bad"}'))
    with pytest.raises(RolloutError, match="answered 400"):
        await GitLab(token=TOKEN, url=server.url, project="team/shop").tell(a_feedback())


def test_groups_of_groups_are_projects():
    nested = a_feedback(repository="https://gitlab.com/a/b/shop.git")

    assert GitLab(token=TOKEN).shows(nested) == "failed"
