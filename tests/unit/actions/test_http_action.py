"""The action Http: what is sent, what counts as an answer, and what nobody may read."""

from __future__ import annotations

import asyncio
import hmac
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import ValidationError

from rollwright.actions import http
from rollwright.actions.http import Http
from rollwright.plugins.contracts import ActionRequest
from rollwright.rollouts.plan import Step
from rollwright.rollouts.report import Outcome
from rollwright.testing.fake import FakeCluster

SECRET = "a-long-secret-value"


class Service:
    """A server that remembers what it was asked."""

    def __init__(self):
        self.url = ""
        self.heard = []
        self.status, self.text, self.headers = 200, "fine", {}
        self.delay = 0.0

    async def answer(self, request):
        self.heard.append(
            (request.method, request.path_qs, dict(request.headers), await request.text())
        )
        await asyncio.sleep(self.delay)
        return web.Response(status=self.status, text=self.text, headers=self.headers)


@pytest.fixture
async def service():
    service = Service()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", service.answer)
    async with TestServer(app) as server:
        service.url = str(server.make_url("/hook"))
        yield service


@pytest.fixture
def asked():
    def asked(**rest):
        step = Step(name="tell them", action="Http", changes=())
        return ActionRequest(
            step=step, cluster=FakeCluster(), rollout="shop", run_id="run1", **rest
        )

    return asked


@pytest.fixture(autouse=True)
def no_delay(monkeypatch):
    monkeypatch.setattr(http, "FIRST_DELAY_SECONDS", 0.0)


async def test_an_expected_answer_is_a_success(service, asked):
    result = await Http(url=service.url).run(asked())

    assert result.outcome is Outcome.SUCCEEDED
    assert "answered 200" in result.message


@pytest.mark.parametrize(
    ("expect", "status", "outcome"),
    [
        ("2xx", 204, Outcome.SUCCEEDED),
        ("2xx", 404, Outcome.FAILED),
        (404, 404, Outcome.SUCCEEDED),
        ([200, "4xx"], 409, Outcome.SUCCEEDED),
        ([200], 201, Outcome.FAILED),
    ],
)
async def test_the_status_decides(service, asked, expect, status, outcome):
    service.status, service.text = status, ""
    result = await Http(url=service.url, expect=expect).run(asked())

    assert result.outcome is outcome


async def test_a_bad_answer_is_quoted(service, asked):
    service.status, service.text = 500, "out of order"
    result = await Http(url=service.url).run(asked())

    assert "answered 500, expected 2xx: out of order" in result.message


async def test_only_the_beginning_of_an_answer_is_read(service, asked):
    service.status, service.text = 500, "x" * 10_000_000
    result = await Http(url=service.url).run(asked())

    assert len(result.message) < 500


async def test_json_is_sent_as_json(service, asked):
    await Http(url=service.url, method="POST", json={"a": [1, None]}).run(asked())

    [(method, _, headers, text)] = service.heard
    assert (method, text) == ("POST", '{"a":[1,null]}')
    assert headers["Content-Type"] == "application/json"


async def test_a_repetition_can_be_known(service, asked):
    await Http(url=service.url).run(asked())
    await Http(url=service.url).run(asked())

    keys = [headers["Idempotency-Key"] for _, _, headers, _ in service.heard]
    assert keys == ["run1/tell%20them"] * 2


async def test_secrets_are_read_when_they_are_sent(service, asked, monkeypatch, tmp_path):
    monkeypatch.setenv("HOOK_TOKEN", SECRET)
    (tmp_path / "key").write_text("another-secret\n")
    headers = {"Authorization": {"env": "HOOK_TOKEN"}, "X-Key": {"file": str(tmp_path / "key")}}
    await Http(url=service.url, headers=headers).run(asked())

    [(_, _, heard, _)] = service.heard
    assert (heard["Authorization"], heard["X-Key"]) == (SECRET, "another-secret")


async def test_what_is_sent_can_be_signed(service, asked, monkeypatch):
    monkeypatch.setenv("HOOK_KEY", SECRET)
    action = Http(
        url=service.url, method="POST", body="hello", signature={"secret": {"env": "HOOK_KEY"}}
    )
    await action.run(asked())

    [(_, _, headers, _)] = service.heard
    digest = hmac.digest(SECRET.encode(), b"hello", "sha256").hex()
    assert headers["X-Signature-256"] == f"sha256={digest}"


async def test_a_secret_that_comes_back_is_hidden(service, asked, monkeypatch):
    monkeypatch.setenv("HOOK_TOKEN", SECRET)
    service.status, service.text = 401, f"bad token {SECRET}"
    result = await Http(url=service.url, headers={"X": {"env": "HOOK_TOKEN"}}).run(asked())

    assert SECRET not in repr(result)
    assert "bad token ***" in result.message


async def test_a_secret_that_is_not_there_is_a_failure(service, asked, monkeypatch):
    monkeypatch.delenv("HOOK_TOKEN", raising=False)
    result = await Http(url=service.url, headers={"X": {"env": "HOOK_TOKEN"}}).run(asked())

    assert result.outcome is Outcome.FAILED
    assert "HOOK_TOKEN" in result.message
    assert service.heard == []


async def test_a_secret_of_several_lines_is_no_header(service, asked, monkeypatch):
    monkeypatch.setenv("HOOK_TOKEN", f"{SECRET}\nX-Other: 1")
    result = await Http(url=service.url, headers={"X": {"env": "HOOK_TOKEN"}}).run(asked())

    assert result.outcome is Outcome.FAILED
    assert SECRET not in repr(result)
    assert service.heard == []


async def test_redirects_are_not_followed(service, asked):
    service.status, service.headers = 302, {"Location": "/elsewhere"}
    result = await Http(url=service.url).run(asked())

    assert result.outcome is Outcome.FAILED
    assert "redirects are not followed" in result.message
    assert len(service.heard) == 1


async def test_time_runs_out(service, asked):
    service.delay = 30
    result = await Http(url=service.url, timeout="100ms").run(asked())

    assert result.outcome is Outcome.TIMED_OUT
    assert "no answer within 100ms" in result.message


@pytest.mark.parametrize(("is_idempotent", "attempts"), [(False, 1), (True, http.ATTEMPTS)])
async def test_a_failed_connection_is_tried_again_where_that_does_no_harm(
    asked, unused_tcp_port, is_idempotent, attempts
):
    told: list[str] = []
    action = Http(url=f"http://127.0.0.1:{unused_tcp_port}/x", idempotent=is_idempotent)
    result = await action.run(asked(tell=told.append))

    assert result.outcome is Outcome.FAILED
    assert len(told) == attempts - 1


async def test_a_bad_answer_is_not_asked_for_again(service, asked):
    service.status = 503
    await Http(url=service.url, idempotent=True).run(asked())

    assert len(service.heard) == 1


async def test_a_run_that_stops_sends_nothing(service, asked):
    result = await Http(url=service.url).run(asked(must_stop=lambda: True))

    assert result.outcome is Outcome.CANCELLED
    assert service.heard == []


async def test_proxies_of_the_environment_do_not_count(service, asked, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert (await Http(url=service.url).run(asked())).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://a/b",
        "//a/b",
        "a",
        "",
        "http://",
        "http://u:p@a/",
        "http://a:x/",
    ],
)
def test_other_addresses_are_refused(url):
    with pytest.raises(ValidationError):
        Http(url=url)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "get"},
        {"method": "GET /"},
        {"headers": {"a b": "c"}},
        {"headers": {"a": "b\r\nc: d"}},
        {"headers": {"Content-Length": "1"}},
        {"headers": {"a": {"value": "secret"}}},
        {"signature": {"secret": "as-it-stands"}},
        {"expect": []},
        {"expect": [700]},
        {"expect": "good"},
        {"body": "a", "json": {}},
        {"timeout": 5},
    ],
)
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises(ValidationError):
        Http.model_validate({"url": "http://a/", **options})


def test_it_says_what_it_will_do_without_the_query():
    action = Http(url="https://example.com/hook?token=abc", method="POST")

    assert str(action) == "POST https://example.com/hook, expecting 2xx"
    assert action.timeout == timedelta(seconds=15)
