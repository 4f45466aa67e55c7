"""The sections of ``site.toml``, with every default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from ipaddress import ip_network
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    Strict,
    WithJsonSchema,
    model_validator,
)

from rollwright.rollouts.spec.durations import Duration
from rollwright.rollouts.spec.feedback import Sink
from rollwright.rollouts.spec.part import (
    Flag,
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
from rollwright.rollouts.spec.uses import BLOCK, BlockName, NamedOrBlock, Use

DEFAULT_STORE = "cluster"
DEFAULT_LOCK = "lease"

_PART_OF_LINK = re.compile(r"\{(?:rollout|cluster|revision|plan|run)\}")
_PLACE = re.compile(r"[^:]+\.py:[A-Za-z_][A-Za-z0-9_]*")


def _read_sandbox(value: Any) -> Any:
    if not isinstance(value, bool | str) or value == "":
        raise expect("true, false or the name of a sandbox")
    return value


def _read_place(value: str) -> str:
    if not _PLACE.fullmatch(value):
        raise refuse(f"expected 'folder/file.py:Class', relative to the site; got {value!r}")
    return value


def _not_zero(value: timedelta) -> timedelta:
    if not value:
        raise refuse("must be longer than 0s: nobody could answer")
    return value


def _read_key(value: Any) -> Any:
    if problem := secret_problem(value):
        raise refuse(problem)
    return value


def _read_link(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", _PART_OF_LINK.sub("x", value)):
        raise refuse("expected an address that begins with http:// or https://")
    if unknown := re.findall(r"\{[^}]*\}", _PART_OF_LINK.sub("", value)):
        known = "{rollout}, {cluster}, {revision}, {plan}, {run}"
        raise refuse(f"nothing is called {unknown[0]}; known: {known}")
    return value


def _with_default(plugin: str) -> Shorthand:
    """Make the entry ``default`` stand where nobody wrote one."""

    def read(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        entry = value.get("default", {})
        if isinstance(entry, Mapping) and BLOCK not in entry:
            entry = {"use": plugin, **entry}
        return {**value, "default": entry}

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
Link = Annotated[Text, AfterValidator(_read_link)]
Rate = Annotated[float, Strict(), Field(gt=0)]
Places = Annotated[int, Strict(), Field(ge=1)]


class KeySource(Part):
    """Where a key is read from; never the key itself."""

    env: Name | None = None
    """Variable of the environment that holds it."""
    file: Name | None = None
    """File that holds it, relative to the site."""
    block: Name | None = None
    """Block of the Prefect server that holds it."""


class SiteSection(Part):
    """The installation itself."""

    name: Label = "default"
    """Name of the site, unique among the sites that share clusters."""
    key: Annotated[KeySource, Shorthand(_read_key)] | None = None
    """A long random text that digests of Secrets are keyed with; without it the store keeps one."""
    link: Link | None = None
    """Page about a run where Prefect has none, such as https://ci.example/{rollout}/{run}; may hold
    {rollout}, {cluster}, {revision}, {plan} and {run}."""


class ClusterEntry(Part):
    """One cluster that rollouts may name as their target."""

    block: BlockName | None = None
    """Block of the Prefect server that says the rest; what stands here too goes over it."""
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


class ApprovalsSection(Part):
    """How plans are approved."""

    expires: Annotated[Duration, AfterValidator(_not_zero)] = timedelta(hours=24)
    """How long a plan waits for an approval, and an approval for its run."""


class StepsSection(Part):
    """How steps of documents of the older format are read."""

    parallel: Flag = False
    """Whether steps of a group run together where such a document does not say."""


class RolloutsSection(Part):
    """Where declared rollouts are found."""

    paths: tuple[Name, ...] = ("rollouts",)
    """Files and folders, relative to the site."""


class RenderingSection(Part):
    """How rendered objects are kept between runs, on the machine that renders."""

    cache: Flag = True
    """Whether they are kept at all, in the user's cache folder."""
    cache_secrets: Flag = True
    """Whether sets with Secrets are kept too, sealed with a key that lies elsewhere."""
    environment: tuple[Name, ...] = ()
    """Variables of the environment that `config` of documents may name; * stands for any letters."""


class SourcesSection(Part):
    """Where files may come from."""

    repositories: tuple[Name, ...] = ()
    """Folders of this machine whose git repositories documents may name as file://…: absolute
    paths; the wildcards * and ? stand for parts of one name."""


def _read_network(value: str) -> str:
    try:
        ip_network(value)
    except ValueError:
        raise refuse(
            f"expected an address or a network such as 10.0.0.0/8; got {value!r}"
        ) from None
    return value


Network = Annotated[Text, AfterValidator(_read_network)]
Port = Annotated[int, Strict(), Field(ge=0, le=65_535)]


class WebhooksSection(Part):
    """Where deliveries are received, and how many."""

    host: Name = "127.0.0.1"
    """Address to listen at."""
    port: Port = 8080
    """Port to listen at; 0 for any."""
    rate: Rate = 60.0
    """Deliveries a minute of each receiver."""
    burst: Places = 120
    """How many of them at once."""
    max_body: Places = 25 * 10**6
    """Bytes of a delivery."""
    proxies: tuple[Network, ...] = ()
    """Addresses or networks of proxies, whose word on who sent a delivery counts."""
    audit: Name | None = None
    """File that a line is written to for each delivery; without it standard error."""
    certificate: Name | None = None
    """Certificates of the server (PEM), for https."""
    certificate_key: Name | None = None
    """File of their private key."""

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        if bool(self.certificate) != bool(self.certificate_key):
            raise refuse("certificate and certificateKey stand together", "certificate")
        return self


class MetricsSection(Part):
    """Where metrics, and whether we live and are ready, can be looked at."""

    host: Name = "127.0.0.1"
    """Address to listen at."""
    port: Port | None = None
    """Port to listen at, 0 for any; without one nobody looks."""


class PluginsSection(Part):
    """Plugins beside the built-in ones."""

    allow: tuple[Name, ...] = ()
    """Installed distributions whose plugins may be used; may hold the wildcard *."""
    commands: tuple[Name, ...] = ()
    """Programs that the action Command may start: absolute paths, or relative to the site; the
    wildcards * and ? stand for parts of one name."""
    network_charts: Flag = False
    """Whether charts of a source may fetch what they depend on, where a rollout asks for it."""
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
        names = type(self).model_fields.keys() - {"allow", "commands", "network_charts"}
        groups = {name: getattr(self, name) for name in type(self).model_fields if name in names}
        return {name: plugins for name, plugins in groups.items() if plugins}


def _flat_options(value: Any) -> Any:
    """Read ``use = "postgres"`` with its options beside it, or under ``with``."""
    if not isinstance(value, Mapping) or "use" not in value:
        return value
    beside = {key: one for key, one in value.items() if key not in {"use", "with"}}
    given = value.get("with", {})
    if not beside or not isinstance(given, Mapping):
        return value
    return {"use": value["use"], "with": {**beside, **given}}


_FLAT_FORM = {
    "type": "object",
    "description": "A kind of database, and where it is.",
    "required": ["use"],
    "properties": {"use": {"type": "string", "minLength": 1}},
}

Database = Annotated[Use, Shorthand(_flat_options, (_FLAT_FORM,))]


class QueryEntry(Part):
    """A named query: its rows are data for renderers, under its name."""

    database: Name
    """A database of this site."""
    statement: Name
    """One SQL statement that reads."""


class SiteFile(Part):
    """One installation: its clusters, where state and locks are, what it may use."""

    site: SiteSection = SiteSection()
    """The installation itself."""
    clusters: Mapping[Text, ClusterEntry] = Field(default={})
    """Clusters by the name that rollouts use."""
    stores: Annotated[Mapping[Text, NamedOrBlock], _with_default(DEFAULT_STORE)] = Field(
        default={"default": Use(name=DEFAULT_STORE)}
    )
    """Where state is kept; default is used where nothing else is named."""
    locks: Annotated[Mapping[Text, NamedOrBlock], _with_default(DEFAULT_LOCK)] = Field(
        default={"default": Use(name=DEFAULT_LOCK)}
    )
    """Who keeps two runs apart; default is used where nothing else is named."""
    limits: LimitsSection = LimitsSection()
    """How many may do something at once."""
    databases: Mapping[Text, Database] = Field(default={})
    """Databases that documents may ask, by name: postgres or cockroachdb."""
    queries: Mapping[Text, QueryEntry] = Field(default={})
    """Queries whose rows renderers may import, by name."""
    approvals: ApprovalsSection = ApprovalsSection()
    """How plans are approved."""
    rollouts: RolloutsSection = RolloutsSection()
    """Where declared rollouts are found."""
    steps: StepsSection = StepsSection()
    """How steps of documents of the older format are read."""
    sources: SourcesSection = SourcesSection()
    """Where files may come from."""
    rendering: RenderingSection = RenderingSection()
    """How rendered objects are kept between runs."""
    plugins: PluginsSection = PluginsSection()
    """Plugins beside the built-in ones."""
    feedback: Mapping[Text, Sink] = Field(default={})
    """Who is told about runs, and when."""
    webhooks: WebhooksSection = WebhooksSection()
    """Where deliveries are received, and how many."""
    metrics: MetricsSection = MetricsSection()
    """Where metrics can be looked at."""

    @model_validator(mode="after")
    def _queries_have_databases(self) -> Self:
        for name, query in self.queries.items():
            if query.database not in self.databases:
                known = ", ".join(sorted(self.databases)) or "none"
                message = f"no database {query.database!r}; known: {known}"
                raise refuse(message, "queries", name, "database")
        return self

    @property
    def name(self) -> str:
        """Name of the site."""
        return self.site.name


@cache
def site_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``site.toml``."""
    return schema_of_model(SiteFile, "Site")
