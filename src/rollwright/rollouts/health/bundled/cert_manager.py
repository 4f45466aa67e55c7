"""cert-manager.io: certificates, their requests and issuers."""

from __future__ import annotations

from rollwright.rollouts.health.custom import Criterion, CustomRule, Match, Result
from rollwright.rollouts.health.predicates import AnyOf, ConditionIs

GROUP = "cert-manager.io"
_READY = ConditionIs(type="Ready")
_NOT_READY = ConditionIs(type="Ready", status=frozenset({"False"}))

RULES = (
    CustomRule(
        name="certificate",
        match=Match(group=GROUP, kinds=frozenset({"Certificate"})),
        tests=(
            Criterion(when=ConditionIs(type="Issuing"), result=Result.IN_PROGRESS),
            Criterion(when=_NOT_READY, result=Result.FAILED),
            Criterion(when=_READY, result=Result.CURRENT),
        ),
    ),
    CustomRule(
        name="issuer",
        match=Match(group=GROUP, kinds=frozenset({"Issuer", "ClusterIssuer"})),
        tests=(
            Criterion(when=_NOT_READY, result=Result.FAILED),
            Criterion(when=_READY, result=Result.CURRENT),
        ),
    ),
    CustomRule(
        name="certificate-request",
        match=Match(group=GROUP, kinds=frozenset({"CertificateRequest"})),
        tests=(
            Criterion(
                when=AnyOf((ConditionIs(type="Denied"), ConditionIs(type="InvalidRequest"))),
                result=Result.FAILED,
            ),
            Criterion(when=_READY, result=Result.CURRENT),
            Criterion(
                when=ConditionIs(type="Ready", status=frozenset(), reasons=frozenset({"Pending"})),
                result=Result.IN_PROGRESS,
            ),
            Criterion(when=ConditionIs(type="Ready", status=frozenset()), result=Result.FAILED),
        ),
    ),
)
