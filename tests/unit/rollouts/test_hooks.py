"""Hooks: the table of annotations, their order, their names and their ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rollwright.errors import InvalidManifests
from rollwright.rollouts.hooks.hooks import (
    DeletePolicy,
    Ending,
    Moment,
    Phase,
    When,
    order_phase,
    prepare_hooks,
    split_hooks,
)
from rollwright.rollouts.manifest import Manifest, ManifestSet, Origin, ref_of
from rollwright.rollouts.order.annotations import Findings, read_marks

OURS, ARGO, HELM = "rollwright.dev/hook", "argocd.argoproj.io/hook", "helm.sh/hook"
WAVE = "argocd.argoproj.io/sync-wave"


def an_object(name: str = "migrate", kind: str = "Job", **annotations: Any) -> Manifest:
    metadata: dict[str, Any] = {"namespace": "shop", "annotations": annotations}
    metadata["generateName" if name.endswith("-") else "name"] = name
    version = "batch/v1" if kind == "Job" else "v1"
    body = {"apiVersion": version, "kind": kind, "metadata": metadata}
    key = f"{name}.yaml"
    return Manifest(body=body, ref=ref_of(body), key=key, origin=Origin(file=key, line=1))


def hooks_of(*manifests: Manifest):
    return split_hooks(ManifestSet(manifests))[1]


def a_hook(name: str = "migrate", kind: str = "Job", **annotations: Any):
    [hook] = hooks_of(an_object(name, kind, **annotations))
    return hook


def problems_of(*manifests: Manifest) -> list[str]:
    with pytest.raises(InvalidManifests) as caught:
        split_hooks(ManifestSet(manifests))
    return [f"{one.path}: {one.message}" for one in caught.value.problems]


def names(turns) -> list[list[str]]:
    return [[hook.manifest.ref.name for hook in turn] for turn in turns]


@pytest.mark.parametrize(
    ("style", "text", "moments"),
    [
        (HELM, "pre-install", [Moment(Phase.PRE_APPLY, When.INITIAL)]),
        (HELM, "pre-upgrade", [Moment(Phase.PRE_APPLY, When.UPGRADE)]),
        (HELM, "pre-install,pre-upgrade", [Moment(Phase.PRE_APPLY)]),
        (HELM, "post-install", [Moment(Phase.POST_APPLY, When.INITIAL)]),
        (HELM, "post-upgrade", [Moment(Phase.POST_APPLY, When.UPGRADE)]),
        (HELM, "post-install, post-upgrade", [Moment(Phase.POST_APPLY)]),
        (HELM, "Pre-Rollback", [Moment(Phase.PRE_ROLLBACK)]),
        (HELM, "post-rollback", [Moment(Phase.POST_ROLLBACK)]),
        (HELM, "pre-delete", [Moment(Phase.PRE_DELETE)]),
        (HELM, "post-delete", [Moment(Phase.POST_DELETE)]),
        (HELM, "test", [Moment(Phase.TEST)]),
        (HELM, "test-success", [Moment(Phase.TEST)]),
        (
            HELM,
            "post-upgrade,pre-install",
            [Moment(Phase.PRE_APPLY, When.INITIAL), Moment(Phase.POST_APPLY, When.UPGRADE)],
        ),
        (ARGO, "PreSync", [Moment(Phase.PRE_APPLY)]),
        (ARGO, "PostSync", [Moment(Phase.POST_APPLY)]),
        (ARGO, "SyncFail", [Moment(Phase.ON_FAILURE)]),
        (ARGO, "PreDelete", [Moment(Phase.PRE_DELETE)]),
        (ARGO, "PostDelete", [Moment(Phase.POST_DELETE)]),
        (ARGO, "PreSync,PostSync", [Moment(Phase.PRE_APPLY), Moment(Phase.POST_APPLY)]),
        (ARGO, "Skip,PreSync", [Moment(Phase.PRE_APPLY)]),
        *[(OURS, phase.value, [Moment(phase)]) for phase in Phase],
    ],
)
def test_phases_of_every_style(style, text, moments):
    assert a_hook(**{style: text}).moments == tuple(moments)


@pytest.mark.parametrize(
    ("style", "text", "is_planned"),
    [(ARGO, "Sync", True), (HELM, "crd-install", True), (ARGO, "Skip", False)],
)
def test_what_runs_in_no_phase(style, text, is_planned):
    ordinary, hooks = split_hooks(ManifestSet((an_object(**{style: text}),)))

    assert (len(ordinary), hooks) == (is_planned, ())


def test_what_is_no_hook_is_planned_in_its_order():
    given = (an_object("a"), an_object("b", **{OURS: "test"}), an_object("c", **{WAVE: "1"}))
    wanted = ManifestSet(given, "path@sha256:0", faults=("f",))
    ordinary, hooks = split_hooks(wanted)

    assert [one.ref.name for one in ordinary] == ["a", "c"]
    assert [one.manifest.ref.name for one in hooks] == ["b"]
    assert (ordinary.source, ordinary.faults) == (wanted.source, wanted.faults)


def test_our_style_wins_over_the_others():
    hook = a_hook(**{OURS: "post-apply", ARGO: "PreSync", HELM: "test"})

    assert hook.phases == (Phase.POST_APPLY,)


def test_argo_wins_over_helm():
    assert a_hook(**{ARGO: "PreSync", HELM: "test"}).phases == (Phase.PRE_APPLY,)


@pytest.mark.parametrize(
    ("annotations", "is_initial", "runs"),
    [
        ({OURS: "pre-apply"}, True, True),
        ({OURS: "pre-apply", "rollwright.dev/hook-when": "initial"}, True, True),
        ({OURS: "pre-apply", "rollwright.dev/hook-when": "initial"}, False, False),
        ({OURS: "pre-apply", "rollwright.dev/hook-when": "upgrade"}, True, False),
        ({HELM: "pre-install"}, False, False),
        ({HELM: "pre-install", "rollwright.dev/hook-when": "always"}, False, True),
    ],
)
def test_first_runs_and_later_ones_may_differ(annotations, is_initial, runs):
    assert a_hook(**annotations).runs_in(Phase.PRE_APPLY, is_initial=is_initial) is runs


def test_a_hook_runs_in_its_phases_only():
    assert not a_hook(**{HELM: "test"}).runs_in(Phase.PRE_APPLY, is_initial=True)


@pytest.mark.parametrize(
    ("annotations", "weight"),
    [
        ({HELM: "test"}, 0),
        ({HELM: "test", "helm.sh/hook-weight": "-5"}, -5),
        ({HELM: "test", "helm.sh/hook-weight": "3", WAVE: "1"}, 3),
        ({HELM: "test", WAVE: "1"}, 1),
        ({ARGO: "PreSync", WAVE: "2", "helm.sh/hook-weight": "3"}, 2),
        ({ARGO: "PreSync", "helm.sh/hook-weight": "3"}, 3),
        ({OURS: "test", "rollwright.dev/hook-weight": "+7", WAVE: "2"}, 7),
        ({OURS: "test", "rollwright.dev/wave": "4", WAVE: "2"}, 4),
    ],
)
def test_weights_of_every_style(annotations, weight):
    assert a_hook(**annotations).weight == weight


@pytest.mark.parametrize("text", ["-3", "0", "12", "x"])
def test_a_wave_of_a_hook_is_read_as_that_of_other_objects(text):
    manifest, findings = an_object(**{ARGO: "Sync", WAVE: text}), Findings()
    marks = read_marks(manifest.body, manifest.ref, str(manifest.origin), findings)

    if findings.problems:
        expected = [f"{one.path}: {one.message}" for one in findings.problems]
        assert problems_of(an_object(**{ARGO: "PreSync", WAVE: text})) == expected
    else:
        assert a_hook(**{ARGO: "PreSync", WAVE: text}).weight == marks.wave


@pytest.mark.parametrize(
    ("annotations", "policies"),
    [
        ({HELM: "test"}, ["before-creation"]),
        (
            {HELM: "test", "helm.sh/hook-delete-policy": "hook-succeeded,hook-failed"},
            ["on-success", "on-failure"],
        ),
        (
            {HELM: "test", "helm.sh/hook-delete-policy": "before-hook-creation"},
            ["before-creation"],
        ),
        (
            {ARGO: "PreSync", "argocd.argoproj.io/hook-delete-policy": "HookSucceeded"},
            ["on-success"],
        ),
        (
            {
                ARGO: "PreSync",
                "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation,HookFailed",
            },
            ["before-creation", "on-failure"],
        ),
        ({ARGO: "PreSync", "helm.sh/hook-delete-policy": "hook-failed"}, ["on-failure"]),
        (
            {
                OURS: "test",
                "rollwright.dev/hook-delete-policy": "on-success",
                "helm.sh/hook-delete-policy": "hook-failed",
            },
            ["on-success"],
        ),
    ],
)
def test_delete_policies_of_every_style(annotations, policies):
    assert a_hook(**annotations).delete_policies == {DeletePolicy(one) for one in policies}


def test_delete_policies_say_when():
    hook = a_hook(**{OURS: "test", "rollwright.dev/hook-delete-policy": "on-success"})

    assert not hook.is_deleted_before()
    assert hook.is_deleted_after(Ending.SUCCEEDED)
    assert not hook.is_deleted_after(Ending.FAILED)


@pytest.mark.parametrize(
    ("annotations", "key", "word"),
    [
        ({OURS: "pre-sync"}, OURS, "no phase 'pre-sync'"),
        ({ARGO: "presync"}, ARGO, "no phase 'presync'"),
        ({HELM: "test-failure"}, HELM, "no phase 'test-failure'"),
        ({HELM: ""}, HELM, "names no phase"),
        ({HELM: "test", "helm.sh/hook-weight": "1.5"}, "helm.sh/hook-weight", "an integer; got"),
        ({ARGO: "Sync", WAVE: "first"}, WAVE, "a wave is an integer; got 'first'"),
        (
            {HELM: "test", "helm.sh/hook-delete-policy": "HookFailed"},
            "helm.sh/hook-delete-policy",
            "no delete policy 'hookfailed'; known: before-hook-creation",
        ),
        (
            {OURS: "test", "rollwright.dev/hook-when": "first"},
            "rollwright.dev/hook-when",
            "got 'first', expected initial, upgrade, always",
        ),
        (
            {OURS: "test", "rollwright.dev/hook-from": "here"},
            "rollwright.dev/hook-from",
            "got 'here', expected left or restored",
        ),
        (
            {OURS: "test", "rollwright.dev/hook-logs": "ever"},
            "rollwright.dev/hook-logs",
            "no log policy 'ever'; known: on-failure, on-success",
        ),
    ],
)
def test_an_unknown_value_is_told_with_its_place(annotations, key, word):
    [problem] = problems_of(an_object(**annotations))

    assert problem.startswith(f"metadata.annotations[{key}]: Job/shop/migrate: ")
    assert word in problem


def test_every_problem_is_told():
    assert len(problems_of(an_object("a", **{OURS: "x"}), an_object("b", **{HELM: "y,z"}))) == 3


def test_a_phase_goes_by_weight_then_kind_then_name():
    weighted = an_object("z", **{OURS: "pre-apply", "rollwright.dev/hook-weight": "-1"})
    late = an_object("y", **{OURS: "pre-apply", "rollwright.dev/hook-weight": "10"})
    same = [an_object(name, **{OURS: "pre-apply"}) for name in "ba"]
    settings = an_object("c", "ConfigMap", **{OURS: "pre-apply"})
    other = an_object("o", **{OURS: "test"})
    hooks = hooks_of(late, *same, settings, other, weighted)

    turns = order_phase(hooks, Phase.PRE_APPLY, is_initial=True)
    assert names(turns) == [["z"], ["c", "a", "b"], ["y"]]


def test_a_phase_without_hooks_has_no_turns():
    assert order_phase((), Phase.TEST, is_initial=True) == ()


def test_a_hook_is_named_with_its_run():
    [hook] = prepare_hooks([a_hook("migrate-", **{OURS: "pre-apply"})], "r42")

    assert hook.manifest.ref.name == "migrate-r42"
    assert "generateName" not in hook.manifest.body["metadata"]


def test_a_resumed_run_finds_its_hooks_and_another_run_does_not():
    hooks = [a_hook("migrate-", **{OURS: "pre-apply"})]
    first, again, other = (
        prepare_hooks(hooks, run)[0].manifest.ref for run in ("a" * 32, "a" * 32, "b" * 32)
    )

    assert first == again != other


def test_two_hooks_of_one_generated_name_are_told_apart():
    hooks = [a_hook("migrate-", **{OURS: phase}) for phase in ("pre-apply", "post-apply")]

    assert [one.manifest.ref.name for one in prepare_hooks(hooks, "r1")] == [
        "migrate-r1",
        "migrate-r1-2",
    ]


@pytest.mark.parametrize("run", ["0" * 32, "r1", "Run of Monday", "2026-11-21T10:00:00Z-" * 4])
def test_names_of_hooks_are_names(run):
    name = prepare_hooks([a_hook("a" * 70 + "-", **{OURS: "test"})], run)[0].manifest.ref.name

    assert len(name) <= 63
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_a_name_that_stands_is_kept():
    assert prepare_hooks([a_hook(**{OURS: "test"})], "r1")[0].manifest.ref.name == "migrate"


def test_finished_jobs_go_after_a_day():
    [hook] = prepare_hooks([a_hook(**{OURS: "test"})], "r1")

    assert hook.manifest.body["spec"] == {"ttlSecondsAfterFinished": 86_400}


def test_a_job_may_say_how_long_it_is_kept():
    manifest = an_object(**{OURS: "test"})
    manifest = manifest.with_body({**manifest.body, "spec": {"ttlSecondsAfterFinished": 5}})
    [hook] = prepare_hooks(hooks_of(manifest), "r1")

    assert hook.manifest.body["spec"] == {"ttlSecondsAfterFinished": 5}


def test_other_kinds_stay_as_they_are():
    hook = a_hook("c", "ConfigMap", **{OURS: "test"})

    assert prepare_hooks([hook], "r1") == (hook,)


@pytest.mark.parametrize(
    ("deadline", "timeout"),
    [
        (None, timedelta(minutes=10)),
        (30, timedelta(seconds=30)),
        (3600, timedelta(minutes=10)),
        (True, timedelta(minutes=10)),
    ],
)
def test_a_deadline_of_a_job_counts_if_it_is_lower(deadline, timeout):
    manifest = an_object(**{OURS: "test"})
    manifest = manifest.with_body({**manifest.body, "spec": {"activeDeadlineSeconds": deadline}})

    assert hooks_of(manifest)[0].timeout == timeout


def test_a_planned_object_needs_a_name():
    [problem] = problems_of(an_object("migrate-", **{ARGO: "Sync"}))

    assert problem.startswith("metadata.name: ")


def test_a_rollback_hook_may_come_from_the_revision_that_is_left():
    marks = {OURS: "pre-rollback", "rollwright.dev/hook-from": "left"}

    assert a_hook(**marks).is_from_left
    assert not a_hook(**{OURS: "pre-rollback"}).is_from_left


@pytest.mark.parametrize(
    ("key", "text", "keeps"),
    [
        ("helm.sh/hook-output-log-policy", "hook-succeeded", True),
        ("helm.sh/hook-output-log-policy", "hook-failed", False),
        ("rollwright.dev/hook-logs", "on-success,on-failure", True),
        ("rollwright.dev/other", "x", False),
    ],
)
def test_logs_of_success_are_kept_if_asked(key, text, keeps):
    assert a_hook(**{HELM: "test", key: text}).keeps_log is keeps
