"""Reading objects of any shape: people write them, and what is not as expected is absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rollwright.rollouts.manifest import Body, group_of
from rollwright.rollouts.order.kinds import CRD, GroupKind


def mapping(value: object) -> Mapping[str, Any]:
    """Return the value if it is a mapping, otherwise an empty one."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: object) -> Sequence[Any]:
    """Return the value if it is a list, otherwise an empty one."""
    return value if isinstance(value, list | tuple) else ()


def spec_of(body: Body) -> Mapping[str, Any]:
    """Return the spec of an object."""
    return mapping(body.get("spec"))


def group_kind_of(body: Body) -> GroupKind:
    """Return group and kind of an object as it is written."""
    return group_of(str(body.get("apiVersion"))), str(body.get("kind"))


def defined_kind(definition: Body) -> GroupKind:
    """Return group and kind that a CustomResourceDefinition defines."""
    spec = spec_of(definition)
    names = mapping(spec.get("names"))
    return str(spec.get("group") or ""), str(names.get("kind") or "")


def is_definition(body: Body) -> bool:
    """Return whether an object is a CustomResourceDefinition."""
    return group_kind_of(body) == CRD
