"""A plan as a file, to be read, approved and carried out later, here or on another machine.

Before: ``planning`` made the plan, ``basis`` wrote down what it was made of.
After: ``verification`` compares it with the world as it is; ``engine.approval.saved`` carries it out.

The file is the machine form of a plan, and a section ``execution`` with what carrying it out
needs. It holds no rendered object: the source is rendered again and has to give the digests that
stand here, so no value of a Secret is ever in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from rollwright.errors import InvalidDocument, Refused
from rollwright.rollouts.change import Change
from rollwright.rollouts.machine.plans import plan_form
from rollwright.rollouts.machine.values import API_VERSION, instant
from rollwright.rollouts.manifest import Manifest, ObjectRef, digest_of
from rollwright.rollouts.plan import Plan, Wave
from rollwright.rollouts.saved.basis import Basis
from rollwright.rollouts.saved.plain_values import Left, from_plain, to_plain

FORMAT = 1
"""Version of ``execution``; a newer one is refused."""

LIMIT_BYTES = 256 * 1024 * 1024
"""A larger file is not read: no plan is that large."""

LIFETIME = timedelta(days=7)
"""How long a saved plan may be carried out (PL-23)."""

REBUILT: Left = {
    Plan: frozenset({"id", "made_at", "is_pinned", "hooks"}),
    Change: frozenset({"wanted", "sent", "status", "is_passed"}),
}
"""What is not written: it stands elsewhere in the file, or is made anew at the rollout."""

_NO_CONTENT = frozenset({
    "id", "madeAt", "createdBy", "expiresAt", "effectDigest", "digest", "fileDigest",
})  # fmt: skip
_FRAME = frozenset({
    "createdBy", "expiresAt", "reason", "effectDigest", "digest", "fileDigest", "execution",
})  # fmt: skip
"""Keys that make a file of a plan's form."""

_BY_LIVE = frozenset({"waves", "isDone"})
"""Parts of the form that verdicts on live objects and the manifests stand in, too."""

_ANEW = "make a new plan with `rollwright plan --save`"
_Document = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class SavedPlan:
    """A plan that can be carried out later, exactly as it is.

    Attributes:
        plan: The plan, without the objects to send and without verdicts on the live ones.
        basis: What the plan was made of.
        form: The plan as JSON, as people and programs read it.
        created_by: Who made it, as ``person@host``.
        expires_at: When it may no longer be carried out.
        reason: Why it was made, such as ``manual``.
    """

    plan: Plan
    basis: Basis
    form: _Document
    created_by: str
    expires_at: datetime
    reason: str = "manual"

    @property
    def id(self) -> str:
        """What an approval names: equal for plans that do the same."""
        return self.plan.id


def save(plan: Plan, basis: Basis, *, created_by: str, reason: str = "manual") -> SavedPlan:
    """Return the plan as what is written to a file."""
    return SavedPlan(
        plan=bare(plan),
        basis=basis,
        form=dict(plan_form(plan)),
        created_by=created_by,
        expires_at=plan.made_at + LIFETIME,
        reason=reason,
    )


def bare(plan: Plan) -> Plan:
    """Return a plan without what a rollout makes anew."""
    anew: dict[str, Any] = {"wanted": None, "sent": None, "status": None, "is_passed": False}
    return replace(map_all_changes(plan, lambda one: replace(one, **anew)), hooks=())


def map_changes(plan: Plan, change_of: Any) -> Plan:
    """Return a plan with each change replaced; ``None`` takes one out."""
    return replace(plan, waves=_mapped(plan.waves, change_of))


def map_all_changes(plan: Plan, change_of: Any) -> Plan:
    """Return a plan with each change replaced, those of a rollback's steps too."""
    return replace(map_changes(plan, change_of), undo=_mapped(plan.undo, change_of))


def with_objects(plan: Plan, wanted: Mapping[ObjectRef, Manifest]) -> Plan:
    """Return a plan whose steps for a rollback have the objects that they deal with."""
    if not plan.undo:
        return plan
    whole = _mapped(plan.undo, lambda one: replace(one, wanted=wanted.get(one.ref)))
    return replace(plan, undo=whole)


def _mapped(waves: tuple[Wave, ...], change_of: Any) -> tuple[Wave, ...]:
    return tuple(
        replace(
            wave,
            steps=tuple(
                replace(step, changes=tuple(filter(None, map(change_of, step.changes))))
                for step in wave.steps
            ),
        )
        for wave in waves
    )


def encode(saved: SavedPlan) -> bytes:
    """Return a saved plan as the text of its file."""
    document = {
        **saved.form,
        "effectDigest": saved.id,
        "createdBy": saved.created_by,
        "expiresAt": instant(saved.expires_at),
        "reason": saved.reason,
        "execution": {
            "format": FORMAT,
            "plan": to_plain(saved.plan, Plan, REBUILT),
            "basis": to_plain(saved.basis, Basis, REBUILT),
        },
    }
    return _written({**document, "digest": _content_digest(document)})


def _written(document: _Document) -> bytes:
    whole = {**document, "fileDigest": digest_of(document)}
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def _content_digest(document: _Document) -> str:
    """Return the digest of everything that was decided (PL-10)."""
    return digest_of({key: one for key, one in document.items() if key not in _NO_CONTENT})


def decode(data: bytes, *, where: str) -> SavedPlan:
    """Return the plan that ``encode`` wrote.

    Args:
        data: The text of the file.
        where: What a message calls it.

    Raises:
        InvalidDocument: It is something else than a saved plan.
        Refused: It is damaged, was changed, or a newer Rollwright wrote it.
    """
    document = _read(data, where)
    _check_kind(document, where)
    if not _is_whole(document, data):
        raise Refused(
            f"{where}: is not as it was saved: its digest does not match its content",
            hint=_ANEW,
        )
    execution = document["execution"]
    try:
        plan = from_plain(execution["plan"], Plan, REBUILT, "execution.plan")
        return SavedPlan(
            plan=replace(plan, id=document["id"], made_at=_instant(document, "madeAt")),
            basis=from_plain(execution["basis"], Basis, REBUILT, "execution.basis"),
            form={key: one for key, one in document.items() if key not in _FRAME},
            created_by=str(document["createdBy"]),
            expires_at=_instant(document, "expiresAt"),
            reason=str(document["reason"]),
        )
    except (InvalidDocument, KeyError, ValueError, TypeError) as error:
        raise Refused(f"{where}: is no plan that can be carried out: {error}", hint=_ANEW) from None


def is_shown(saved: SavedPlan) -> bool:
    """Whether the part that people read says what the part that is carried out does."""
    made = dict(plan_form(saved.plan))
    try:
        changes = _shown_changes(saved.form) == _shown_changes(made)
        return changes and all(saved.form[key] == made[key] for key in made.keys() - _BY_LIVE)
    except (KeyError, TypeError):
        return False


def _shown_changes(form: _Document) -> list[Any]:
    return [
        [change[key] for key in ("object", "operation", "fields", "conflicts", "notes")]
        for wave in form["waves"]
        for step in wave["steps"]
        for change in step["changes"]
    ]


def _read(data: bytes, where: str) -> _Document:
    if len(data) > LIMIT_BYTES:
        raise Refused(f"{where}: is larger than {LIMIT_BYTES} bytes", hint="no plan is that large")
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Refused(f"{where}: is no JSON, or damaged: {error}", hint=_ANEW) from None
    if not isinstance(document, dict):
        raise InvalidDocument(f"{where}: is no plan, but a {type(document).__name__}", hint=_ANEW)
    return document


def _check_kind(document: _Document, where: str) -> None:
    kind, execution = document.get("kind"), document.get("execution")
    if kind != "Plan":
        raise InvalidDocument(f"{where}: is no plan, but of kind {kind!r}", hint=_ANEW)
    if not isinstance(execution, dict):
        raise InvalidDocument(
            f"{where}: is a plan to look at; it does not hold what carrying it out needs",
            hint=_ANEW,
        )
    written, version = execution.get("format"), document.get("apiVersion")
    is_newer = isinstance(written, int) and written > FORMAT
    if is_newer or version != API_VERSION:
        raise Refused(
            f"{where}: is of format {version} {written}; this Rollwright reads {API_VERSION}"
            f" {FORMAT}",
            hint="a newer Rollwright saved it: upgrade this one, or make a new plan with it",
        )


def _is_whole(document: _Document, data: bytes) -> bool:
    """Whether content, frame and text are what was written, to the byte (PL-13)."""
    rest = {key: one for key, one in document.items() if key != "fileDigest"}
    is_content = document.get("digest") == _content_digest(rest)
    is_named = document.get("id") == document.get("effectDigest")
    if not (is_content and is_named):
        return False
    return _written(rest) == data


def _instant(document: _Document, key: str) -> datetime:
    read: datetime = from_plain(document[key], datetime, REBUILT, key)
    return read
