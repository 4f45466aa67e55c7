"""What every test starts from: a scrubbed environment, and the sandbox on demand."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["rollwright.testing.sandbox"]

_FOREIGN = (
    "PREFECT_",
    "KUBE",
    "ROLLWRIGHT_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
)
_KEPT = ("ROLLWRIGHT_TEST_",)


@pytest.fixture(autouse=True)
def _scrubbed_environment(monkeypatch):
    """Nothing of the person's own clusters, servers or settings reaches a test."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN) and not name.startswith(_KEPT):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    # What a test renders is rendered then and there; the person's cache stays as it is.
    monkeypatch.setenv("ROLLWRIGHT_RENDERING__CACHE", "false")
