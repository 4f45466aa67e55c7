"""Credentials that end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rollwright.errors import Unauthorized
from rollwright.kube.credentials import (
    Identity,
    Provided,
    ProvidedCredentials,
    impersonation,
)
from rollwright.kube.retry import Timing
from rollwright.kube.tls import ClientCertificate

START = datetime(2025, 1, 1, tzinfo=UTC)


class Provider:
    """Gives token after token, each for ten minutes, or fails."""

    def __init__(self) -> None:
        self.now = START
        self.count = 0
        self.is_broken = False

    def __call__(self) -> Provided:
        if self.is_broken:
            raise Unauthorized("plugin failed")
        self.count += 1
        return Provided(
            headers=(("Authorization", f"Bearer {self.count}"),),
            expires_at=self.now + timedelta(minutes=10),
        )

    def credentials(self, base: Identity | None = None) -> ProvidedCredentials:
        return ProvidedCredentials(self, base or Identity(), timing=Timing(now=lambda: self.now))


async def token(credentials: ProvidedCredentials) -> str:
    return dict((await credentials.current()).headers)["Authorization"]


@pytest.mark.parametrize(("minutes", "expected"), [(0, "1"), (8, "1"), (9.1, "2"), (30, "2")])
async def test_credentials_are_renewed_a_minute_before_their_end(
    minutes: float, expected: str
) -> None:
    provider = Provider()
    credentials = provider.credentials()
    await credentials.current()
    provider.now += timedelta(minutes=minutes)

    assert await token(credentials) == f"Bearer {expected}"


async def test_while_the_old_ones_are_good_a_failure_does_no_harm() -> None:
    provider = Provider()
    credentials = provider.credentials()
    await credentials.current()
    provider.is_broken = True
    provider.now += timedelta(minutes=9.5)

    assert await token(credentials) == "Bearer 1"


async def test_when_the_old_ones_have_ended_a_failure_is_told() -> None:
    provider = Provider()
    credentials = provider.credentials()
    await credentials.current()
    provider.is_broken = True
    provider.now += timedelta(minutes=10)

    with pytest.raises(Unauthorized, match="plugin failed"):
        await credentials.current()


async def test_a_refusal_asks_again_once() -> None:
    provider = Provider()
    credentials = provider.credentials()
    refused = await credentials.current()

    answers = [await credentials.refresh(refused), await credentials.refresh(refused)]

    assert (answers, provider.count) == ([True, True], 2)


async def test_what_the_kubeconfig_has_beside_is_kept() -> None:
    certificate = ClientCertificate(certificate_file="me.crt")
    base = Identity(headers=impersonation("jane"), certificate=certificate)

    identity = await Provider().credentials(base).current()

    assert identity.certificate is certificate
    assert identity.headers == (("Impersonate-User", "jane"), ("Authorization", "Bearer 1"))


def test_groups_stand_each_for_itself() -> None:
    pairs = impersonation("jane", groups=("a", "b"))

    assert pairs[1:] == (("Impersonate-Group", "a"), ("Impersonate-Group", "b"))


def test_keys_of_extras_are_encoded() -> None:
    pairs = impersonation("jane", extra={"Example.com/ä b": ["x", "y"]})

    assert pairs[1:] == (
        ("Impersonate-Extra-Example.com%2F%C3%A4%20b", "x"),
        ("Impersonate-Extra-Example.com%2F%C3%A4%20b", "y"),
    )
