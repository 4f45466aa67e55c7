"""One namespace for every namespaced object, and for everybody who speaks of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from rollwright.plugins.contracts import TransformRequest
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.manifest import Body, Manifest, ManifestSet
from rollwright.rollouts.spec.part import Label
from rollwright.transformers.editing import mapping, with_bodies
from rollwright.transformers.following import Whereabouts, follow
from rollwright.transformers.places import changed, parse
from rollwright.transformers.target import Target

_RBAC = "rbac.authorization.k8s.io"
_BINDINGS = {(_RBAC, "RoleBinding"), (_RBAC, "ClusterRoleBinding")}
_SERVICES = {
    ("apiregistration.k8s.io", "APIService"): parse("spec.service"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): parse(
        "spec.conversion.webhook.clientConfig.service"
    ),
}
_SUBJECTS = parse("subjects[kind=ServiceAccount]")


class Subjects(StrEnum):
    """Which accounts of a binding that the set does not hold get the namespace, too."""

    DEFAULT_ONLY = "defaultOnly"
    ALL = "allServiceAccounts"
    NONE = "none"


class Namespace(BaseModel):
    """Set the namespace of every namespaced object.

    A Namespace gets the name. Subjects of bindings and the Services of webhooks follow if the
    set holds what they mean; those of an APIService and of a CRD's conversion always do. A kind
    that is neither built in nor defined by the set counts as namespaced.

    Attributes:
        namespace: The namespace.
        target: Which objects; every one by default.
        unset_only: Whether objects that name a namespace keep it.
        set_role_binding_subjects: Which accounts of bindings follow, whether they are in the set
            or not: the one named ``default``, all, or none.
    """

    model_config = OPTIONS

    namespace: Label
    target: Target = Target()
    unset_only: bool = False
    set_role_binding_subjects: Subjects = Subjects.DEFAULT_ONLY

    def transform(self, request: TransformRequest) -> ManifestSet:
        """Return the set with the namespace.

        Raises:
            InvalidManifests: Two objects have one identity afterwards.
        """
        old = request.manifests
        where = Whereabouts(old, request.namespace)
        new = with_bodies(old, self.target, lambda one: self._moved(one, where))
        followed = follow(old, new, where)
        return with_bodies(followed, self.target, self._with_followers)

    def _moved(self, manifest: Manifest, where: Whereabouts) -> Body:
        metadata = manifest.body["metadata"]
        if manifest.ref.group_kind == ("", "Namespace"):
            return {**manifest.body, "metadata": {**metadata, "name": self.namespace}}
        is_kept = self.unset_only and manifest.ref.namespace
        if is_kept or not where.is_inside(manifest.ref):
            return manifest.body
        return {**manifest.body, "metadata": {**metadata, "namespace": self.namespace}}

    def _with_followers(self, manifest: Manifest) -> Body:
        body: Any = manifest.body
        if manifest.ref.group_kind in _BINDINGS:
            body = changed(body, _SUBJECTS, self._subject)
        service = _SERVICES.get(manifest.ref.group_kind)
        if service is not None:
            body = changed(body, service, self._service)
        result: Body = body
        return result

    def _subject(self, subject: Any) -> Any:
        policy, name = self.set_role_binding_subjects, mapping(subject).get("name")
        if policy is Subjects.ALL or (policy is Subjects.DEFAULT_ONLY and name == "default"):
            return {**subject, "namespace": self.namespace}
        return subject

    def _service(self, service: Any) -> Any:
        is_named = bool(mapping(service)) and not (self.unset_only and service.get("namespace"))
        return {**service, "namespace": self.namespace} if is_named else service
