from __future__ import annotations

import pytest
from pydantic import ValidationError

from rollwright.errors import NotFound
from rollwright.etcd.access import read_access
from rollwright.etcd.options import EtcdOptions
from rollwright.locks.etcd import EtcdLocks


def access(**options):
    return read_access(EtcdOptions.model_validate(options))


@pytest.mark.parametrize(
    ("given", "endpoint", "is_secured"),
    [
        ("127.0.0.1:2379", "127.0.0.1:2379", False),
        ("127.0.0.1", "127.0.0.1:2379", False),
        ("http://etcd.example.com:12379/", "etcd.example.com:12379", False),
        ("https://etcd-0.etcd:2379", "etcd-0.etcd:2379", True),
        ("[::1]:2379", "[::1]:2379", False),
        ("https://[::1]", "[::1]:2379", True),
    ],
)
def test_an_endpoint_is_an_address_or_a_url(given, endpoint, is_secured):
    found = access(endpoints=[given])

    assert (found.endpoints, found.tls is not None) == ((endpoint,), is_secured)


@pytest.mark.parametrize(
    "options",
    [
        {"endpoints": []},
        {"endpoints": [""]},
        {"endpoints": ["ftp://a:1"]},
        {"endpoints": ["a:1/path"]},
        {"endpoints": ["a:70000"]},
        {"endpoints": ["a b:1"]},
        {"endpoints": ["http://a:1", "https://b:1"]},
        {"endpoints": ["http://a:1"], "tls": {}},
        {"prefix": ""},
        {"prefix": "/"},
        {"prefix": "a//b"},
        {"tls": {"cert": "client.crt"}},
        {"tls": {"ca": ""}},
        {"user": "ann"},
        {"password": {"env": "P"}},
        {"user": "ann", "password": "plain-text"},
        {"user": "ann", "password": {"env": "A", "file": "b"}},
        {"unknown": 1},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(options):
    with pytest.raises(ValidationError):
        EtcdOptions.model_validate(options)


@pytest.mark.parametrize("ttl", ["1s", "0s", "2500ms", "-3s", 15])
def test_a_lease_counts_whole_seconds(ttl):
    with pytest.raises(ValidationError):
        EtcdLocks.model_validate({"ttl": ttl})


def test_a_prefix_ends_without_a_slash():
    assert EtcdOptions(prefix="/ours/").prefix == "/ours"


def test_a_password_is_read_where_it_is_used(monkeypatch, tmp_path):
    monkeypatch.setenv("PASSWORD", "from-variable")
    (tmp_path / "password").write_text("from-file\n")
    by_name = {"env": "PASSWORD"}, {"file": str(tmp_path / "password")}
    found = [access(user="ann", password=one).password for one in by_name]

    assert found == ["from-variable", "from-file"]


def test_a_password_is_never_shown(monkeypatch):
    monkeypatch.setenv("PASSWORD", "hush-hush")

    assert "hush-hush" not in repr(access(user="ann", password={"env": "PASSWORD"}))


@pytest.mark.parametrize("password", [{"env": "MISSING"}, {"file": "missing"}])
def test_a_secret_that_is_not_there_is_named(password):
    with pytest.raises(NotFound, match=r"password.*(MISSING|missing)"):
        access(user="ann", password=password)


def test_equal_options_are_equal_accesses(tmp_path):
    (tmp_path / "ca").write_text("pem")
    options = {"tls": {"ca": str(tmp_path / "ca"), "serverName": "etcd"}}

    assert access(**options) == access(**options)
    assert len({access(**options), access(**options), access()}) == 2
