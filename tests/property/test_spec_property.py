"""Whatever a spec says, its dump says the same."""

from __future__ import annotations

from datetime import timedelta
from operator import attrgetter

from hypothesis import given, settings
from hypothesis import strategies as st

from rollwright.documents import dump as to_yaml
from rollwright.documents import load
from rollwright.errors import InvalidSpec
from rollwright.rollouts.spec import (
    API_VERSION,
    ApplyPolicy,
    Approval,
    ConfigEntry,
    Group,
    GroupsFile,
    HealthPolicy,
    IgnoreRule,
    OnFailure,
    PrunePolicy,
    Rest,
    Retain,
    RolloutSpec,
    Selector,
    Step,
    Target,
    Use,
    Window,
    dump,
    format_duration,
    parse,
    parse_duration,
)

labels = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
words = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["C", "Z"]),
    min_size=1,
    max_size=8,
)
keys = words.map(lambda word: f"o{word}")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
options = st.dictionaries(keys.map(lambda key: f"{key}Option"), json_values, max_size=3)
uses = st.builds(Use, name=words, options=options)
durations = st.timedeltas(timedelta(0), timedelta(days=10_000))
lasting = st.timedeltas(timedelta(microseconds=1), timedelta(days=10_000))
flags = st.booleans()


def tuples(values, **limits):
    return st.lists(values, max_size=3, **limits).map(tuple)


def unique(values, *, by=None, min_size=0):
    return st.lists(values, min_size=min_size, max_size=3, unique_by=by or hash).map(tuple)


def optional(values):
    return st.none() | values


pairs = st.dictionaries(words, words, max_size=2)
selectors = st.builds(
    Selector,
    group=optional(st.just("") | words),
    kind=words,
    namespace=optional(words),
    labels=pairs,
)
steps = st.builds(
    Step,
    name=words,
    object=words,
    action=uses,
    continue_on_error=flags,
    success=tuples(uses),
    failure=tuples(uses),
) | st.builds(Step, name=words, select=selectors)
by_name = attrgetter("name")
groups = st.builds(
    Group,
    name=words,
    parallel=flags,
    steps=unique(steps, by=by_name, min_size=1),
    on_rollback=unique(steps, by=by_name),
)
windows = st.builds(
    Window,
    cron=st.sampled_from(["0 8 * * *", "*/5 * 1 jan mon"]),
    duration=lasting,
    allow=st.just(value=True),
)
specs = st.builds(
    RolloutSpec,
    name=labels,
    labels=pairs,
    source=uses,
    config=tuples(
        st.builds(ConfigEntry, file=words)
        | st.builds(ConfigEntry, values=st.dictionaries(words, json_values, max_size=3))
    ),
    renderers=tuples(uses, min_size=1),
    transformers=tuples(uses),
    validators=tuples(uses),
    target=st.builds(Target, cluster=words, namespace=st.just("") | labels, pin_namespace=flags),
    groups=unique(groups, by=by_name) | st.builds(GroupsFile, file=words),
    rest=st.sampled_from(Rest),
    apply=st.builds(
        ApplyPolicy,
        force=flags,
        recreate_immutable=tuples(words),
        ignore=tuples(
            st.builds(
                IgnoreRule, target=selectors, paths=tuples(words.map("/{}".format), min_size=1)
            )
        ),
    ),
    health=st.builds(
        HealthPolicy,
        timeout=lasting,
        progress_timeout=lasting,
        soak=durations,
        skip=tuples(selectors),
    ),
    prune=st.builds(
        PrunePolicy,
        enabled=flags,
        max_count=optional(st.integers(0, 1000)),
        max_percent=st.integers(0, 1000).map(lambda tenths: tenths / 10),
        protect=tuples(words),
    ),
    on_failure=st.sampled_from(OnFailure),
    retain=st.builds(Retain, revisions=st.integers(1, 100)),
    approval=st.sampled_from(Approval),
    windows=tuples(windows),
    depends_on=unique(labels.map("x{}".format)),
    suspend=flags,
).filter(lambda spec: spec.name not in spec.depends_on)


@settings(max_examples=150, deadline=None)
@given(specs, flags)
def test_a_dumped_spec_parses_to_the_same_spec(spec, keep_defaults):
    assert parse(dump(spec, keep_defaults=keep_defaults)) == spec


@settings(max_examples=40, deadline=None)
@given(specs)
def test_a_spec_survives_its_way_through_text(spec):
    assert parse(load(to_yaml(dump(spec)))) == spec


@given(st.timedeltas(timedelta(0), timedelta(days=100_000)))
def test_a_written_duration_reads_the_same(duration):
    assert parse_duration(format_duration(duration)) == duration


def problems_of(document):
    try:
        parse(document)
    except InvalidSpec as error:
        return error.problems
    return ()


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*RolloutSpec.model_fields, "render", "dependsOn", "x"]), json_values
    )
)
def test_nonsense_is_refused_in_our_own_words(body):
    head = {"apiVersion": API_VERSION, "kind": "Rollout", "metadata": {"name": "shop"}}
    messages = [problem.message for problem in problems_of({**head, "spec": body})]

    assert not [message for message in messages if message.startswith(("input", "value", "tuple"))]
