"""What a plan was made of, as digests that another machine can compare later.

Before: the source was rendered, the state loaded, the live objects read.
After: ``saved_plan`` writes it down; ``verification`` compares it with what is then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from rollwright.rollouts.diff import comparable, mask
from rollwright.rollouts.identity import RULES
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import ManifestSet, ObjectRef, digest_of
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.saved.lookup_facts import LookupFact
from rollwright.rollouts.saved.sent_bodies import SentFact, sent_fact
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.spec.feedback import where_feedback_is
from rollwright.rollouts.state import RolloutState

SHALLOW = 3
"""How deep fields are told apart in an object that a plan leaves alone."""

DEEP = 12
"""How deep in one that it writes."""

_OPENED = frozenset({"apply", "health", "prune", "retain", "target"})
_SECRET_VALUES = frozenset({"data", "stringData"})


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFact:
    """One rendered object: its digest, and where it was written."""

    ref: ObjectRef
    digest: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFact:
    """One live object as it was read.

    Attributes:
        ref: The object.
        uid, resource_version, generation: As the server counts them.
        digest: Of everything that was declared in it, whoever did it.
        owned_digest: Of the fields that are ours.
        depth: How deep ``fields`` goes.
        fields: Short digests by path, to tell later which field moved.
    """

    ref: ObjectRef
    uid: str
    resource_version: str
    generation: int | None = None
    digest: str
    owned_digest: str
    depth: int = SHALLOW
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What a plan was made of.

    Attributes:
        rules: Version of the rules that decide: order, health, ignored fields, conflicts.
        made_by: Which Rollwright made the plan.
        spec: Digests of the document's parts.
        site: Digests of what of ``site.toml`` decides.
        wanted: The rendered objects.
        sent: What is sent of those that are not sent as they were rendered.
        live: The live objects.
        inventory: Digest of the inventory; empty before the first run.
        revision: Number of the latest run; zero before the first.
        journal: Id of a run that had begun and not ended; empty if none had.
        lookups: What charts looked up in the target, with the answers.
    """

    rules: int
    made_by: str
    spec: Mapping[str, str]
    site: Mapping[str, str]
    wanted: tuple[WantedFact, ...] = ()
    sent: tuple[SentFact, ...] = ()
    live: tuple[LiveFact, ...] = ()
    inventory: str = ""
    revision: int = 0
    journal: str = ""
    lookups: tuple[LookupFact, ...] = ()


def basis_of(
    plan: Plan,
    spec: RolloutSpec,
    site: Mapping[str, str],
    sources: tuple[ManifestSet, LiveSet, RolloutState | None],
    made_by: str,
) -> Basis:
    """Return what a plan was made of.

    Args:
        plan: The plan.
        spec: What was declared.
        site: Digests of what of the site decides.
        sources: What was rendered, read and remembered.
        made_by: Which Rollwright this is.
    """
    wanted, live, state = sources
    written = {change.ref for change in plan.changes if change.writes}
    facts = (_live_fact(one, DEEP if one.ref in written else SHALLOW) for one in live)
    return Basis(
        rules=RULES,
        made_by=made_by,
        spec=spec_digests(spec),
        site=site,
        wanted=tuple(sorted(_wanted_facts(wanted), key=lambda one: one.ref)),
        sent=tuple(filter(None, map(sent_fact, plan.changes))),
        live=tuple(sorted(facts, key=lambda one: one.ref)),
        inventory=inventory_digest(state),
        revision=state.last.number if state and state.last else 0,
        journal=state.journal.run_id if state and state.journal else "",
    )


def _wanted_facts(wanted: ManifestSet) -> Iterator[WantedFact]:
    for one in wanted:
        yield WantedFact(ref=one.ref, digest=one.digest, origin=str(one.origin))


def _live_fact(live: LiveObject, depth: int) -> LiveFact:
    return LiveFact(
        ref=live.ref,
        uid=live.uid,
        resource_version=live.resource_version,
        generation=live.generation,
        digest=live.declared_digest,
        owned_digest=live.owned_digest,
        depth=depth,
        fields=field_digests(live, depth),
    )


def spec_digests(spec: RolloutSpec) -> Mapping[str, str]:
    """Return a digest for each part of a document, by its place: ``spec.prune.maxCount``."""
    digests = {}
    said = spec.model_dump(mode="json", by_alias=True, exclude=where_feedback_is(spec.groups))
    for key, value in said.items():
        if key in {"name", "labels"}:
            digests[f"metadata.{key}"] = digest_of(value)
        elif key in _OPENED and isinstance(value, dict):
            digests |= {f"spec.{key}.{name}": digest_of(one) for name, one in value.items()}
        else:
            digests[f"spec.{key}"] = digest_of(value)
    return digests


def inventory_digest(state: RolloutState | None) -> str:
    """Return the digest of what is remembered of objects; a version that counts up is not in it."""
    if state is None:
        return ""
    return digest_of([
        [one.ref.qualified, one.api_version, one.uid, one.wanted_digest, one.owned_digest, one.why_kept]
        for one in state.inventory
    ])  # fmt: skip


def field_digests(live: LiveObject, depth: int) -> Mapping[str, str]:
    """Return a short digest of every field, by its path; values of a Secret are keyed."""
    body = comparable(live.body)
    return {path: _short(value, path, live) for path, value in _leaves("", body, depth)}


def _short(value: Any, path: str, live: LiveObject) -> str:
    head = path.partition(".")[0].partition("[")[0]
    if live.is_secret and head in _SECRET_VALUES:
        return mask(value, live.salt)
    return sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:8]


def _leaves(path: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if depth and isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(below(path, key), inner, depth - 1)
    elif depth and isinstance(value, list) and _are_named(value):
        for item in value:
            yield from _leaves(f"{path}[{item['name']}]", item, depth - 1)
    else:
        yield path, value


def below(path: str, key: str) -> str:
    """Return the path of a key, as a field change names it."""
    is_plain = key.replace("-", "").replace("_", "").isalnum()
    step = key if is_plain else f"[{key!r}]"
    return f"{path}.{step}" if path and is_plain else f"{path}{step}"


def _are_named(items: Iterable[Any]) -> bool:
    names = [item.get("name") if isinstance(item, Mapping) else None for item in items]
    return bool(names) and all(names) and len(set(map(str, names))) == len(names)
