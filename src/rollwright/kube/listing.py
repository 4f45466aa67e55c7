"""All objects of a kind, page by page.

Before: ``kinds`` found the path of the kind.
After: ``cluster`` returns the objects; ``watch`` goes on from their resource version.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollwright.errors import ClusterError
from rollwright.kube.objects import Page, read_metadata, read_object, read_page
from rollwright.kube.request import PAGE_SIZE, Request, list_request
from rollwright.kube.transport import Transport
from rollwright.plugins.contracts import ListRequest, ServedKind
from rollwright.rollouts.live import LiveObject


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects as they were at one resource version."""

    objects: tuple[LiveObject, ...]
    resource_version: str


async def list_all(transport: Transport, served: ServedKind, wanted: ListRequest) -> Listing:
    """Read all pages; when the server forgot where we were, all at once.

    Raises:
        ClusterError: The server refuses.
        Unreachable: It does not answer.
    """
    try:
        return await _pages(transport, served, wanted, PAGE_SIZE)
    except ClusterError as error:
        if error.status != 410:
            raise
    return await _pages(transport, served, wanted, 0)


async def _pages(
    transport: Transport, served: ServedKind, wanted: ListRequest, size: int
) -> Listing:
    objects: list[LiveObject] = []
    token = ""
    while True:
        request = list_request(served, wanted, token=token, page=size)
        page = read_page((await transport.send(request)).body, request)
        objects += _objects(page, served, wanted, request)
        token = page.metadata.token
        if not token:
            return Listing(tuple(objects), page.metadata.resource_version)


def _objects(
    page: Page, served: ServedKind, wanted: ListRequest, request: Request
) -> list[LiveObject]:
    read = read_metadata if wanted.metadata_only else read_object
    # Copied out of the page, so that one object that is kept does not keep all its neighbors.
    return [read(bytes(item), served, request) for item in page.items or ()]
