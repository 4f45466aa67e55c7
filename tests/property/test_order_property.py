"""What holds for the order of any set of objects, whatever people write on them."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from rollwright.errors import InvalidManifests
from rollwright.rollouts.manifest import Manifest, Origin, ref_of
from rollwright.rollouts.order import (
    OrderContext,
    arrange,
    order_deletes,
    order_upserts,
    reduced,
    tie_key,
)
from rollwright.rollouts.order.annotations import Findings
from rollwright.rollouts.order.catalog import Source, make_catalog
from rollwright.rollouts.order.rules import default_waits
from rollwright.rollouts.order.user import dependency_waits, rule_waits

KINDS = [
    ("v1", "Namespace", False),
    ("v1", "ConfigMap", True),
    ("v1", "Secret", True),
    ("v1", "ServiceAccount", True),
    ("v1", "Service", True),
    ("v1", "PersistentVolumeClaim", True),
    ("apps/v1", "Deployment", True),
    ("batch/v1", "Job", True),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", False),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", True),
    ("storage.k8s.io/v1", "StorageClass", False),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", False),
    ("shop.example.com/v1", "Basket", True),
    ("apiregistration.k8s.io/v1", "APIService", False),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", False),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", False),
    ("kappctrl.k14s.io/v1alpha1", "App", True),
]
DEFINITION = {"group": "shop.example.com", "names": {"kind": "Basket", "plural": "baskets"}}
GROUPS = ["red", "blue", "pod-related"]


def reference(body) -> str:
    ref = ref_of(body)
    middle = f"namespaces/{ref.namespace}/" if ref.namespace else ""
    return f"{ref.group}/{middle}{ref.kind}/{ref.name}"


def body_of(kind, name, namespace):
    api_version, word, is_inside = kind
    metadata = {"name": name, "annotations": {}}
    if is_inside:
        metadata["namespace"] = namespace
    spec = DEFINITION if word == "CustomResourceDefinition" else {}
    return {"apiVersion": api_version, "kind": word, "metadata": metadata, "spec": spec}


@st.composite
def objects(draw):
    chosen = draw(
        st.lists(
            st.tuples(st.sampled_from(KINDS), st.sampled_from("ab"), st.sampled_from("ab")),
            max_size=14,
            unique_by=lambda triple: (triple[0][1], triple[1], triple[0][2] and triple[2]),
        )
    )
    bodies = [body_of(*triple) for triple in chosen]
    for body in bodies:
        annotations = body["metadata"]["annotations"]
        if draw(st.booleans()):
            continue
        match draw(st.sampled_from(["wave", "depends", "group", "rule", "off"])):
            case "wave":
                annotations["rollwright.dev/wave"] = str(draw(st.integers(-1, 1)))
            case "depends":
                other = draw(st.sampled_from(bodies))
                annotations["rollwright.dev/depends-on"] = reference(other)
            case "group":
                annotations["rollwright.dev/change-group"] = draw(st.sampled_from(GROUPS))
            case "rule":
                verb, target = draw(
                    st.sampled_from([("upsert", "upserting"), ("delete", "deleting")])
                )
                order = draw(st.sampled_from(["before", "after"]))
                group = draw(st.sampled_from(GROUPS))
                annotations["rollwright.dev/change-rule"] = f"{verb} {order} {target} {group}"
            case _:
                annotations["rollwright.dev/default-order"] = "off"
    return bodies


def manifests(bodies):
    return [
        Manifest(body=body, ref=ref_of(body), key="k", origin=Origin(file="f")) for body in bodies
    ]


def upserts(bodies):
    try:
        return order_upserts(manifests(bodies))
    except InvalidManifests:
        return None


def deletes(bodies):
    try:
        return order_deletes(bodies)
    except InvalidManifests:
        return None


def orders(bodies):
    return [each for each in (upserts(bodies), deletes(bodies)) if each is not None]


@given(objects())
@settings(max_examples=80, deadline=None)
def test_every_object_is_placed_once(bodies):
    for order in orders(bodies):
        assert sorted(each.ref for each in order.placed) == sorted(map(ref_of, bodies))


@given(objects())
@settings(max_examples=80, deadline=None)
def test_the_order_of_starts_is_a_linear_extension_of_the_graph(bodies):
    for order in orders(bodies):
        place = {each.ref: number for number, each in enumerate(order.placed)}
        for each in order.placed:
            for edge in order.predecessors(each.ref):
                before = order.by_ref[edge.ref]
                assert place[edge.ref] < place[each.ref]
                assert (before.wave, before.level < each.level) == (each.wave, True)


@given(objects())
@settings(max_examples=80, deadline=None)
def test_the_level_is_the_longest_path(bodies):
    for order in orders(bodies):
        for each in order.placed:
            before = [order.by_ref[edge.ref].level for edge in order.predecessors(each.ref)]
            assert each.level == max((level + 1 for level in before), default=0)


@given(objects(), st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_the_input_order_does_not_matter(bodies, dice: random.Random):
    shuffled = list(bodies)
    dice.shuffle(shuffled)

    assert upserts(shuffled) == upserts(bodies)
    assert deletes(shuffled) == deletes(bodies)


@given(objects())
@settings(max_examples=80, deadline=None)
def test_ties_are_broken_by_kind_namespace_and_name(bodies):
    order = upserts(bodies)
    for one, next_one in pairwise(order.placed if order else ()):
        if (one.wave, one.level) == (next_one.wave, next_one.level):
            assert tie_key(one.ref) < tie_key(next_one.ref)


ON_TOP = {"OR-76", "OR-77", "OR-78", "OR-79", "OR-80", "OR-81", "change-rule"}


def asked_by_rules(bodies):
    """Return what waits for what by any rule for upserts, kept or not."""
    sources = (Source(body, ref_of(body), "") for body in bodies)
    catalog = make_catalog(sources, OrderContext(), Findings())
    refs = [item.ref for item in catalog.items]
    waits = (
        *default_waits(catalog),
        *dependency_waits(catalog, Findings()),
        *rule_waits(catalog, "upsert", Findings()),
    )
    return {
        (refs[waiter], refs[member])
        for wait in waits
        for waiter in wait.waiters
        for member in wait.members
        if waiter != member
    }


@given(objects())
@settings(max_examples=80, deadline=None)
def test_deletes_run_the_other_way_but_for_the_rules_on_top(bodies):
    back = deletes(bodies)
    if back is None:
        return
    asked = asked_by_rules(bodies)
    for each in back.placed:
        for edge in back.predecessors(each.ref):
            assert edge.rule in ON_TOP or (edge.ref, each.ref) in asked


@given(objects())
@settings(max_examples=80, deadline=None)
def test_deletes_reverse_every_wait_of_the_upserts_where_nothing_is_said(bodies):
    there, back = upserts(bodies), deletes(bodies)
    if there is None or back is None or there.notes or back.notes:
        return
    wave = {each.ref: each.wave for each in back.placed}
    ways = closure(pairs_of(back))
    for waiter, member in pairs_of(there):
        assert wave[member] < wave[waiter] or (member, waiter) in ways


@given(objects())
@settings(max_examples=80, deadline=None)
def test_rules_that_never_give_way_are_kept(bodies):
    order = upserts(bodies)
    if order is None:
        return
    kept = {each.ref: order.predecessors(each.ref) for each in order.placed}
    for body in bodies:
        ref = ref_of(body)
        spaces = [r for r in kept if r.kind == "Namespace" and r.name == ref.namespace]
        is_off = {"rollwright.dev/default-order"} & set(body["metadata"]["annotations"])
        for space in spaces:
            off = any(
                ref_of(other) == space
                and "rollwright.dev/default-order" in other["metadata"]["annotations"]
                for other in bodies
            )
            if not is_off and not off and order.by_ref[space].wave == order.by_ref[ref].wave:
                assert any((e.ref, e.rule) == (space, "OR-31") for e in kept[ref])


@given(objects())
@settings(max_examples=80, deadline=None)
def test_what_people_write_is_kept(bodies):
    order = upserts(bodies)
    if order is None:
        return
    by_text = {reference(body): ref_of(body) for body in bodies}
    for body in bodies:
        text = body["metadata"]["annotations"].get("rollwright.dev/depends-on")
        if text:
            one, other = order.by_ref[ref_of(body)], order.by_ref[by_text[text]]
            assert (other.wave, other.level) < (one.wave, one.level)


def closure(pairs):
    """Return everything that each node waits for, directly or not, as pairs."""
    needs: dict[object, set[object]] = {}
    for after, before in pairs:
        needs.setdefault(after, set()).add(before)
    found: dict[object, set[object]] = {}

    def reach(start):
        if start not in found:
            seen, edge = set(), list(needs.get(start, ()))
            while edge:
                node = edge.pop()
                if node not in seen:
                    seen.add(node)
                    edge.extend(needs.get(node, ()))
            found[start] = seen
        return found[start]

    return {(node, other) for node in list(needs) for other in reach(node)}


def pairs_of(order):
    return {(each.ref, edge.ref) for each in order.placed for edge in order.predecessors(each.ref)}


@given(objects())
@settings(max_examples=80, deadline=None)
def test_the_reduction_reaches_the_same_with_no_arrow_too_many(bodies):
    for order in orders(bodies):
        arrows = {(arrow.after, arrow.before) for arrow in reduced(order)}

        assert closure(arrows) == closure(pairs_of(order))
        for arrow in arrows:
            assert closure(arrows - {arrow}) != closure(arrows)


@given(objects())
@settings(max_examples=80, deadline=None)
def test_nothing_is_dropped_where_people_write_nothing(bodies):
    bare = [{**body, "metadata": {**body["metadata"], "annotations": {}}} for body in bodies]

    assert order_upserts(manifests(bare)).notes == ()


@given(objects())
@settings(max_examples=80, deadline=None)
def test_a_dropped_wait_is_always_part_of_a_circle(bodies):
    order = upserts(bodies)
    if order is None:
        return
    wave = {each.ref: each.wave for each in order.placed}
    asked = {pair for pair in asked_by_rules(bodies) if wave[pair[0]] == wave[pair[1]]}
    kept, ways = pairs_of(order), closure(asked)

    assert kept <= asked
    assert all((member, waiter) in ways for waiter, member in asked - kept)


@given(objects())
@settings(max_examples=80, deadline=None)
def test_gates_and_edges_say_the_same(bodies):
    written = [(order.placed, pairs_of(order)) for order in orders(bodies)]
    limit, arrange.PAIRS_WRITTEN_OUT = arrange.PAIRS_WRITTEN_OUT, 0
    try:
        gated = [
            (order.placed, pairs_of(order), closure_of_reduced(order)) for order in orders(bodies)
        ]
    finally:
        arrange.PAIRS_WRITTEN_OUT = limit

    for (places, pairs), (gated_places, gated_pairs, reached) in zip(written, gated, strict=True):
        assert gated_pairs == pairs
        assert [(p.ref, p.wave, p.level) for p in gated_places] == [
            (p.ref, p.wave, p.level) for p in places
        ]
        assert reached == closure(pairs)


def closure_of_reduced(order):
    found = closure({(arrow.after, arrow.before) for arrow in reduced(order)})
    return {pair for pair in found if not any(isinstance(node, str) for node in pair)}
