"""PersistentVolumeClaim, PersistentVolume, StorageClass (HL-90..94, HL-104)."""

from __future__ import annotations

from collections.abc import Iterable

from rollwright.rollouts.health.subject import Finding, Subject, current, failed, in_progress
from rollwright.rollouts.manifest import Body

SELECTED_NODE = "volume.kubernetes.io/selected-node"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
LEGACY_CLASS = "volume.beta.kubernetes.io/storage-class"
LEGACY_DEFAULT_CLASS = "storageclass.beta.kubernetes.io/is-default-class"


def claim(s: Subject) -> Finding:
    """Judge a PersistentVolumeClaim."""
    phase = s.status.get("phase")
    if phase == "Bound":
        return current("bound", f"bound to volume {s.spec.get('volumeName')}")
    if phase == "Lost":
        return failed("lost", "ClaimLost", f"its volume {s.spec.get('volumeName')} is gone")
    storage_class = class_of(s.body, s.context.storage_classes)
    if phase == "Pending" and storage_class is not None and _waits_for_consumer(s, storage_class):
        name = (storage_class.get("metadata") or {}).get("name")
        words = f"waits for its first consumer, as storage class {name!r} asks"
        return current("consumer", words, reason="WaitsForConsumer")
    return in_progress("bound", "NotBound", f"phase {phase or 'Pending'}: no volume is bound yet")


def _waits_for_consumer(s: Subject, storage_class: Body) -> bool:
    if storage_class.get("volumeBindingMode") != "WaitForFirstConsumer":
        return False
    return SELECTED_NODE not in s.annotations and not any(
        uses_claim(pod, s.ref.namespace, s.ref.name) for pod in s.context.pods
    )


def class_of(claim: Body, classes: Iterable[Body]) -> Body | None:
    """Return a claim's storage class, which may be the default one (HL-104)."""
    name = (claim.get("spec") or {}).get("storageClassName")
    annotations = (claim.get("metadata") or {}).get("annotations") or {}
    name = annotations.get(LEGACY_CLASS) if name is None else name
    if name is None:
        return next((one for one in classes if _is_default(one)), None)
    return next((one for one in classes if (one.get("metadata") or {}).get("name") == name), None)


def _is_default(storage_class: Body) -> bool:
    annotations = (storage_class.get("metadata") or {}).get("annotations") or {}
    return "true" in {annotations.get(DEFAULT_CLASS), annotations.get(LEGACY_DEFAULT_CLASS)}


def uses_claim(pod: Body, namespace: str, name: str) -> bool:
    """Whether an unfinished pod mounts a claim, also one made for it alone."""
    metadata = pod.get("metadata") or {}
    if (metadata.get("namespace") or "") != namespace:
        return False
    if (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}:
        return False
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        if (volume.get("persistentVolumeClaim") or {}).get("claimName") == name:
            return True
        if "ephemeral" in volume and f"{metadata.get('name')}-{volume.get('name')}" == name:
            return True
    return False


def volume(s: Subject) -> Finding:
    """Judge a PersistentVolume."""
    phase = s.status.get("phase")
    if phase in {"Available", "Bound", "Released"}:
        return current("phase", f"phase {phase}")
    if phase == "Failed":
        return failed("phase", "VolumeFailed", str(s.status.get("message") or "phase Failed"))
    return in_progress("phase", "VolumePending", f"phase {phase or 'unknown'}")
