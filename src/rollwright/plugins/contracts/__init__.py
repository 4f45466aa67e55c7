"""The ports: what a plugin of each kind is, and the values that pass through.

A plugin is a frozen pydantic model whose fields are its options, with one method that takes one
request value. There is no base class: these Protocols are checked by type. Requests are values,
so that fields can be added without breaking a plugin.

``rendering`` has sources, renderers, transformers and validators, ``cluster`` the port to one
cluster, ``steps`` actions and checks, ``keeping`` stores and locks, ``telling`` feedback sinks.
"""

from __future__ import annotations

from rollwright.plugins.contracts.cluster import (
    ApplyRequest,
    Cluster,
    DeleteRequest,
    Discovery,
    EventType,
    GetRequest,
    ListRequest,
    LogRequest,
    PatchForm,
    PatchRequest,
    Propagation,
    ServedKind,
    WatchEvent,
)
from rollwright.plugins.contracts.keeping import (
    Lock,
    LockOwner,
    LockPlugin,
    LockRecord,
    LockService,
    StateStore,
    StorePlugin,
)
from rollwright.plugins.contracts.rendering import (
    Checkout,
    FetchRequest,
    Renderer,
    RenderRequest,
    Source,
    Transformer,
    TransformRequest,
    ValidateRequest,
    Validator,
)
from rollwright.plugins.contracts.steps import (
    Action,
    ActionRequest,
    Ask,
    Check,
    CheckRequest,
    CheckResult,
    Verdict,
    time_limit,
)
from rollwright.plugins.contracts.telling import FeedbackSink

__all__ = [
    "Action",
    "ActionRequest",
    "ApplyRequest",
    "Ask",
    "Check",
    "CheckRequest",
    "CheckResult",
    "Checkout",
    "Cluster",
    "DeleteRequest",
    "Discovery",
    "EventType",
    "FeedbackSink",
    "FetchRequest",
    "GetRequest",
    "ListRequest",
    "Lock",
    "LockOwner",
    "LockPlugin",
    "LockRecord",
    "LockService",
    "LogRequest",
    "PatchForm",
    "PatchRequest",
    "Propagation",
    "RenderRequest",
    "Renderer",
    "ServedKind",
    "Source",
    "StateStore",
    "StorePlugin",
    "TransformRequest",
    "Transformer",
    "ValidateRequest",
    "Validator",
    "Verdict",
    "WatchEvent",
    "time_limit",
]
