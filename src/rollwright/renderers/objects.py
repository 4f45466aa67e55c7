"""From the documents of one text to manifests: what every renderer does at its end.

Lists are opened, empty documents are gone, documents that speak to tools are left out, and
whatever is no object becomes a ``Problem`` with its line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from rollwright.documents import Document, line_of, load_all
from rollwright.errors import (
    InvalidDocument,
    InvalidManifests,
    InvalidSpec,
    Problem,
    RolloutError,
)
from rollwright.rollouts.body import flatten, identity_problems, sendable
from rollwright.rollouts.manifest import (
    Manifest,
    ManifestSet,
    Origin,
    group_of,
    ref_of,
    refuse_twins,
)
from rollwright.rollouts.spec import is_older, read_older
from rollwright.rollouts.spec.older import UNCHECKED

MAX_OBJECTS = 20_000

EXCLUDE = "leave files that hold no objects out, with exclude"
"""What to do about them where a renderer has that option."""

_STRANGER = "not a Kubernetes object"

KUSTOMIZATION_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")


class Collector:
    """Manifests and problems of the texts of one rendering, in their order.

    Args:
        hint: What to do about files that hold no objects, where the renderer can.
    """

    def __init__(self, *, hint: str | None = None) -> None:
        self._hint = hint
        self._manifests: list[Manifest] = []
        self._places: list[str] = []
        self._problems: list[Problem] = []
        self._strangers: Counter[str] = Counter()
        self._counted: dict[str, int] = {}
        self._errors: list[InvalidDocument] = []
        self._rollout: Mapping[str, Any] | None = None

    def add(self, text: bytes, name: str) -> None:
        """Take every object of a text; ``name`` is its path in the source."""
        try:
            documents = load_all(text, name=name)
        except InvalidDocument as unread:
            error = self.explained(unread, name)
            self._errors.append(error)
            self._problems.append(_problem_of(error, name))
            return
        count = 0
        objects = (found for one in documents if (found := tuple(_objects(one, name))))
        for place, items in enumerate(objects, 1):
            for body, line in items:
                count += 1
                key, document = _numbered(name, count), _numbered(name, place)
                # What stands alone in its document is found by its key.
                is_item = len(items) > 1 or key != document
                origin = self.origin(name, line)
                self.add_object(body, key, origin, document=document if is_item else "")

    def origin(self, name: str, line: int) -> Origin:
        """Return where an object was written; whoever renders texts may know it better."""
        return Origin(file=name, line=line)

    def explained(self, error: InvalidDocument, name: str) -> InvalidDocument:  # noqa: ARG002  (for those who override)
        """Return what is told of a text that cannot be read."""
        return error

    def add_built(self, values: Iterable[Any], origin: Origin) -> None:
        """Take what an engine built; its lines are not those of any file."""
        for value in values:
            for _, body in flatten(value):
                if is_older(body):
                    self.take_rollout(body, origin)
                else:
                    self.add_object(body, "", origin)

    def take_rollout(self, document: Any, origin: Origin) -> None:
        """Take the rollout that an engine built with the objects; there is one at most."""
        try:
            read_older(document, name=str(origin), known=UNCHECKED)  # the engine knows the names
        except InvalidSpec as error:
            self._problems += error.problems
            return
        if self._rollout is not None:
            message = "a second Rollout; expected one at most"
            self._problems.append(Problem(where=str(origin), path="", message=message))
        self._rollout = document

    def add_object(
        self, body: Any, key: str, origin: Origin, *, document: str = "", place: str = ""
    ) -> None:
        """Take one object.

        Args:
            body: The object, if it is one.
            key: What a rollout step calls it; empty if only its identity names it.
            origin: Where it was written.
            document: The key of the list it was an item of.
            place: Where in its file it stands, if no line tells it: ``web/service``, ``[2]``.
        """
        is_told = origin.line or (not place and key in {"", origin.file})
        about = str(origin) if is_told else f"{origin}: {place or document or key}"
        problems = identity_problems(body, about)
        if problems:
            self._add_problems(
                problems, _list_of(place) or (document and f"{origin.file} {document}")
            )
            return
        self._places.append(about)
        self._manifests.append(
            Manifest(
                body=sendable(body), ref=ref_of(body), key=key, origin=origin, document=document
            )
        )
        if len(self._manifests) > MAX_OBJECTS:
            message = f"more than {MAX_OBJECTS:,} objects"
            raise InvalidManifests([Problem(where=str(origin), path="", message=message)])

    def _add_problems(self, problems: tuple[Problem, ...], items: str) -> None:
        """Keep problems; of the items of a list that are no objects the first one, and a count."""
        is_stranger = problems[0].message.startswith(_STRANGER)
        if not (is_stranger and items):
            self._problems += problems
            return
        if not self._strangers[items]:
            self._problems.append(problems[0])
            self._counted[items] = len(self._problems) - 1
        self._strangers[items] += 1

    def finish(self, source: str) -> ManifestSet:
        """Return the set; ``source`` is the revision it was rendered from.

        Raises:
            InvalidDocument: One text cannot be read, and nothing else is wrong.
            InvalidManifests: Anything else is wrong; every problem of every text.
        """
        error = self._error()
        if error:
            raise error
        refuse_twins(self._manifests, self._places)
        return ManifestSet(tuple(self._manifests), source, rollout=self._rollout)

    def _error(self) -> RolloutError | None:
        if len(self._problems) == len(self._errors) == 1:
            return self._errors[0]
        is_stranger = any(_STRANGER in one.message for one in self._problems)
        if self._problems:
            return InvalidManifests(self._told(), hint=self._hint if is_stranger else None)
        return None

    def _told(self) -> list[Problem]:
        told = list(self._problems)
        for items, index in self._counted.items():
            if more := self._strangers[items] - 1:
                others = "is 1 more item" if more == 1 else f"are {more:,} more items"
                words = f"{told[index].message}; so {others} of the list"
                told[index] = replace(told[index], message=words)
        return told


def keyed_by_identity(manifests: ManifestSet) -> ManifestSet:
    """Name objects that no file of their own names: ``Deployment/shop/web``, unique in the set.

    Where two API groups share a kind, both are written with the group.
    """
    count = Counter(str(manifest.ref) for manifest in manifests)
    keyed = tuple(
        replace(one, key=str(one.ref) if count[str(one.ref)] == 1 else one.ref.qualified)
        for one in manifests
    )
    return replace(manifests, manifests=keyed)


def _objects(document: Document, name: str) -> Iterator[tuple[Any, int]]:
    for path, body in flatten(document.value):
        if not _speaks_to_tools(body, name):
            line = (line_of(document, path) if path else None) or document.line
            yield body, line


def _speaks_to_tools(body: Any, name: str) -> bool:
    """Tell documents that stand beside manifests and are none: rollouts, kustomizations."""
    if not isinstance(body, Mapping):
        return False
    if name.rpartition("/")[2] in KUSTOMIZATION_FILES and "kind" not in body:
        return True
    api_version = body.get("apiVersion")
    group = group_of(api_version) if isinstance(api_version, str) else ""
    if is_older(body):
        return True
    return group in {"rollwright.dev", "kustomize.config.k8s.io"}


def _list_of(place: str) -> str:
    """Return the list that a place is an item of; empty if it is none."""
    return place.rpartition("[")[0] or "." if place.endswith("]") else ""


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}#{number}"


def _problem_of(error: InvalidDocument, name: str) -> Problem:
    found = re.match(rf"({re.escape(name)}(?::\d+){{0,2}}): (.*)", error.message, re.DOTALL)
    where, message = found.groups() if found else (name, error.message)
    return Problem(where=where, path="", message=message)
