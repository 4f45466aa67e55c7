"""``oneoff``: once, as soon as somebody listens (DOC-46)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

from pydantic import BaseModel

from rollwright.plugins.contracts import Firing, ListenRequest
from rollwright.plugins.options import OPTIONS


class OneOff(BaseModel):
    """Fires once each time that somebody begins to listen, and never again."""

    model_config = OPTIONS

    async def listen(self, request: ListenRequest) -> AsyncIterator[Firing]:
        """Fire once."""
        yield Firing(id=f"{request.name}:{uuid4().hex}")
