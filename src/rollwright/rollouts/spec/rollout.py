"""The Rollout document: what a user declares, with every default."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from rollwright.rollouts.spec.configuration import ConfigEntry
from rollwright.rollouts.spec.durations import Duration, PositiveDuration
from rollwright.rollouts.spec.feedback import FeedbackUses
from rollwright.rollouts.spec.groups import Group, Groups, GroupsFile, Rest, Selector
from rollwright.rollouts.spec.own_triggers import OwnTriggers
from rollwright.rollouts.spec.ownership import Adoption, ConflictRules, Tools
from rollwright.rollouts.spec.part import (
    Count,
    Flag,
    Label,
    Name,
    OptionalLabel,
    Part,
    Percent,
    Text,
    refuse,
)
from rollwright.rollouts.spec.uses import Named, RendererUse, RendererUses, SourceUse, Use
from rollwright.rollouts.spec.windows import Window

API_VERSION = "rollwright.dev/v1alpha1"
KIND = "Rollout"

PROTECTED_KINDS = (
    "Namespace",
    "CustomResourceDefinition",
    "PersistentVolumeClaim",
    "PersistentVolume",
)
"""Kinds that nothing removes without somebody's word (PR-04)."""


class OnFailure(StrEnum):
    """What follows a failed run."""

    STOP = "stop"
    ROLLBACK = "rollback"


class OnInterrupted(StrEnum):
    """What follows a run that was killed."""

    RESUME = "resume"
    ROLLBACK = "rollback"


class Approval(StrEnum):
    """When somebody has to agree to a plan."""

    NEVER = "never"
    ALWAYS = "always"
    ON_PRUNE = "onPrune"
    ON_CONFLICT = "onConflict"


class Unpredictable(StrEnum):
    """What follows when nobody can say what an apply would do (AP-65)."""

    ALLOW = "allow"
    APPROVE = "approve"
    REFUSE = "refuse"


class Propagation(StrEnum):
    """What becomes of the objects that a deleted object owns."""

    FOREGROUND = "foreground"
    """They are deleted first."""
    BACKGROUND = "background"
    """They are deleted afterwards."""
    ORPHAN = "orphan"
    """They stay."""


class DeletionRule(StrEnum):
    """What becomes of a rollout's objects when the rollout is deleted."""

    DELETE = "delete"
    """They are deleted."""
    ORPHAN = "orphan"
    """They stay, without the labels of the rollout."""
    KEEP = "keep"
    """They stay as they are."""


class Target(Part):
    """Where objects go."""

    cluster: Text = ""
    """A cluster of site.toml; empty for the current kubeconfig context."""
    namespace: OptionalLabel = ""
    """For namespaced objects that name none."""
    create_namespace: Flag = True
    """Create the namespace if it is not there."""
    pin_namespace: Flag = False
    """Refuse objects of any other namespace."""


def _read_pointer(value: str) -> str:
    if not value.startswith("/"):
        raise refuse(f"expected a JSON pointer such as '/spec/replicas'; got {value!r}")
    return value


class IgnoreRule(Part):
    """Fields that belong to somebody else (AP-38)."""

    target: Selector
    """The objects."""
    paths: tuple[Annotated[Text, AfterValidator(_read_pointer)], ...] = Field(min_length=1)
    """JSON pointers of the fields."""


class ApplyPolicy(Part):
    """How objects are written."""

    force: Flag = True
    """Take fields that another manager owns; the plan shows them."""
    recreate_immutable: tuple[Name, ...] = ()
    """Kinds that may be deleted and created again to change an immutable field."""
    migrate_client_side: Flag = True
    """Take over what a client-side kubectl apply owned."""
    unpredictable: Unpredictable = Unpredictable.APPROVE
    """What to do with an object whose admission webhook supports no dry run."""
    simulate_in: OptionalLabel = ""
    """A namespace for dry runs of objects whose own namespace does not exist yet."""
    ignore: tuple[IgnoreRule, ...] = ()
    """Fields that are left as they are in the cluster."""
    conflicts: ConflictRules = ()
    """What becomes of fields that other managers own; the first rule that matches counts."""
    adopt: Adoption = Adoption.IF_NO_OWNER
    """Which objects that are not ours yet may become ours."""
    takeover: Tools = ()
    """Tools that hand their objects over: helm, flux, argocd, …"""
    take_from: tuple[Label, ...] = ()
    """Rollouts whose objects move to this one where it declares them."""


class HealthPolicy(Part):
    """How long objects may take to become Current."""

    timeout: PositiveDuration = timedelta(minutes=10)
    """How long a wait lasts at most."""
    progress_timeout: PositiveDuration = timedelta(minutes=5)
    """How long nothing may move while waiting."""
    soak: Duration = timedelta(0)
    """How long an object must stay Current; 0s for not at all."""
    skip: tuple[Selector, ...] = ()
    """Objects whose health does not count."""


class PrunePolicy(Part):
    """What may be deleted because nobody wants it any more."""

    enabled: Flag = True
    """Delete such objects at all."""
    max_count: Count | None = None
    """How many deletes a plan may hold without an approval; null for any number."""
    max_percent: Percent = 50
    """How much of the inventory a plan may delete without an approval."""
    protect: tuple[Name, ...] = PROTECTED_KINDS
    """Kinds that are deleted only with an approval naming the object."""
    on_empty: Literal["refuse"] = "refuse"
    """A source that renders nothing is refused: it never means to delete everything."""
    propagation: Propagation = Propagation.FOREGROUND
    """What becomes of the objects that a deleted object owns."""


class DeletionPolicy(Part):
    """What `rollwright delete` does with the whole rollout."""

    policy: DeletionRule = DeletionRule.DELETE
    """What becomes of its objects."""
    two_phase: Flag = False
    """Only mark the objects at first, unless a person confirms the name."""


class Retain(Part):
    """What is kept of former runs."""

    revisions: Annotated[Count, Field(ge=1)] = 10
    """How many revisions can be rolled back to."""


class SpecBody(Part):
    """The section ``spec`` of a Rollout."""

    source: SourceUse
    """Where the files come from: a folder, or a source with its options."""
    config: tuple[ConfigEntry, ...] = ()
    """Values handed to the renderer; later entries win."""
    renderers: RendererUses = Field(
        default=(RendererUse(name="plain"),),
        validation_alias="render",
        serialization_alias="render",
    )
    """What makes objects of the files; a list renders several and joins them."""
    transformers: tuple[Named, ...] = Field(
        default=(), validation_alias="transform", serialization_alias="transform"
    )
    """Changes to the rendered objects, in order."""
    validators: tuple[Named, ...] = Field(
        default=(Use(name="schema"),), validation_alias="validate", serialization_alias="validate"
    )
    """What looks for mistakes in the objects."""
    target: Target = Target()
    """Where objects go."""
    groups: Groups = ()
    """Steps in a declared order; without them the order comes from dependencies."""
    rest: Rest = Rest.ERROR
    """What becomes of objects that no step names; ignore where groups come from a file."""
    apply: ApplyPolicy = ApplyPolicy()
    """How objects are written."""
    health: HealthPolicy = HealthPolicy()
    """How long objects may take to become Current."""
    prune: PrunePolicy = PrunePolicy()
    """What may be deleted because nobody wants it any more."""
    deletion: DeletionPolicy = DeletionPolicy()
    """What becomes of everything when the rollout is deleted."""
    timeout: PositiveDuration | None = None
    """How long a run may take at most; null for as long as it takes."""
    on_failure: OnFailure = OnFailure.STOP
    """What follows a failed run."""
    on_interrupted: OnInterrupted = OnInterrupted.RESUME
    """What the next run does first when the one before was killed."""
    retain: Retain = Retain()
    """What is kept of former runs."""
    approval: Approval = Approval.NEVER
    """When somebody has to agree to a plan."""
    windows: tuple[Window, ...] = ()
    """Times in which the rollout may run, or may not."""
    depends_on: tuple[Label, ...] = ()
    """Rollouts that must be Current first."""
    triggers: OwnTriggers = ()
    """What starts runs by itself, while `rollwright listen` listens."""
    feedback: FeedbackUses = ()
    """Who is told about its runs, beside those whom the site tells."""
    suspend: Flag = False
    """Start no runs."""

    @model_validator(mode="before")
    @classmethod
    def _rest_of_a_file(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("groups"), Mapping | GroupsFile):
            return {"rest": "ignore", **data}
        return data


class Metadata(Part):
    """What a document is called."""

    name: Label
    """Name of the rollout, unique in a site."""
    labels: Mapping[Text, Text] = Field(default={})
    """Labels, to select rollouts by."""


class RolloutDocument(Part):
    """A declared rollout: where objects come from, where they go, and by which rules."""

    api_version: Literal["rollwright.dev/v1alpha1"]
    """Version of this form."""
    kind: Literal["Rollout"]
    """Kind of this document."""
    metadata: Metadata
    """What the rollout is called."""
    spec: SpecBody
    """What is declared."""


class RolloutSpec(SpecBody):
    """A declared rollout, flat: its metadata and its spec in one value.

    ``parse`` makes it of a document and checks what spans several fields.
    """

    name: Label
    """Name of the rollout, unique in a site."""
    labels: Mapping[Text, Text] = Field(default={})
    """Labels, to select rollouts by."""
    groups_parallel: Flag = False
    """Run the groups side by side: only a document of the older format may say so (DOC-5)."""

    @property
    def declared_groups(self) -> tuple[Group, ...]:
        """The groups; those of a file once it was read."""
        return () if isinstance(self.groups, GroupsFile) else self.groups
