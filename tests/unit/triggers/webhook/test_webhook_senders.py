"""Senders as they are: headers and bodies as their manuals have them, and their oddities."""

from __future__ import annotations

import hashlib
import hmac
import json
from urllib.parse import urlencode

import pytest

from rollwright.errors import Forged, InvalidDocument, NotFound
from rollwright.plugins.contracts import Candidate, Push
from rollwright.triggers.webhook.tokens import forget_tokens

SECRET = "new-secret-ß"
FORM = {"content-type": "application/x-www-form-urlencoded"}
ZERO = "0" * 40


def sign(body, secret=SECRET):
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.fixture
def read(hook, deliver):
    """Read a delivery with nothing but the headers and the body that are given."""

    async def read(type_, body, headers, **options):
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        pushes: list[Push] = []

        def is_pushed(push):
            pushes.append(push)
            return True

        one = Candidate(name="web", is_pushed=is_pushed)
        delivery = deliver(type_, body=text, candidates=(one,))
        given = {"content-type": "application/json", **headers(text)}
        changed = type(delivery)(
            headers=given, body=text, received_at=delivery.received_at, receiver="hook",
            site="default", path=delivery.path, base=delivery.base, candidates=(one,),
        )  # fmt: skip
        return await hook(type_, **options).read(changed), pushes

    return read


def github(event, **more):
    return lambda body: {
        "x-github-event": event, "x-github-delivery": "72d3162e", **more,
        "x-hub-signature-256": f"sha256={sign(body)}", "x-hub-signature": "sha1=00",
    }  # fmt: skip


REPOSITORY = {"full_name": "shop/web", "clone_url": "https://git.example/shop/web.git"}


@pytest.mark.parametrize(
    ("event", "body", "events", "fires"),
    [
        ("push", {"ref": "refs/tags/v1", "after": "b" * 40, "created": True}, (), True),
        ("push", {"ref": "refs/tags/v1", "after": ZERO, "deleted": True}, (), False),
        ("push", {"ref": "refs/heads/x", "after": ZERO, "deleted": True}, (), False),
        ("delete", {"ref": "x", "ref_type": "branch"}, (), False),
        ("ping", {"zen": "x", "hook_id": 1}, (), False),
        ("ping", {"zen": "x", "hook_id": 1}, ("ping", "*"), False),
        ("pull_request", {"action": "opened", "number": 1}, (), False),
        ("pull_request", {"action": "opened", "number": 1}, ("pull_request",), True),
        ("package", {"action": "published"}, ("package", "registry_package"), True),
        ("registry_package", {"action": "published"}, ("*package",), True),
        ("push", {}, (), True),
    ],
)
async def test_github_and_its_registry(read, event, body, events, fires):
    found, _ = await read(
        "github", {**body, "repository": REPOSITORY}, github(event), events=events
    )

    assert bool(found) is fires


async def test_a_package_of_nobody_s_repository_is_one(read):
    found, _ = await read(
        "github", {"package": {"name": "web"}, "repository": None}, github("package"),
        events=["package"],
    )  # fmt: skip

    assert found


@pytest.mark.parametrize("name", ["gitea", "forgejo", "gogs"])
async def test_gitea_and_its_kin_call_their_headers_after_themselves(read, name):
    body = {"ref": "refs/heads/main", "after": "b" * 40, "repository": REPOSITORY}
    headers = lambda text: {  # noqa: E731
        f"x-{name}-event": "push", f"x-{name}-delivery": "d1", f"x-{name}-signature": sign(text),
    }  # fmt: skip
    found, pushes = await read("gitea", body, headers)

    assert found[0].id == "hook:d1"
    assert pushes[0].ref == "refs/heads/main"


@pytest.mark.parametrize(
    "is_inner", [True, False], ids=["its JSON is signed", "the form is signed"]
)
async def test_gitea_may_send_a_form(read, is_inner):
    inner = json.dumps({"ref": "refs/heads/main", "repository": REPOSITORY}).encode()
    body = urlencode({"payload": inner.decode()}).encode()
    signed = inner if is_inner else body
    headers = lambda _text: {  # noqa: E731
        **FORM, "x-gitea-event": "push", "x-gitea-signature": sign(signed),
    }  # fmt: skip

    assert (await read("gitea", body, headers))[0]


@pytest.mark.parametrize(
    "form",
    ["payload={}&payload={}", "a=b", "%ff=1&payload=%ff", "payload=" + "&a=1" * 20, "payload"],
)
async def test_a_form_that_hides_something_is_not_read(read, form):
    headers = lambda _text: {  # noqa: E731
        **FORM, "x-gitea-event": "push", "x-gitea-signature": sign(b"{}"),
    }  # fmt: skip

    with pytest.raises(Forged):
        await read("gitea", form.encode(), headers)
    with pytest.raises(InvalidDocument):
        await read("github", form.encode(), lambda text: {**github("push")(text), **FORM})


@pytest.mark.parametrize(
    ("body", "ref"),
    [
        ({"object_kind": "push", "event_name": "push", "after": "b" * 40}, "refs/heads/main"),
        ({"event_name": "push", "after": "b" * 40}, "refs/heads/main"),
        ({"event_name": "tag_push", "after": "b" * 40, "ref": "refs/tags/v1"}, "refs/tags/v1"),
        ({"object_kind": "push", "after": ZERO}, None),
        ({"event_name": "project_create"}, None),
        ({"event_name": "repository_update", "changes": []}, None),
    ],
)
async def test_gitlab_sends_pushes_of_projects_and_of_the_system(read, body, ref):
    project = {"path_with_namespace": "shop/web", "git_http_url": REPOSITORY["clone_url"]}
    headers = lambda _text: {  # noqa: E731
        "x-gitlab-event": "System Hook", "x-gitlab-token": SECRET,
    }  # fmt: skip
    _, pushes = await read(
        "gitlab", {"ref": "refs/heads/main", "project": project, **body}, headers
    )

    assert [one.ref for one in pushes] == ([ref] if ref else [])


@pytest.mark.parametrize(
    ("event", "changes", "refs"),
    [
        ("repo:push", [{"old": None, "new": {"type": "branch", "name": "a"}}], ["refs/heads/a"]),
        ("repo:push", [{"old": {"type": "branch", "name": "a"}, "new": None}], []),
        ("repo:push", [{"old": None, "new": {"type": "tag", "name": "v1"}}], ["refs/tags/v1"]),
        ("repo:push", [{"old": {"type": "branch", "name": "a"}, "new": None},
                       {"new": {"type": "branch", "name": "b"}}], ["refs/heads/b"]),
        ("repo:push", [], []),
        ("repo:push", None, []),
        ("diagnostics:ping", None, []),
        ("pullrequest:created", None, []),
    ],
)  # fmt: skip
async def test_bitbucket_says_what_became_of_each_ref(read, event, changes, refs):
    body = {"repository": {"full_name": "shop/web"}, "push": {"changes": changes}}
    headers = lambda text: {  # noqa: E731
        "x-event-key": event, "x-hub-signature": f"sha256={sign(text)}", "x-request-uuid": "r1",
    }  # fmt: skip
    _, pushes = await read("bitbucket", body, headers)

    assert [one.ref for one in pushes] == refs


@pytest.mark.parametrize(
    ("event", "body", "refs"),
    [
        ("repo:refs_changed", {"type": "UPDATE", "toHash": "b" * 40}, ["refs/heads/main"]),
        ("repo:refs_changed", {"type": "DELETE", "toHash": ZERO}, []),
        ("diagnostics:ping", {"type": "UPDATE"}, []),
    ],
)
async def test_bitbucket_server_has_a_test_of_its_own(read, event, body, refs):
    change = {"ref": {"id": "refs/heads/main"}, **body}
    repository = {"slug": "web", "project": {"key": "SHOP"}}
    headers = lambda text: {  # noqa: E731
        "x-event-key": event, "x-hub-signature": f"sha256={sign(text)}",
    }  # fmt: skip
    _, pushes = await read(
        "bitbucket-server", {"test": True, "changes": [change], "repository": repository}, headers
    )

    assert [one.ref for one in pushes] == refs


@pytest.mark.parametrize(
    ("type_", "fires"),
    [("harbor.artifact.pushed", True), ("harbor.artifact.pulled", False), (None, False)],
)
@pytest.mark.parametrize("scheme", ["", "Bearer ", "bearer "])
async def test_harbor_may_send_cloud_events_and_bear_its_secret(read, type_, fires, scheme):
    resource = {"tag": "1.2", "resource_url": "harbor.example/shop/web:1.2"}
    body = {
        "specversion": "1.0", "id": "66e18103", "type": type_, "time": "2026-01-02T03:04:05Z",
        "data": {"resources": [resource], "repository": {"repo_full_name": "shop/web"}},
    }  # fmt: skip
    found, _ = await read(
        "harbor", body, lambda _text: {"authorization": scheme + SECRET},
        repositories=["shop/web"], refs=["1.*"],
    )  # fmt: skip

    assert [one.id for one in found] == (["hook:66e18103"] if fires else [])


@pytest.mark.parametrize("given", ["Basic new-secret-ß", "Bearer", "Bearer  ", "Bearer guessed"])
async def test_harbor_with_another_secret_is_forged(read, given):
    with pytest.raises(Forged):
        await read("harbor", {"type": "PUSH_ARTIFACT"}, lambda _text: {"authorization": given})


async def test_a_push_of_azure_with_seven_digits_of_a_second_is_not_old(read):
    body = {
        "id": "e1", "eventType": "git.push", "createdDate": "2026-01-02T03:04:05.1234567Z",
        "resource": {
            "repository": {"name": "web", "remoteUrl": "https://dev.azure.com/o/p/_git/web"},
            "refUpdates": [
                {"name": "refs/heads/a", "newObjectId": ZERO},
                {"name": "refs/heads/main", "newObjectId": "b" * 40},
            ],
        },
    }  # fmt: skip
    login = "Basic OnB3"
    with pytest.raises(Forged):
        await read("azure", body, lambda _text: {"authorization": login})
    import base64

    good = base64.b64encode(f"any:{SECRET}".encode()).decode()
    _, pushes = await read("azure", body, lambda _text: {"authorization": f"Basic {good}"})

    assert [one.ref for one in pushes] == ["refs/heads/main"]


@pytest.mark.parametrize("action", ["ping", "delete", "quarantine"])
async def test_what_a_registry_of_azure_says_beside_pushes_means_nothing(read, action):
    body = {"id": "1", "action": action, "target": {"repository": "web"}}

    assert (await read("acr", body, lambda _text: {}))[0] == ()


@pytest.mark.parametrize(
    ("given", "is_heard"),
    [
        ("sha256={}", True),
        ("SHA256={}", True),
        (" sha256 = {} ", True),
        ("{}", False),
        ("={}", False),
        ("sha256:{}", False),
        ("sha256=sha256={}", False),
        ("sha256={}0", False),
        ("sha512={}", False),
    ],
)
@pytest.mark.parametrize("is_upper", [True, False])
async def test_a_signature_has_one_form(read, given, is_heard, is_upper):
    def headers(text):
        digits = sign(text).upper() if is_upper else sign(text)
        return {"x-signature": given.format(digits)}

    if is_heard:
        assert (await read("generic-hmac", {}, headers))[0]
    else:
        with pytest.raises(Forged):
            await read("generic-hmac", {}, headers)


@pytest.mark.parametrize("written", [b"new-secret\n", b"new-secret\r\n", b"new-secret"])
async def test_the_end_of_a_line_is_no_part_of_a_secret(read, tmp_path, written):
    (tmp_path / "hook").write_bytes(written)
    headers = lambda text: {"x-signature": f"sha256={sign(text, 'new-secret')}"}  # noqa: E731

    assert (await read("generic-hmac", {}, headers, secret={"file": "hook"}))[0]


@pytest.mark.parametrize("written", [b"", b"\n", b"  \n", b"\xff"])
@pytest.mark.parametrize("type_", ["generic-hmac", "gitlab", "azure", "generic", "github"])
async def test_a_secret_that_is_none_opens_nothing(read, tmp_path, type_, written):
    (tmp_path / "hook").write_bytes(written)
    forget_tokens()
    text = written.decode(errors="replace").strip()
    headers = lambda body: {  # noqa: E731
        "x-signature": f"sha256={sign(body, text)}", "x-gitlab-token": text,
        "x-hub-signature-256": f"sha256={sign(body, text)}", "authorization": "Basic Og==",
    }  # fmt: skip

    with pytest.raises(NotFound):
        await read(type_, {}, headers, secret={"file": "hook"})


@pytest.mark.parametrize(
    ("body", "is_read"),
    [
        (b"\xef\xbb\xbf{}", True),
        (b'{"a": 1, "a": 2}', True),
        (b'{"a": ' + b"9" * 400 + b"}", False),
        (b'{"a": 123456789012345678901234567890}', True),
        (b'{"timestamp": 1e300}', True),
        (b'{"timestamp": -1e300}', True),
        (b'{"timestamp": "0001-01-01T00:00:00+23:59"}', None),
        (b'{"a": 1e999}', False),
        (b'{"a": Infinity}', False),
        (b'{"a": "\\ud800"}', False),
        (b'"\xc3\x28"', False),
        (b"{}{}", False),
        (b"{'a': 1}", False),
        (b"\x00", False),
        (b"null", True),
        (b"7", True),
    ],
    ids=ascii,
)
async def test_json_at_its_edges(read, body, is_read):
    headers = lambda text: {"x-signature": f"sha256={sign(text)}"}  # noqa: E731
    if is_read:
        assert (await read("generic-hmac", body, headers))[0]
    else:
        with pytest.raises(Forged if is_read is None else InvalidDocument):
            await read("generic-hmac", body, headers)


@pytest.mark.parametrize("type_", ["github", "gitea", "gitlab", "bitbucket", "bitbucket-server",
    "azure", "gcr", "harbor", "quay", "dockerhub", "nexus", "acr", "cdevents", "generic",
    "generic-hmac", "generic-oidc"])  # fmt: skip
@pytest.mark.parametrize(
    "body",
    [b"null", b"[]", b"7", b'"x"', b'{"repository": 7, "ref": [], "commits": {}}',
     b'{"repository": {"full_name": {}}, "push": [], "resource": "x", "project": []}',
     b'{"message": {"data": "!!"}, "event_data": 1, "data": [], "context": 1, "changes": [7]}'],
)  # fmt: skip
async def test_what_is_not_as_the_sender_writes_it_breaks_nothing(hook, deliver, type_, body):
    found = await hook(type_, events=["*"]).read(deliver(type_, body=body))

    assert isinstance(found, tuple)
