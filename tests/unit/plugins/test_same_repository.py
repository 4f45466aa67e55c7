"""One repository has many addresses."""

from __future__ import annotations

import pytest

from rollwright.plugins.git.same import are_same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://github.com/shop/web", "https://github.com/shop/web.git"),
        ("https://github.com/shop/web", "git@github.com:shop/web.git"),
        ("https://github.com/Shop/Web/", "ssh://git@GitHub.com/shop/web"),
        ("ssh://git@ssh.github.com:443/shop/web.git", "https://github.com/shop/web"),
        ("https://git.example:443/a/b", "https://git.example/a/b"),
        ("https://git.example:8443/a/b", "ssh://git@git.example:2222/a/b.git"),
        ("https://bb.example/scm/key/web.git", "ssh://git@bb.example:7999/key/web.git"),
        ("https://org@dev.azure.com/org/p/_git/r", "git@ssh.dev.azure.com:v3/org/p/r"),
        (
            "https://dev.azure.com/org/Web%20Shop/_git/r",
            "https://dev.azure.com/org/Web Shop/_git/r",
        ),
    ],
)
def test_these_are_the_same(one, other):
    assert are_same(one, other)
    assert are_same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://github.com/shop/web", "https://github.com/shop/web2"),
        ("https://github.com/shop/web", "https://gitlab.com/shop/web"),
        ("https://github.com/shop/web", "https://evil.example/github.com/shop/web"),
        ("http://127.0.0.1:1/a.git", "http://127.0.0.1:2/a.git"),
        ("https://github.com/shop/web", ""),
        ("https://github.com/shop/web", "http://[::"),
    ],
)
def test_these_are_not(one, other):
    assert not are_same(one, other)
