"""Deliveries as their senders write them, and how each shows its origin."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from rollwright.plugins.contracts import Candidate, Delivery
from rollwright.plugins.hooks import hook_id
from rollwright.triggers.webhook.reader import Webhook
from rollwright.triggers.webhook.tokens import forget_tokens

FOLDER = Path(__file__).parent / "deliveries"
NOW = datetime(2026, 1, 2, 3, 4, 30, tzinfo=UTC)
SECRET, FORMER = "new-secret-ß", "former-secret"
ISSUER = "https://issuer.example"
PATH_TYPES = ("harbor", "quay", "dockerhub", "nexus", "acr", "cdevents", "generic")


def _hmac(secret, body, algorithm="sha256"):
    return hmac.new(secret.encode(), body, algorithm).hexdigest()


def _basic(secret):
    return "Basic " + base64.b64encode(f"rollwright:{secret}".encode()).decode()


SIGN = {
    "github": lambda secret, body: {"x-hub-signature-256": "sha256=" + _hmac(secret, body)},
    "gitea": lambda secret, body: {"x-gitea-signature": _hmac(secret, body)},
    "bitbucket": lambda secret, body: {"x-hub-signature": "sha256=" + _hmac(secret, body)},
    "bitbucket-server": lambda secret, body: {"x-hub-signature": "sha256=" + _hmac(secret, body)},
    "gitlab": lambda secret, _body: {"x-gitlab-token": secret},
    "azure": lambda secret, _body: {"authorization": _basic(secret)},
    "generic-hmac": lambda secret, body: {"x-signature": "sha512=" + _hmac(secret, body, "sha512")},
}


class Signer:
    """An issuer of tokens."""

    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def jwks(self):
        numbers = self.key.public_key().public_numbers()
        key = {"kty": "RSA", "kid": "k1", "alg": "RS256", "use": "sig",
               "n": _b64(numbers.n.to_bytes(256)), "e": _b64(numbers.e.to_bytes(3))}  # fmt: skip
        return json.dumps({"keys": [key]})

    def claims(self, **more):
        at = NOW.timestamp()
        return {
            "iss": ISSUER, "aud": "rollwright", "sub": "repo:shop/ci", "exp": at + 60, "iat": at,
            "email": "ci@shop.example", "email_verified": True, **more,
        }  # fmt: skip

    def token(self, claims=None, header=None, **more):
        head = {"alg": "RS256", "kid": "k1", "typ": "JWT", **(header or {})}
        said = self.claims(**more) if claims is None else claims
        text = ".".join(_b64(json.dumps(one).encode()) for one in (head, said))
        signature = self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{_b64(signature)}"


def _b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.fixture(scope="session")
def signer():
    return Signer()


@pytest.fixture(autouse=True)
def _secrets(monkeypatch):
    monkeypatch.setenv("HOOK", SECRET)
    monkeypatch.setenv("FORMER_HOOK", FORMER)
    forget_tokens()
    yield
    forget_tokens()


@pytest.fixture
def recorded():
    """Read a recorded delivery: headers and body as bytes."""

    def recorded(name):
        form = json.loads((FOLDER / f"{name}.json").read_text())
        return form["headers"], json.dumps(form["body"]).encode()

    return recorded


@pytest.fixture
def hook(tmp_path, signer):
    """Make a trigger of a type; words are its options."""

    def hook(type_, **options):
        given = {"type": type_, "secret": {"env": "HOOK"}, **options}
        if type_ in {"generic-oidc", "gcr"}:
            (tmp_path / "keys.json").write_text(signer.jwks())
            given = {
                "oidc": {
                    "issuer": ISSUER, "audience": "rollwright",
                    "subjects": ["repo:shop/*"], "keysFile": "keys.json",
                },
                **given,
            }  # fmt: skip
        given = {key: value for key, value in given.items() if value is not None}
        return Webhook.model_validate(given)

    return hook


@pytest.fixture
def deliver(recorded, tmp_path, signer):
    """Make a delivery of a recorded one, genuine unless something is changed."""

    def deliver(type_, name=None, *, secret=SECRET, headers=None, body=None, **more):
        known, text = recorded(name or _usual(type_))
        body = text if body is None else body
        shown = SIGN.get(type_, lambda *_about: {})(secret, body)
        if type_ in {"generic-oidc", "gcr"}:
            shown = {"authorization": f"Bearer {signer.token()}"}
        changed = {**known, **shown, **(headers or {})}
        delivery = Delivery(
            headers={key: value for key, value in changed.items() if value is not None},
            body=body, received_at=NOW, remote="192.0.2.7", receiver="hook", site="default",
            path=hook_id(secret, "hook", "default"), base=tmp_path,
            candidates=(Candidate(name="web"), Candidate(name="db")),
        )  # fmt: skip
        return replace(delivery, **more)

    return deliver


def _usual(type_):
    forges = {"github", "gitea", "gitlab", "bitbucket", "bitbucket-server", "azure"}
    return f"{type_}-push" if type_ in forges else type_


@pytest.fixture
def fingerprint():
    return lambda body: hashlib.sha256(b"hook\n" + body).hexdigest()


@pytest.fixture
def later():
    return lambda seconds: NOW + timedelta(seconds=seconds)
