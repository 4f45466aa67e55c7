"""The shapes of ``machine``'s JSON, as types and as JSON Schemas; a module for each subject.

Before: ``machine`` fills them. After: programs read them, editors and tests check them.
"""

from __future__ import annotations

from rollwright.rollouts.machine.forms.drifts import (
    DriftForm,
    FieldDriftForm,
    HolderForm,
    ObjectDriftForm,
)
from rollwright.rollouts.machine.forms.histories import (
    AuditForm,
    DiffForm,
    HistoryForm,
    ObjectDiffForm,
)
from rollwright.rollouts.machine.forms.parts import (
    ConflictForm,
    EdgeForm,
    EvidenceForm,
    FieldForm,
    GateForm,
    GuardForm,
    LiveForm,
    ObjectStatusForm,
    OriginForm,
    ReasonForm,
    RefForm,
    SummaryForm,
    WarningForm,
)
from rollwright.rollouts.machine.forms.plans import (
    ChangeForm,
    DeclaredForm,
    EffectForm,
    HookForm,
    PlanForm,
    RollbackForm,
    StepForm,
    UseForm,
    WaveForm,
)
from rollwright.rollouts.machine.forms.reports import (
    CarriedOutForm,
    ChangeResultForm,
    ReportForm,
    RolledBackForm,
    StepResultForm,
    TriggerForm,
)
from rollwright.rollouts.machine.forms.schemas import FORMS, machine_schema, schema_of_form
from rollwright.rollouts.machine.forms.states import (
    ApprovalForm,
    HoldForm,
    InterruptedForm,
    QuestionForm,
    RemovalForm,
    RemovedForm,
    RevisionForm,
    StatusForm,
)

__all__ = [
    "FORMS",
    "ApprovalForm",
    "AuditForm",
    "CarriedOutForm",
    "ChangeForm",
    "ChangeResultForm",
    "ConflictForm",
    "DeclaredForm",
    "DiffForm",
    "DriftForm",
    "EdgeForm",
    "EffectForm",
    "EvidenceForm",
    "FieldDriftForm",
    "FieldForm",
    "GateForm",
    "GuardForm",
    "HistoryForm",
    "HoldForm",
    "HolderForm",
    "HookForm",
    "InterruptedForm",
    "LiveForm",
    "ObjectDiffForm",
    "ObjectDriftForm",
    "ObjectStatusForm",
    "OriginForm",
    "PlanForm",
    "QuestionForm",
    "ReasonForm",
    "RefForm",
    "RemovalForm",
    "RemovedForm",
    "ReportForm",
    "RevisionForm",
    "RollbackForm",
    "RolledBackForm",
    "StatusForm",
    "StepForm",
    "StepResultForm",
    "SummaryForm",
    "TriggerForm",
    "UseForm",
    "WarningForm",
    "WaveForm",
    "machine_schema",
    "schema_of_form",
]
