"""Templates of what is told: no way out, no growth, no end that does not come."""

from __future__ import annotations

import pytest

from rollwright.errors import RolloutError
from rollwright.feedback.templates import check_template, filled
from rollwright.testing.feedback_contract import a_feedback

VALUES = a_feedback(message="x" * 1000).machine


def fill(template):
    return filled(check_template(template), VALUES)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ title | tojson }}", '"shop: failed"'),
        ("{{ rollout ~ '/' ~ counts.failed }}", "shop/1"),
        ("{{ rollout + '!' }} {{ 3 * 4 }} {{ 7 % 4 }} {{ 2 ** 3 }}", "shop! 12 3 8"),
        ("{% for o in objects %}{{ loop.index }} {{ o.outcome }}{% endfor %}", "1 failed"),
        ("{{ objects | map(attribute='outcome') | join(', ') }}", "failed"),
        ("{{ rollout | upper | replace('S', 'Z') | indent(2, true) }}", "  ZHOP"),
        ("{{ labels.team | default('nobody') }}", "nobody"),
        ("{{ title.split(':')[0].upper() }}", "SHOP"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(1) }}", "<1>"),
    ],
)
def test_a_template_does_what_jinja_does(template, text):
    assert fill(template) == text


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ title | attr('__class__') }}",
        "{{ range.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__ }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ '{0.__class__}' | format }}",
        "{% include '/etc/passwd' %}",
        "{% set ns = namespace(a=1) %}",
        "{{ objects.append(1) }}",
    ],
)
def test_there_is_no_way_out(template):
    with pytest.raises((RolloutError, ValueError)):
        fill(template)


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'x' * 10000000000 }}",
        "{{ [1] * 10000000000 }}",
        "{{ 10 ** 10000000000 }}",
        "{% set a = 99 %}" + "{% set a = a * a %}" * 70 + "{{ a }}",
        "{% set a = message %}" + "{% set a = a ~ a %}" * 70,
        "{% set a = message %}" + "{% set a = a + a %}" * 70,
        "{% set a = message %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 70,
        "{{ message | replace('x', message) | replace('x', message) }}",
        "{{ range(1000) | join(message) }}",
        "{{ message.replace('x', message) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:>1000000000}'.format(1) }}",
        "{{ 'x'.ljust(1000000000) }}",
        "{{ 'x' | center(1000000000) }}",
        "{{ message | indent(1000000000) }}",
        "{{ [1] | tojson(indent=1000000000) }}",
        "{{ range(1000000000) }}",
    ],
)
def test_nothing_grows_without_end(template):
    with pytest.raises((RolloutError, ValueError)):
        fill(template)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (
            "{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}"
            + "{% endfor %}" * 3,
            "steps",
        ),
        ("{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}", "round in circles"),
    ],
)
def test_nothing_lasts_without_end(template, words):
    with pytest.raises(RolloutError, match=words):
        fill(template)


def test_what_is_too_deep_is_refused_when_it_is_read():
    with pytest.raises(ValueError, match="too deep"):
        check_template("{{" + "(" * 3000 + "1" + ")" * 3000 + "}}")
