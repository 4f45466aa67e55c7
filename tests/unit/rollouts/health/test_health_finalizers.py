"""Who takes a finalizer off."""

from __future__ import annotations

import pytest

from rollwright.rollouts.health.finalizers import is_running, keeper_of


@pytest.mark.parametrize(
    ("finalizer", "name"),
    [
        ("foregroundDeletion", "the garbage collector, once the children are gone"),
        ("resources-finalizer.argocd.argoproj.io", "the application controller of Argo CD"),
        (
            "resources-finalizer.argocd.argoproj.io/background",
            "the application controller of Argo CD",
        ),
        ("finalizer.acme.cert-manager.io", "cert-manager"),
        ("finalizers.fluxcd.io", "the controllers of Flux"),
        ("finalizer.managedresource.crossplane.io", "Crossplane and its providers"),
        ("cluster.cluster.x-k8s.io", "Cluster API"),
        ("widgets.example.com/x", "a controller of widgets.example.com"),
    ],
)
def test_a_finalizer_has_its_keeper(finalizer, name):
    keeper = keeper_of(finalizer)

    assert keeper is not None
    assert keeper.name == name


def test_a_bare_word_tells_nothing():
    assert keeper_of("something") is None


def test_a_domain_alone_is_not_known():
    keeper = keeper_of("widgets.example.com/x")

    assert keeper is not None
    assert (keeper.is_known, keeper.words) == (False, ("widgets", "example"))


@pytest.mark.parametrize(
    ("finalizer", "names", "expected"),
    [
        ("kubernetes.io/pvc-protection", [], True),
        ("finalizers.fluxcd.io", ["flux-system kustomize-controller"], True),
        ("finalizers.fluxcd.io", ["shop web"], False),
        ("widgets.example.com/x", ["tools widgets-operator"], True),
    ],
)
def test_a_keeper_is_looked_for_among_what_runs(finalizer, names, expected):
    keeper = keeper_of(finalizer)

    assert keeper is not None
    assert is_running(keeper, names) is expected
