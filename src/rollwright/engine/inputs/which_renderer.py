"""Which of several renderers failed: its place in the document, and what it is.

Before: one of a list of renderers failed; its message speaks of a file of the source.
After: the error names the file of the rollout, the entry of the list, and the renderer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from rollwright.documents import nearest_line
from rollwright.engine.site import Site
from rollwright.errors import InvalidDocument, InvalidManifests, RenderError
from rollwright.rollouts.spec import RolloutSpec


@contextmanager
def naming(site: Site, spec: RolloutSpec, index: int) -> Iterator[None]:
    """Name a renderer in what it complains of; the only one needs no name.

    Raises:
        RenderError: As the renderer did.
        InvalidDocument: As the renderer did.
        InvalidManifests: As the renderer did.
    """
    if len(spec.renderers) == 1:
        yield
        return
    about = f"spec.render[{index}] ({spec.renderers[index].name})"
    try:
        yield
    except (RenderError, InvalidDocument) as error:
        message = f"{_place(site, spec, index)} {about}: {error.message}"
        raise type(error)(message, hint=error.hint) from error
    except InvalidManifests as error:
        # Their own places say more: files of the source come first.
        where = f"{about} of {_place(site, spec, index)}"
        problems = [replace(one, message=f"{one.message}; {where}") for one in error.problems]
        raise InvalidManifests(problems, hint=error.hint) from error


def _place(site: Site, spec: RolloutSpec, index: int) -> str:
    if site.rollout is None:
        return spec.name
    return f"{site.rollout.path}:{nearest_line(site.rollout.document, ('spec', 'render', index))}"
