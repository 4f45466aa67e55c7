"""The sections of ``site.toml``, with every default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, Strict, WithJsonSchema

from rollwright.rollouts.spec.part import (
    Label,
    Name,
    Options,
    Part,
    Shorthand,
    Text,
    expect,
    refuse,
)
from rollwright.rollouts.spec.schema import schema_of_model
from rollwright.rollouts.spec.secrets import secret_problem
from rollwright.rollouts.spec.uses import Named, Use

DEFAULT_STORE = "cluster"
DEFAULT_LOCK = "lease"

_PLACE = re.compile(r"[^:]+\.py:[A-Za-z_][A-Za-z0-9_]*")


def _read_sandbox(value: Any) -> Any:
    if not isinstance(value, bool | str) or value == "":
        raise expect("true, false or the name of a sandbox")
    return value


def _read_place(value: str) -> str:
    if not _PLACE.fullmatch(value):
        raise refuse(f"expected 'folder/file.py:Class', relative to the site; got {value!r}")
    return value


def _read_key(value: Any) -> Any:
    if isinstance(value, Mapping) and set(value) == {"block"}:
        raise refuse("a block is read with Prefect only; write {env: NAME} or {file: PATH}")
    if problem := secret_problem(value):
        raise refuse(problem.replace(", {file: PATH} or {block: NAME}", " or {file: PATH}"))
    return value


def _with_default(plugin: str) -> Shorthand:
    """Make the entry ``default`` stand where nobody wrote one."""

    def read(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        entry = value.get("default", {})
        return {
            **value,
            "default": {"use": plugin, **entry} if isinstance(entry, Mapping) else entry,
        }

    return Shorthand(read)


Sandbox = Annotated[
    bool | str,
    BeforeValidator(_read_sandbox),
    WithJsonSchema({"type": ["boolean", "string"], "minLength": 1}, mode="validation"),
]
ClassPlace = Annotated[
    Text,
    AfterValidator(_read_place),
    Field(json_schema_extra={"pattern": f"^{_PLACE.pattern}$"}),
]
Rate = Annotated[float, Strict(), Field(gt=0)]
Places = Annotated[int, Strict(), Field(ge=1)]


class KeySource(Part):
    """Where a key is read from; never the key itself."""

    env: Name | None = None
    """Variable of the environment that holds it."""
    file: Name | None = None
    """File that holds it, relative to the site."""


class SiteSection(Part):
    """The installation itself."""

    name: Label = "default"
    """Name of the site, unique among the sites that share clusters."""
    key: Annotated[KeySource, Shorthand(_read_key)] | None = None
    """A long random text that digests of Secrets are keyed with; without it the store keeps one."""


class ClusterEntry(Part):
    """One cluster that rollouts may name as their target."""

    sandbox: Sandbox = False
    """The control plane on this machine: true, or the name of one of several."""
    kubeconfig: Name | None = None
    """Path of a kubeconfig; without it the one kubectl would take."""
    context: Name | None = None
    """Context of the kubeconfig; without it the current one."""
    impersonate: Name | None = None
    """User to act as."""
    namespaces: tuple[Label, ...] = ()
    """Namespaces that rollouts may touch; empty for all."""
    qps: Rate | None = None
    """Requests a second at most; without it the server decides."""
    labels: Mapping[Text, Text] = Field(default={})
    """Labels, to select clusters by."""


class LimitEntry(Part):
    """How many at once."""

    max: Places
    """How many may do it at once; others wait in the order they came."""
    per: Name | None = None
    """Who shares them: cluster, site, or a label of clusters, whose value they have in common."""
    use: Name | None = None
    """Locks that keep it, such as etcd; without it those of [locks.default]."""
    options: Options = Field(default={}, validation_alias="with", serialization_alias="with")
    """Their options; without any those of [locks.default], if they are of the same kind."""


class LimitsSection(Part):
    """How many may do something at once."""

    rollouts: LimitEntry | None = None
    """Runs that change a cluster; per cluster unless it says otherwise."""
    renders: LimitEntry | None = None
    """Rollouts that are rendered; per site unless it says otherwise."""


class RolloutsSection(Part):
    """Where declared rollouts are found."""

    paths: tuple[Name, ...] = ("rollouts",)
    """Files and folders, relative to the site."""


class PluginsSection(Part):
    """Plugins beside the built-in ones."""

    allow: tuple[Name, ...] = ()
    """Installed distributions whose plugins may be used; may hold the wildcard *."""
    commands: tuple[Name, ...] = ()
    """Programs that the action Command may start: absolute paths, or relative to the site; the
    wildcards * and ? stand for parts of one name."""
    sources: Mapping[Text, ClassPlace] = Field(default={})
    """Sources of this site, by name."""
    renderers: Mapping[Text, ClassPlace] = Field(default={})
    """Renderers of this site, by name."""
    transformers: Mapping[Text, ClassPlace] = Field(default={})
    """Transformers of this site, by name."""
    validators: Mapping[Text, ClassPlace] = Field(default={})
    """Validators of this site, by name."""
    actions: Mapping[Text, ClassPlace] = Field(default={})
    """Actions of this site, by name."""
    checks: Mapping[Text, ClassPlace] = Field(default={})
    """Checks of this site, by name."""
    triggers: Mapping[Text, ClassPlace] = Field(default={})
    """Triggers of this site, by name."""
    stores: Mapping[Text, ClassPlace] = Field(default={})
    """State stores of this site, by name."""
    locks: Mapping[Text, ClassPlace] = Field(default={})
    """Lock services of this site, by name."""
    feedback: Mapping[Text, ClassPlace] = Field(default={})
    """Feedback sinks of this site, by name."""

    def by_group(self) -> Mapping[str, Mapping[str, str]]:
        """Return the site's own plugins: group, name, ``file.py:Class``; empty groups left out."""
        names = type(self).model_fields.keys() - {"allow", "commands"}
        groups = {name: getattr(self, name) for name in type(self).model_fields if name in names}
        return {name: plugins for name, plugins in groups.items() if plugins}


class SiteFile(Part):
    """One installation: its clusters, where state and locks are, what it may use."""

    site: SiteSection = SiteSection()
    """The installation itself."""
    clusters: Mapping[Text, ClusterEntry] = Field(default={})
    """Clusters by the name that rollouts use."""
    stores: Annotated[Mapping[Text, Named], _with_default(DEFAULT_STORE)] = Field(
        default={"default": Use(name=DEFAULT_STORE)}
    )
    """Where state is kept; default is used where nothing else is named."""
    locks: Annotated[Mapping[Text, Named], _with_default(DEFAULT_LOCK)] = Field(
        default={"default": Use(name=DEFAULT_LOCK)}
    )
    """Who keeps two runs apart; default is used where nothing else is named."""
    limits: LimitsSection = LimitsSection()
    """How many may do something at once."""
    rollouts: RolloutsSection = RolloutsSection()
    """Where declared rollouts are found."""
    plugins: PluginsSection = PluginsSection()
    """Plugins beside the built-in ones."""
    feedback: Mapping[Text, Named] = Field(default={})
    """Who is told about runs."""

    @property
    def name(self) -> str:
        """Name of the site."""
        return self.site.name


@cache
def site_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``site.toml``."""
    return schema_of_model(SiteFile, "Site")
