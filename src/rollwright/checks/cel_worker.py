"""Expressions of CEL as checks have them evaluated; ``plugins.cel.worker`` does it."""

from __future__ import annotations

from rollwright.plugins.cel.worker import WORKER, Answer, Request, Worker

__all__ = ["WORKER", "Answer", "Request", "Worker"]
