"""The schemas of custom kinds whose definition is rendered beside them, or in the cluster.

A structural schema of a CustomResourceDefinition says more than JSON Schema can, and some of it
otherwise: it is OpenAPI v3.0, whose bounds are those of draft 4; fields that it does not name
are dropped by the server, so here they are mistakes; defaults are filled in before anything is
checked. CEL rules are those of ``rules``; formats are left to the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rollwright.rollouts.manifest import Manifest
from rollwright.rollouts.simulation import with_defaults

__all__ = ["CustomKind", "compiled", "custom_kinds", "json_schema", "with_defaults"]

Schema = Mapping[str, Any]

_COPIED = (
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "required",
    "uniqueItems",
)
_OBJECT_FIELDS: Schema = {"apiVersion": {}, "kind": {}, "metadata": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomKind:
    """One kind of a definition in the set.

    ``schemas`` holds what its versions declare; ``None`` for one that declares nothing usable.
    """

    origin: str
    schemas: Mapping[str, Schema | None]


def custom_kinds(manifests: Iterable[Manifest]) -> Mapping[tuple[str, str], CustomKind]:
    """Return the custom kinds that a set defines, by group and kind."""
    found = {}
    for manifest in manifests:
        if manifest.ref.group == "apiextensions.k8s.io" and manifest.ref.kind.endswith(
            "Definition"
        ):
            spec = _mapping(manifest.body.get("spec"))
            key = (str(spec.get("group")), str(_mapping(spec.get("names")).get("kind")))
            found[key] = CustomKind(origin=str(manifest.origin), schemas=_schemas(spec))
    return found


def compiled(schema: dict[str, Any]) -> Any:
    """Return a compiled validator, ``None`` for a schema that cannot be compiled."""
    import jsonschema_rs  # noqa: PLC0415  (a native library; only validation needs it)

    try:
        return jsonschema_rs.Draft4Validator(
            schema,
            validate_formats=False,
            pattern_options=jsonschema_rs.RegexOptions(),  # linear time, as Go's
        )
    except ValueError:
        return None


def json_schema(declared: Schema) -> dict[str, Any]:
    """Return the JSON Schema (draft 4) of an object, of its declared structural schema."""
    schema = _converted(declared, is_closed=True)
    schema["properties"] = {**schema.get("properties", {}), **_OBJECT_FIELDS}
    # Status is never sent; a definition that requires it means the object as it is later.
    required = [one for one in _list(schema.pop("required", ())) if one != "status"]
    return {**schema, "required": required} if required else schema


def _schemas(spec: Schema) -> Mapping[str, Schema | None]:
    found: dict[str, Schema | None] = {}
    for version in map(_mapping, _list(spec.get("versions"))):
        if version.get("served") is not False:
            schema = _mapping(version.get("schema")).get("openAPIV3Schema")
            usable = isinstance(schema, Mapping) and not spec.get("preserveUnknownFields")
            found[str(version.get("name"))] = schema if usable else None
    return found


def _converted(declared: Schema, *, is_closed: bool) -> dict[str, Any]:
    schema = {key: declared[key] for key in _COPIED if key in declared}
    for key, inside in (("allOf", _list), ("anyOf", _list), ("oneOf", _list)):
        if key in declared:
            schema[key] = [
                _converted(_mapping(one), is_closed=False) for one in inside(declared[key])
            ]
    if "not" in declared:
        schema["not"] = _converted(_mapping(declared["not"]), is_closed=False)
    if "items" in declared:
        schema["items"] = _converted(_mapping(declared["items"]), is_closed=is_closed)
    _convert_type(declared, schema)
    _convert_fields(declared, schema, is_closed=is_closed)
    return schema


def _convert_type(declared: Schema, schema: dict[str, Any]) -> None:
    is_mixed = declared.get("x-kubernetes-int-or-string") is True
    types = ["integer", "string"] if is_mixed else [declared["type"]] if "type" in declared else []
    if declared.get("nullable") is True:
        types = [*types, "null"] if types else types
        if "enum" in schema:
            schema["enum"] = [*_list(schema["enum"]), None]
    if types:
        schema["type"] = types


def _convert_fields(declared: Schema, schema: dict[str, Any], *, is_closed: bool) -> None:
    properties = {
        name: _converted(_mapping(one), is_closed=is_closed)
        for name, one in _mapping(declared.get("properties")).items()
    }
    if declared.get("x-kubernetes-embedded-resource") is True:
        properties = {**_OBJECT_FIELDS, **properties, "metadata": {}}
        schema["required"] = sorted({*_list(schema.get("required")), "apiVersion", "kind"})
    if properties:
        schema["properties"] = properties
    others = declared.get("additionalProperties")
    if isinstance(others, Mapping):
        schema["additionalProperties"] = _converted(others, is_closed=is_closed)
    elif others is None and is_closed and declared.get("type") == "object":
        keeps_unknown = declared.get("x-kubernetes-preserve-unknown-fields") is True
        if not keeps_unknown:
            schema["additionalProperties"] = False


def _mapping(value: Any) -> Schema:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
