"""The order of a rollout, drawn."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

from rollwright.rollouts.change import Change, Edge, Operation
from rollwright.rollouts.drawing import draw_svg
from rollwright.rollouts.graph import (
    draw_mermaid,
    draw_text,
    graph_form,
    graph_of,
    graph_of_plan,
)
from rollwright.rollouts.manifest import Manifest, ObjectRef, Origin, ref_of
from rollwright.rollouts.order import Gate, Ordering, Placed, order_upserts
from rollwright.rollouts.plan import Step, Wave

SVG = "{http://www.w3.org/2000/svg}"
A, B, C = (ObjectRef("", "ConfigMap", "shop", name) for name in "abc")


def number(element, name):
    return float(element.get(name))


def placed(ref, *needs, wave=0, level=0, gates=()):
    edges = tuple(Edge(ref=need, rule="OR-34") for need in needs)
    return Placed(ref=ref, wave=wave, level=level, needs=edges, gates=gates)


def chain():
    """Return a graph of three objects in a row."""
    ordering = Ordering(placed=(placed(A), placed(B, A, level=1), placed(C, A, B, level=2)))
    return graph_of(ordering)


def test_text_is_indented_by_what_waits():
    assert draw_text(chain()) == (
        "wave 0:\n"
        "  ConfigMap/shop/a\n"
        "    ConfigMap/shop/b  after ConfigMap/shop/a (OR-34)\n"
        "      ConfigMap/shop/c  after ConfigMap/shop/b (OR-34)\n"
    )


def test_mermaid_has_a_node_for_each_object_and_no_line_that_follows_from_others():
    assert draw_mermaid(chain()) == (
        "flowchart LR\n"
        '  subgraph w0["wave 0"]\n'
        '    n0["ConfigMap/shop/a"]\n'
        '    n1["ConfigMap/shop/b"]\n'
        '    n2["ConfigMap/shop/c"]\n'
        "  end\n"
        '  n0 -->|"OR-34"| n1\n'
        '  n1 -->|"OR-34"| n2\n'
    )


def test_waves_follow_one_another():
    ordering = Ordering(placed=(placed(A), placed(B, wave=1)))

    assert draw_mermaid(graph_of(ordering)).endswith("  w0 ==> w1\n")


def test_a_gate_is_a_node_between_many_and_many():
    gate = Gate(id="g0", rule="OR-34", members=(A, B))
    graph = graph_of(
        Ordering(placed=(placed(A), placed(B), placed(C, gates=("g0",))), gates=(gate,))
    )
    lines = [(line.before, line.after) for line in graph.bands[0].lines]

    assert sorted(lines) == [("n0", "n3"), ("n1", "n3"), ("n3", "n2")]
    assert {node.level for node in graph.bands[0].nodes if node.text == "shop/c"} == {2}


def test_what_several_objects_wait_for_alike_is_drawn_once():
    first = [placed(ObjectRef("", "ConfigMap", "shop", f"c{n}")) for n in range(5)]
    needs = [place.ref for place in first]
    last = [placed(ObjectRef("", "Pod", "shop", f"p{n}"), *needs, level=1) for n in range(4)]
    graph = graph_of(Ordering(placed=(*first, *last)))

    assert (len(graph.bands[0].lines), draw_text(graph).splitlines()[-1]) == (
        9, "      Pod/shop/p3  after 5 ConfigMap objects (OR-34)",
    )  # fmt: skip


def test_names_cannot_break_out_of_the_notation():
    evil = ObjectRef("", "ConfigMap", "shop", 'x"]; click n0 "javascript:alert(1)<b>&')
    graph = graph_of(Ordering(placed=(placed(evil),)))

    assert '"]; click' not in draw_mermaid(graph)
    ET.fromstring(draw_svg(graph))  # noqa: S314  (our own text)


def test_svg_has_a_box_for_each_object_and_a_curve_for_each_line():
    root = ET.fromstring(draw_svg(chain()))  # noqa: S314  (our own text)
    boxes = [one for one in root.iter(f"{SVG}g") if "node" in one.get("class", "")]
    curves = [one for one in root.iter(f"{SVG}path") if one.get("class") == "line"]

    assert (len(boxes), len(curves)) == (3, 2)


def test_svg_boxes_do_not_overlap():
    places = [placed(ObjectRef("", "ConfigMap", "shop", f"c{n}")) for n in range(30)]
    root = ET.fromstring(draw_svg(graph_of(Ordering(placed=tuple(places)))))  # noqa: S314
    rows = sorted(
        number(one, "y") for node in root.iter(f"{SVG}g") for one in node if one.tag == f"{SVG}rect"
    )

    assert min(b - a for a, b in pairwise(rows)) >= 36


def test_svg_fits_its_frame():
    root = ET.fromstring(draw_svg(chain()))  # noqa: S314  (our own text)
    right = max(number(one, "x") + number(one, "width") for one in root.iter(f"{SVG}rect"))

    assert right <= number(root, "width")


def test_drawing_is_the_same_every_time():
    assert draw_svg(chain()) == draw_svg(chain())


def test_nothing_is_drawn_of_nothing():
    graph = graph_of(Ordering(placed=()))
    ET.fromstring(draw_svg(graph))  # noqa: S314  (our own text)

    assert (draw_text(graph), draw_mermaid(graph)) == ("", "flowchart LR\n")


def test_a_plan_is_drawn_with_what_it_does():
    from datetime import UTC, datetime

    from rollwright.rollouts.plan import Plan

    changes = (
        Change(ref=A, api_version="v1", operation=Operation.KEEP),
        Change(
            ref=B, api_version="v1", operation=Operation.CREATE, needs=(Edge(ref=A, rule="OR-34"),)
        ),
    )
    wave = Wave(name="apply-0", steps=(Step(name="apply-0", action="Apply", changes=changes),))
    plan = Plan(
        id="", rollout="shop", cluster="", cluster_id="", source="", waves=(wave,),
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip

    assert "create ConfigMap/shop/b  after keep ConfigMap/shop/a" in draw_text(graph_of_plan(plan))


def test_programs_get_nodes_and_edges():
    wave = graph_form(chain())["waves"][0]

    assert (wave["nodes"][0]["label"], len(wave["edges"])) == (
        "ConfigMap/shop/a", 2,
    )  # fmt: skip


def test_a_thousand_objects_stay_small():
    def manifest(kind, api_version, name):
        body = {
            "apiVersion": api_version, "kind": kind,
            "metadata": {"name": name, "namespace": "shop"},
        }  # fmt: skip
        return Manifest(body=body, ref=ref_of(body), key=name, origin=Origin(file=name))

    configs = [manifest("ConfigMap", "v1", f"c{n}") for n in range(500)]
    apps = [manifest("Deployment", "apps/v1", f"d{n}") for n in range(500)]
    text = draw_mermaid(graph_of(order_upserts([*configs, *apps])))

    assert len(re.findall("-->", text)) <= 1000
