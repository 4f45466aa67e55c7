"""WH-02, WH-03: only who knows the secret is heard."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from rollwright.errors import Forged, NotFound
from rollwright.triggers.webhook.kinds import KINDS, Sender
from rollwright.triggers.webhook.reader import Webhook
from rollwright.triggers.webhook.tokens import forget_tokens

TYPES = [str(one) for one in Sender]
SIGNED = {
    "github": "x-hub-signature-256",
    "gitea": "x-gitea-signature",
    "bitbucket": "x-hub-signature",
    "bitbucket-server": "x-hub-signature",
    "gitlab": "x-gitlab-token",
    "azure": "authorization",
    "generic-hmac": "x-signature",
    "generic-oidc": "authorization",
    "gcr": "authorization",
}
BY_SECRET = [one for one in SIGNED if one not in {"generic-oidc", "gcr"}]
BY_PATH = [one for one in TYPES if one not in SIGNED]
BY_BODY = ["github", "gitea", "bitbucket", "bitbucket-server", "generic-hmac"]
BAD = ("", "x", "sha256=", "sha256=zz", "sha1=0", "Basic", "Basic !", "Bearer a.b.c", "=" * 9, "ß")


def test_every_type_is_tried():
    assert set(KINDS) == {Sender(one) for one in (*SIGNED, *BY_PATH)}


@pytest.mark.parametrize("type_", TYPES)
async def test_a_genuine_delivery_fires(hook, deliver, type_):
    (firing,) = await hook(type_).read(deliver(type_))

    assert firing.rollouts == ("web", "db")


@pytest.mark.parametrize("type_", SIGNED)
async def test_one_without_a_signature_is_forged(hook, deliver, type_):
    with pytest.raises(Forged):
        await hook(type_).read(deliver(type_, headers={SIGNED[type_]: None}))


@pytest.mark.parametrize("type_", BY_SECRET)
async def test_one_with_another_secret_is_forged(hook, deliver, type_):
    with pytest.raises(Forged):
        await hook(type_).read(deliver(type_, secret="guessed"))


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("type_", SIGNED)
async def test_one_whose_signature_is_malformed_is_forged(hook, deliver, type_, bad):
    with pytest.raises(Forged):
        await hook(type_).read(deliver(type_, headers={SIGNED[type_]: bad}))


@pytest.mark.parametrize("type_", BY_BODY)
async def test_a_body_that_was_changed_is_forged(hook, deliver, type_):
    genuine = deliver(type_)
    changed = deliver(type_, body=genuine.body + b" ", headers=genuine.headers)

    with pytest.raises(Forged):
        await hook(type_).read(changed)


@pytest.mark.parametrize("type_", BY_PATH)
async def test_one_at_another_address_is_forged(hook, deliver, type_):
    for path in ("", "0" * 64, deliver(type_, secret="guessed").path):
        with pytest.raises(Forged):
            await hook(type_).read(deliver(type_, path=path))


@pytest.mark.parametrize("type_", [*BY_SECRET, *BY_PATH])
async def test_two_secrets_are_valid_while_they_rotate(hook, deliver, type_):
    from_before = deliver(type_, secret="former-secret")

    assert await hook(type_, formerSecret={"env": "FORMER_HOOK"}).read(from_before)
    assert await hook(type_, secret=None, secrets=[{"env": "HOOK"}, {"env": "FORMER_HOOK"}]).read(
        from_before
    )
    with pytest.raises(Forged):
        await hook(type_).read(from_before)


async def test_a_secret_that_was_changed_in_its_place_counts(hook, deliver, monkeypatch):
    trigger = hook("github")
    await trigger.read(deliver("github"))
    monkeypatch.setenv("HOOK", "other")
    forget_tokens()

    assert await trigger.read(deliver("github", secret="other"))


async def test_a_secret_in_a_file_lies_beside_the_site(hook, deliver, tmp_path):
    (tmp_path / "hook.key").write_text("of-a-file\n")

    assert await hook("github", secret={"file": "hook.key"}).read(
        deliver("github", secret="of-a-file")
    )


async def test_a_secret_that_is_not_there_takes_nothing(hook, deliver):
    with pytest.raises(NotFound, match="variable NOBODY"):
        await hook("github", secret={"env": "NOBODY"}).read(deliver("github", secret=""))


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
async def test_a_signature_names_its_algorithm(hook, deliver, algorithm):
    body = b"{}"
    signature = hmac.new("new-secret-ß".encode(), body, algorithm).hexdigest()
    headers = {"x-signature": f"{algorithm}={signature.upper()}"}

    assert await hook("generic-hmac").read(deliver("generic-hmac", body=body, headers=headers))


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "shake_128", "none", ""])
async def test_weak_and_unknown_algorithms_are_refused(hook, deliver, algorithm):
    body = b"{}"
    known = algorithm if algorithm in {"md5", "sha1"} else "md5"
    signature = hmac.new("new-secret-ß".encode(), body, known).hexdigest()
    headers = {"x-signature": f"{algorithm}={signature}"}

    with pytest.raises(Forged):
        await hook("generic-hmac").read(deliver("generic-hmac", body=body, headers=headers))


async def test_azure_may_ask_for_a_user(hook, deliver):
    assert await hook("azure", username="rollwright").read(deliver("azure"))
    with pytest.raises(Forged):
        await hook("azure", username="somebody").read(deliver("azure"))


async def test_what_a_registry_offers_beside_its_address_is_checked(hook, deliver):
    body = deliver("nexus").body
    good = hmac.new("new-secret-ß".encode(), body, hashlib.sha1).hexdigest()

    assert await hook("nexus").read(deliver("nexus", headers={"x-nexus-webhook-signature": good}))
    with pytest.raises(Forged):
        await hook("nexus").read(deliver("nexus", headers={"x-nexus-webhook-signature": "0"}))
    with pytest.raises(Forged):
        await hook("harbor").read(deliver("harbor", headers={"authorization": "guessed"}))


@pytest.mark.parametrize(
    ("type_", "options", "match"),
    [
        ("github", {"secret": None}, "name a secret"),
        ("github", {"insecure": True}, "insecure means no check"),
        ("github", {"secret": "hunter2"}, "never a value"),
        ("github", {"secrets": [{"env": "A"}]}, "or secrets"),
        ("github", {"secret": None, "secrets": [{"env": "A"}] * 3}, "at most 2"),
        ("github", {"secret": None, "formerSecret": {"env": "A"}}, "beside secret"),
        ("generic-oidc", {"oidc": None}, "needs oidc"),
        ("gcr", {"oidc": {"audience": "a"}}, "name who may send"),
        ("generic-oidc", {"oidc": {"issuer": "http://x", "audience": "a"}}, "https"),
        ("github", {"refs": ["main"]}, "full names"),
        ("github", {"filter": "body."}, "filter"),
        ("github", {"filter": "1 + 1"}, "true or false"),
        ("nobody", {}, "type"),
    ],
)
def test_options_that_leave_the_origin_open_are_refused(hook, type_, options, match):
    with pytest.raises(ValueError, match=match):
        hook(type_, **options)


async def test_anybody_is_heard_only_where_the_document_says_so(deliver):
    open_to_all = Webhook.model_validate({"type": "generic", "insecure": True})

    assert await open_to_all.read(deliver("generic", path="", headers={}))


def test_the_address_is_made_of_each_secret(hook, tmp_path):
    both = hook("github", formerSecret={"env": "FORMER_HOOK"})

    assert both.tokens(tmp_path) == ("new-secret-ß", "former-secret")
