"""Taking over the fields that other writers of an object own, so that none stays for ever.

Before: objects were read, with their managedFields; ``takeover`` knows the tools and their marks.
After: the plan shows what disappears; ``engine.writing.objects`` sends the patch just before the apply.

A field that left the manifest disappears only when nobody but us owns it. So what a client-side
``kubectl apply`` owned, or ``kubectl create``, or a tool that hands over, becomes ours before our
first apply (AP-45); the apply then removes what it does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rollwright.rollouts.body import LAST_APPLIED
from rollwright.rollouts.diff import ABSENT
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body
from rollwright.rollouts.ownership.fields import MANAGER, kept_fields
from rollwright.rollouts.ownership.fieldsets import Path, members, removed, tree, value_at

CLIENT_SIDE = frozenset({"kubectl-client-side-apply", "before-first-apply"})
"""Managers that stand for a client-side apply, or for what was there before any apply."""

# NB: folded before our first apply only. Once we have applied, the entry stands for an object that
# had no managers at all: it is our own apply that brought the entry about.
_BEFORE = "before-first-apply"

_PEOPLE = "kubectl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """What is taken over of one object; made anew of the object as it is when it is written.

    Attributes:
        api_version: Of the manifest; our entries are rewritten to it (AP-48).
        manager: Our field manager for the object.
        former: Our other names.
        tools: Managers of the tools that hand over.
        labels, annotations: Marks of those tools, which are removed.
        is_first: Whether we never applied the object; then what people did with kubectl is taken
            over too.
        is_client_side: Whether what kubectl wrote is taken over at all (``migrateClientSide``).
        dropped: Fields that we own and no longer send; people who own them too lose them.
    """

    api_version: str
    manager: str = MANAGER
    former: frozenset[str] = frozenset()
    tools: frozenset[str] = frozenset()
    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    is_first: bool = True
    is_client_side: bool = True
    dropped: frozenset[Path] = field(default=frozenset(), repr=False)

    def folds(self, entry: Mapping[str, Any]) -> bool:
        """Whether an entry of managedFields becomes ours; those of subresources never do."""
        if entry.get("subresource"):
            return False
        manager, is_update = str(entry.get("manager", "")), entry.get("operation") == "Update"
        if manager == self.manager:
            return is_update and self.is_client_side
        if manager in self.former or manager in self.tools:
            return True
        if not self.is_client_side:
            return False
        if manager in CLIENT_SIDE - {_BEFORE}:
            return is_update or self.is_first
        return self.is_first and is_person(manager)

    def folded(self, live: LiveObject) -> tuple[Mapping[str, Any], ...]:
        """Return the entries that become ours."""
        return tuple(entry for entry in _entries(live) if self.folds(entry))

    def managers(self, live: LiveObject) -> tuple[str, ...]:
        """Return the names of those whose fields are taken over."""
        shared = [e for e in _entries(live) if not self.folds(e) and self._gives_up(e)]
        names = {str(entry.get("manager", "")) for entry in (*self.folded(live), *shared)}
        return tuple(sorted(names))

    def is_pressing(self, live: LiveObject) -> bool:
        """Whether the object has to be written even if an apply would change nothing else."""
        if (self.is_client_side and LAST_APPLIED in live.annotations) or self._marks(live):
            return True
        return any(self.folds(entry) for entry in _entries(live))

    def is_of_old_version(self, live: LiveObject) -> bool:
        """Whether our own entry names another version of the API than the manifest."""
        return any(self._is_old(entry) for entry in _entries(live))

    def is_needed(self, live: LiveObject) -> bool:
        """Whether the object's managedFields or annotations are changed before an apply."""
        return self.is_pressing(live) or any(
            self._gives_up(entry) or self._is_old(entry) for entry in _entries(live)
        )

    def patch(self, live: LiveObject) -> tuple[Mapping[str, Any], ...]:
        """Return the JSON patch, good for exactly this version of the object; empty for none."""
        if not self.is_needed(live):
            return ()
        version = {
            "op": "test",
            "path": "/metadata/resourceVersion",
            "value": live.resource_version,
        }
        entries = {
            "op": "replace",
            "path": "/metadata/managedFields",
            "value": self.migrated(live),
        }
        is_there = bool(live.metadata.get("managedFields"))
        return (version, *([entries] if is_there else ()), *self._removals(live))

    def migrated(self, live: LiveObject) -> list[Mapping[str, Any]]:
        """Return the managedFields after the patch."""
        folded = self.folded(live)
        ours = next((e for e in _entries(live) if self.is_own(e)), None)
        taken = [entry for entry in (ours, *folded) if entry is not None]
        paths = frozenset(path for entry in taken for path in self._kept(live, entry))
        rest = [
            self._reduced(entry)
            for entry in _entries(live)
            if entry is not ours and entry not in folded
        ]
        rest = [entry for entry in rest if entry.get("fieldsV1") or entry.get("subresource")]
        return [self._entry(taken[0], paths), *rest] if taken else rest

    def disappearing(self, live: LiveObject, predicted: Body) -> frozenset[Path]:
        """Return the fields that nobody owns after migration and apply (AP-47a).

        Args:
            live: The object as it is.
            predicted: The server's answer to a dry run that knew nothing of the migration.
        """
        ours = {path for e in _entries(live) if self.is_own(e) for path in _owned(e)}
        folded = {path for entry in self.folded(live) for path in self._kept(live, entry)}
        marks = {("f:metadata", "f:labels", f"f:{one}") for one in self.labels}
        marks |= {("f:metadata", "f:annotations", f"f:{one}") for one in self.annotations}
        return frozenset(ours | folded | marks) - self._staying(predicted)

    def predict(self, live: LiveObject, predicted: Body) -> Body:
        """Return what migration and apply leave, before the server fills in defaults again."""
        gone = self.disappearing(live, predicted)
        return removed(predicted, gone, self._staying(predicted))

    def _staying(self, predicted: Body) -> frozenset[Path]:
        """Return what somebody owns after migration and apply."""
        found = (predicted.get("metadata") or {}).get("managedFields") or ()
        staying = [self._reduced(entry) for entry in found if not self.folds(entry)]
        return frozenset(path for entry in staying for path in _owned(entry))

    def _kept(self, live: LiveObject, entry: Mapping[str, Any]) -> frozenset[Path]:
        """Return what an entry owns; of a Secret by where the server keeps it."""
        fields = entry.get("fieldsV1") or {}
        return members(kept_fields(fields) if live.is_secret else fields)

    def is_own(self, entry: Mapping[str, Any]) -> bool:
        """Whether an entry of managedFields is of our own applies."""
        is_apply = entry.get("operation") == "Apply" and not entry.get("subresource")
        return is_apply and entry.get("manager") == self.manager

    def _is_old(self, entry: Mapping[str, Any]) -> bool:
        return self.is_own(entry) and entry.get("apiVersion") != self.api_version

    def _gives_up(self, entry: Mapping[str, Any]) -> bool:
        """Whether a person's entry holds a field that we owned and no longer send."""
        if not self.dropped or entry.get("subresource") or not is_person(_name(entry)):
            return False
        return bool(_owned(entry) & self.dropped)

    def _reduced(self, entry: Mapping[str, Any]) -> Mapping[str, Any]:
        if not self._gives_up(entry):
            return entry
        return {**entry, "fieldsV1": tree(_owned(entry) - self.dropped)}

    def _entry(self, base: Mapping[str, Any], paths: Iterable[Path]) -> Mapping[str, Any]:
        return {
            **base,
            "manager": self.manager,
            "operation": "Apply",
            "apiVersion": self.api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": tree(paths),
        }

    def _marks(self, live: LiveObject) -> bool:
        return any(one in live.labels for one in self.labels) or any(
            one in live.annotations for one in self.annotations
        )

    def _removals(self, live: LiveObject) -> Iterator[Mapping[str, Any]]:
        annotations = (LAST_APPLIED, *self.annotations) if self.is_client_side else ()
        for part, names, there in (
            ("labels", self.labels, live.labels),
            ("annotations", annotations, live.annotations),
        ):
            for name in sorted({one for one in names if one in there}):
                escaped = name.replace("~", "~0").replace("/", "~1")
                yield {"op": "remove", "path": f"/metadata/{part}/{escaped}"}


def is_person(manager: str) -> bool:
    """Whether a manager stands for somebody at a keyboard (AP-34)."""
    is_kubectl = manager == _PEOPLE or manager.startswith(f"{_PEOPLE}-")
    return is_kubectl or manager in CLIENT_SIDE


def dropped_fields(owned: Mapping[str, Any], sent: Body) -> frozenset[Path]:
    """Return the fields that we own and that a body no longer holds."""
    return frozenset(path for path in members(owned) if value_at(sent, path) is ABSENT)


def _entries(live: LiveObject) -> tuple[Mapping[str, Any], ...]:
    return tuple(live.metadata.get("managedFields") or ())


def _owned(entry: Mapping[str, Any]) -> frozenset[Path]:
    return members(entry.get("fieldsV1") or {})


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("manager", ""))
