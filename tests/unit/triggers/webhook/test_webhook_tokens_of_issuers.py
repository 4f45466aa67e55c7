"""Tokens that an issuer signed: issuer, audience, subject, expiry, and whose key."""

from __future__ import annotations

import json

import pytest

from rollwright.errors import Forged

ISSUER = "https://issuer.example"


@pytest.fixture
def read(hook, deliver):
    async def read(token, **options):
        return await hook("generic-oidc", **options).read(
            deliver("generic-oidc", headers={"authorization": f"Bearer {token}"})
        )

    return read


async def test_a_good_token_is_heard(read, signer):
    assert await read(signer.token())


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "somebody"},
        {"aud": ["a", "b"]},
        {"aud": None},
        {"sub": "repo:evil/ci"},
        {"sub": None},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": 99_999_999_999},
    ],
    ids=str,
)
async def test_a_token_for_something_else_is_forged(read, signer, claims):
    with pytest.raises(Forged):
        await read(signer.token(**claims))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "RS512"},
        {"alg": "PS256"},
        {"alg": "ES256"},
        {"alg": "RS1"},
        {"alg": None},
        {"kid": "other"},
        {"crit": ["x"]},
    ],
    ids=str,
)
async def test_a_token_that_names_another_way_is_forged(read, signer, header):
    with pytest.raises(Forged):
        await read(signer.token(header=header))


async def test_a_token_of_another_key_is_forged(read, signer):
    with pytest.raises(Forged):
        await read(type(signer)().token())


@pytest.mark.parametrize("cut", [lambda t: t.rpartition(".")[0] + ".", lambda t: t[:-4] + "AAAA"])
async def test_a_token_with_another_signature_is_forged(read, signer, cut):
    with pytest.raises(Forged):
        await read(cut(signer.token()))


async def test_an_account_has_to_be_verified(read, signer):
    oidc = {
        "issuer": ISSUER, "audience": "rollwright", "email": "ci@shop.example",
        "keysFile": "keys.json",
    }  # fmt: skip

    assert await read(signer.token(), oidc=oidc)
    with pytest.raises(Forged):
        await read(signer.token(email="evil@shop.example"), oidc=oidc)
    with pytest.raises(Forged):
        await read(signer.token(email_verified=False), oidc=oidc)


async def test_a_token_may_be_too_old(read, signer, later):
    old = signer.token(iat=later(-900).timestamp())

    assert await read(old)
    with pytest.raises(Forged, match="too old"):
        await read(old, maxAge="5m")


async def test_keys_that_are_none_are_no_excuse(hook, deliver, tmp_path):
    trigger = hook("generic-oidc")
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [{"kty": "RSA"}, {}, {"kty": 7}]}))

    with pytest.raises(Forged):
        await trigger.read(deliver("generic-oidc"))
