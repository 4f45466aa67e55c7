"""Writes of a status into the object that set a run off, as its kind allows them.

Before: ``subject_status`` knows what is to be told.
After: it stands in the object's status; what the kind does not take is left out from then on.

Nothing here fails a run: who was faster is asked again, who is gone is not written to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from rollwright.engine.site import Site
from rollwright.errors import ClusterError
from rollwright.plugins.contracts import Cluster, GetRequest, PatchForm, PatchRequest, Subject
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import ObjectRef, group_of
from rollwright.rollouts.triggering.conditions import (
    Forms,
    SubjectStatus,
    is_written,
    kept_forms,
    lost_fields,
    status_after,
)

_ATTEMPTS = 6
_FORMS = (Forms(), Forms(has_groups=False), Forms(has_standard=False))
"""What is tried in turn where a schema refuses conditions of one kind."""


@dataclass(slots=True)
class KindWays:
    """What one kind takes, as far as it was seen.

    Attributes:
        forms: Which conditions.
        lost: Fields that its schema does not have.
        has_subresource: Whether its status is written by itself.
        is_mute: Whether it takes nothing at all.
        is_told: Whether a person was told of what it does not take.
    """

    forms: Forms = field(default_factory=Forms)
    lost: frozenset[str] = frozenset()
    has_subresource: bool = True
    is_mute: bool = False
    is_told: bool = False


class SubjectWriter:
    """Writes the status of one object.

    Args:
        site: Names its cluster.
        subject: The object.
        ways: What its kind takes; shared by all of the kind.
        note: Tells a person.
    """

    def __init__(
        self, site: Site, subject: Subject, ways: KindWays, note: Callable[[str], None]
    ) -> None:
        self._site, self._subject, self._ways, self._note = site, subject, ways, note
        self._live: LiveObject | None = None
        group = group_of(subject.api_version)
        self._ref = ObjectRef(group, subject.kind, subject.namespace, subject.name)

    async def write(self, wanted: SubjectStatus) -> None:
        """Write what is not there yet (DOC-64).

        Raises:
            RolloutError: The cluster does not answer, or refuses.
        """
        cluster = await self._site.cluster_named(self._subject.cluster)
        for _ in range(_ATTEMPTS):
            if self._ways.is_mute:
                return
            live = self._live or await self._read(cluster)
            if live is None or live.uid != self._subject.uid:
                return  # it is gone, and nobody reads its status
            status = self._status(live, wanted)
            if is_written(status, live.body.get("status") or {}, self._ways.lost):
                return
            self._live = None
            try:
                self._live = await cluster.patch(self._patch(live, status))
            except ClusterError as error:
                await self._learn(cluster, error)
                continue
            if not self._learn_from(status, self._live.body.get("status") or {}):
                return

    def _status(self, live: LiveObject, wanted: SubjectStatus) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if not self._ways.has_subresource:
            # Every write of such a status moves the generation: none can be shown as observed.
            wanted = replace(wanted, generation=0)
        status = status_after(live.body.get("status") or {}, wanted, self._ways.forms, now)
        return {key: value for key, value in status.items() if key not in self._ways.lost}

    async def _read(self, cluster: Cluster) -> LiveObject | None:
        return await cluster.get(GetRequest(ref=self._ref, api_version=self._subject.api_version))

    def _patch(self, live: LiveObject, status: Mapping[str, Any]) -> PatchRequest:
        # NB: a list is written whole; the version makes sure that nobody else's entry is lost.
        content = {"metadata": {"resourceVersion": live.resource_version}, "status": status}
        return PatchRequest(
            ref=self._ref,
            api_version=self._subject.api_version,
            form=PatchForm.MERGE,
            content=content,
            subresource="status" if self._ways.has_subresource else "",
            is_strict=False,
        )

    async def _learn(self, cluster: Cluster, error: ClusterError) -> None:
        """Learn from a refusal; raise what is none of the schema's."""
        if error.status == 409:
            return
        if error.status == 404 and self._ways.has_subresource:
            if await self._read(cluster) is not None:
                self._ways.has_subresource = False
            return
        if error.status not in {400, 422} or self._ways.forms not in _FORMS:
            raise error
        place = _FORMS.index(self._ways.forms) + 1
        self._ways.is_mute = place == len(_FORMS)
        self._ways.forms = _FORMS[min(place, len(_FORMS) - 1)]
        self._tell()

    def _learn_from(self, sent: Mapping[str, Any], kept: Mapping[str, Any]) -> bool:
        """Learn from what the server kept; return whether to write once more, in another form."""
        forms, lost = kept_forms(sent, kept, self._ways.forms), lost_fields(sent, kept)
        before = self._ways.forms
        if (forms, lost) == (before, frozenset()):
            return False
        self._ways.lost |= lost
        self._ways.forms = forms if "conditions" not in lost else before
        self._ways.is_mute = not set(sent) - self._ways.lost
        self._tell()
        return self._ways.forms != before

    def _tell(self) -> None:
        if self._ways.is_told:
            return
        self._ways.is_told = True
        missing = [
            *(sorted(self._ways.lost)),
            *([] if self._ways.forms.has_groups else ["conditions[].name, .currentStatus"]),
            *([] if self._ways.forms.has_standard else ["conditions[].type"]),
        ]
        what = "nothing" if self._ways.is_mute else f"no {'; no '.join(missing)}"
        self._note(f"{self._ref.kind}: its schema takes {what} in the status")
