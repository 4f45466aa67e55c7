"""What can be said of objects that the server cannot be asked about yet (AP-67).

Before: ``premises`` found the objects whose kind, schema or namespace comes with the same plan;
the engine read the definitions that are live.
After: ``planning`` shows them as created, each with what was left open; ``engine.reading.simulate`` asks
the server just before the apply, and ``steps.contradictions`` compares its answer (AP-68).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from rollwright.rollouts.change import Forecast, Prediction
from rollwright.rollouts.diff import compare
from rollwright.rollouts.live import LiveSet
from rollwright.rollouts.manifest import Body, Manifest, ManifestSet, ObjectRef, is_secret
from rollwright.rollouts.order.bodies import defined_kind, mapping, sequence, spec_of
from rollwright.rollouts.premises import is_crd, served_by_plan, simulated

DEFAULTS_SHOWN = 5
CONTRADICTIONS_SHOWN = 5

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d+)?")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT")
_UNITS = {
    "": Decimal(1), "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
}  # fmt: skip
_OF_NAMESPACE = "quotas, policies and pod security of the new namespace"
_ITEM_KEYS = (("name",), ("containerPort", "protocol"), ("port", "protocol"), ("mountPath",))


def definitions(wanted: ManifestSet, live: LiveSet) -> Mapping[tuple[str, str], Body]:
    """Return the CRD of each custom kind, by group and kind: as the plan leaves it, else live."""
    declared = (manifest.body for manifest in wanted if is_crd(manifest.body))
    return {**live.definitions, **{defined_kind(crd): crd for crd in declared}}


def simulate(wanted: ManifestSet, live: LiveSet) -> Mapping[ObjectRef, Forecast]:
    """Return what is predicted of each object that the server cannot be asked about."""
    unasked = simulated(wanted, live)
    if not unasked:
        return {}
    crds, groups = definitions(wanted, live), served_by_plan(wanted)
    declared = {defined_kind(one.body) for one in wanted if is_crd(one.body)}
    found = {}
    for manifest in wanted:
        if manifest.ref in unasked:
            kind = manifest.ref.group_kind
            crd = crds.get(kind)
            schema = schema_of(crd, manifest.api_version) if crd else None
            is_new = live.get(manifest.ref) is None
            body = live.rehearsals.get(manifest.ref)
            if body is None and schema and is_new:
                body = with_defaults(manifest.body, schema)
            notes = (
                *_notes(manifest, live, crd, is_ours=kind in declared, groups=groups),
                *_filled_in(manifest, body if schema else None),
            )
            found[manifest.ref] = Forecast(prediction=Prediction.SIMULATED, body=body, notes=notes)
    return found


def _notes(
    manifest: Manifest, live: LiveSet, crd: Body | None, *, is_ours: bool, groups: frozenset[str]
) -> Iterator[str]:
    identity = (manifest.api_version, manifest.ref.kind)
    if crd is None and manifest.ref.group in groups:
        yield "nothing could be checked: an APIService of this plan serves its kind"
        return
    if manifest.ref in live.rehearsals:
        yield "a dry run of it passed in the namespace of apply.simulateIn"
        yield f"left open: {_OF_NAMESPACE}"
        return
    is_unchecked = identity in live.unchecked or (
        crd is not None and schema_of(crd, manifest.api_version) is None
    )
    if is_unchecked:
        yield "only its metadata was checked: there is no schema of its kind to be read"
    elif crd is None:
        yield "checked against the schema of its kind"
    else:
        where = "in this plan" if is_ours else "in the cluster"
        yield f"checked against the schema of {crd['metadata']['name']} {where}"
    yield f"left open: {', '.join(_open(manifest, live, crd))}"


def _open(manifest: Manifest, live: LiveSet, crd: Body | None) -> Iterator[str]:
    yield "admission"
    if manifest.ref.namespace in live.absent_namespaces:
        yield _OF_NAMESPACE
    if crd is None:
        return
    conversion = mapping(spec_of(crd).get("conversion"))
    if conversion.get("strategy") == "Webhook":
        yield "conversion"
    if count := _count_rules(schema_of(crd, manifest.api_version)):
        yield f"{count} CEL {'rule' if count == 1 else 'rules'} of the schema"


def _count_rules(schema: Any) -> int:
    if isinstance(schema, Mapping):
        own = len(sequence(schema.get("x-kubernetes-validations")))
        return own + sum(_count_rules(one) for one in schema.values())
    if isinstance(schema, list):
        return sum(map(_count_rules, schema))
    return 0


def _filled_in(manifest: Manifest, predicted: Body | None) -> Iterator[str]:
    """Tell the defaults of a schema; of an embedded Secret they are no values of anybody."""
    if predicted is None:
        return
    filled = compare(manifest.body, predicted, salt="")
    shown = [f"{one.path}: {one.new!r}" for one in filled[:DEFAULTS_SHOWN]]
    more = ["…"] if len(filled) > DEFAULTS_SHOWN else []
    if shown:
        yield f"the schema fills in {', '.join([*shown, *more])}"


def schema_of(crd: Body, api_version: str) -> Mapping[str, Any] | None:
    """Return what a CRD declares for one version, ``None`` if it declares nothing usable."""
    if spec_of(crd).get("preserveUnknownFields"):
        return None
    name = api_version.rpartition("/")[2]
    for version in map(mapping, sequence(spec_of(crd).get("versions"))):
        if version.get("name") == name:
            schema = mapping(version.get("schema")).get("openAPIV3Schema")
            return schema if isinstance(schema, Mapping) else None
    return None


def with_defaults(value: Any, declared: Mapping[str, Any]) -> Any:
    """Return a value with the defaults of its structural schema filled in, as the server does."""
    if isinstance(value, list):
        items = mapping(declared.get("items"))
        return [with_defaults(one, items) for one in value]
    if not isinstance(value, Mapping):
        return value
    properties = mapping(declared.get("properties"))
    others = mapping(declared.get("additionalProperties"))
    defaults = {
        name: one["default"]
        for name, one in properties.items()
        if isinstance(one, Mapping) and one.get("default") is not None
    }
    return {
        name: with_defaults(inner, mapping(properties.get(name, others)))
        for name, inner in {**defaults, **value}.items()
    }


# ---------------------------------------------------------------- against the real answer


def contradictions(wanted: Body, answer: Body) -> tuple[str, ...]:
    """Return what the server would make of an object otherwise than was declared.

    What it adds are defaults, and no contradiction; nor is another spelling of the same quantity,
    or an empty value that it leaves out. Values of Secrets are not compared: the server answers
    with the encoded ones.
    """
    parts = {key: value for key, value in wanted.items() if key not in {"status", "stringData"}}
    if is_secret(wanted):
        parts.pop("data", None)
    found = list(_contradicted("", parts, answer, is_quoted=not is_secret(wanted)))
    more = ["…"] if len(found) > CONTRADICTIONS_SHOWN else []
    return (*found[:CONTRADICTIONS_SHOWN], *more)


def _contradicted(path: str, wanted: Any, found: Any, *, is_quoted: bool) -> Iterator[str]:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key, value in wanted.items():
            step = f"{path}.{key}" if path else key
            if value == 0 and key.endswith("Port"):
                continue  # a port for the server to choose
            if key in found:
                yield from _contradicted(step, value, found[key], is_quoted=is_quoted)
            elif not _says_nothing(value):
                yield f"{step} would be dropped"
    elif isinstance(wanted, list) and isinstance(found, list):
        yield from _items_contradicted(path, wanted, found, is_quoted=is_quoted)
    elif not _is_same(wanted, found):
        is_short = is_quoted and not isinstance(found, (Mapping, list)) and len(str(found)) < 60
        yield f"{path} would be {found!r}" if is_short else f"{path} would be another"


def _items_contradicted(
    path: str, wanted: list[Any], found: list[Any], *, is_quoted: bool
) -> Iterator[str]:
    for index, item in enumerate(wanted):
        if any(not any(_contradicted("", item, one, is_quoted=False)) for one in found):
            continue
        label, partner = _partner(item, found)
        step = f"{path}[{label or index}]"
        if partner is None:
            yield f"{step} would be dropped"
        else:
            yield from _contradicted(step, item, partner, is_quoted=is_quoted)


def _partner(item: Any, among: Iterable[Any]) -> tuple[str, Any]:
    """Return the item of the answer that the usual keys say is the same one."""
    for keys in _ITEM_KEYS:
        if isinstance(item, Mapping) and keys[0] in item:
            label = [item.get(key) for key in keys]
            text = "/".join(str(one) for one in label if one is not None)
            for one in among:
                if isinstance(one, Mapping) and [one.get(key) for key in keys] == label:
                    return text, one
            return text, None
    return "", None


def _says_nothing(value: Any) -> bool:
    return value is None or value is False or value in ("", 0) or value in ([], {})


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other or (_says_nothing(one) and _says_nothing(other))
    if one in ("", None) or one == other or (_says_nothing(one) and _says_nothing(other)):
        return True
    if isinstance(one, str) and isinstance(other, str) and _is_same_text(one, other):
        return True
    amount = _amount(one)
    return amount is not None and amount == _amount(other)


def _is_same_text(one: str, other: str) -> bool:
    """Whether two texts are one moment, or one encoding with other line breaks."""
    if "".join(one.split()) == other:
        return True
    if not (_MOMENT.match(one) and _MOMENT.match(other)):
        return False
    try:
        return datetime.fromisoformat(one) == datetime.fromisoformat(other)
    except ValueError:
        return False


def _amount(value: Any) -> Decimal | None:
    """Return what a quantity such as ``100m`` says, ``None`` for anything else."""
    found = _QUANTITY.fullmatch(str(value)) if isinstance(value, (str, int, float)) else None
    if found is None:
        return None
    number, unit = found[1], found[2] or ""
    if unit[:1] in {"e", "E"} and len(unit) > 1:
        return Decimal(f"{number}{unit}")
    return Decimal(number) * _UNITS[unit]
