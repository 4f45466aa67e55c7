"""Digests of Secrets: keyed everywhere, so that none can be guessed back into a value."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import orjson
import pytest

from rollwright.plugins.contracts import ApplyRequest, PatchRequest
from rollwright.rollouts.change import Forecast, Prediction
from rollwright.rollouts.describe.plans import describe_plan
from rollwright.rollouts.diff import compare, mask
from rollwright.rollouts.hiding import hidden_texts
from rollwright.rollouts.live import live_object
from rollwright.rollouts.manifest import digest_of, digest_of_body, keyed_digest
from rollwright.rollouts.salting import has_secrets, resalted, salted

w = SimpleNamespace(**run_path(str(Path(__file__).parents[2] / "world.py")))
HIDDEN = "aHVudGVyMg=="
PLAIN = "hunter2"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def secret(value=HIDDEN, name="login", **content):
    return w.a_body("Secret", name, data={"password": value}, **content)


def a_salted_set(*bodies, salt="k1"):
    return salted(w.a_set(*bodies), salt)


def a_plan(value=HIDDEN, *, salt="k1", world=None):
    world = world or w.World()
    return world.plan(a_salted_set(secret(value), w.a_config(), salt=salt), salt=salt)


def only(wanted):
    (manifest,) = wanted
    return manifest


def test_a_keyed_digest_looks_like_any_other():
    assert len(keyed_digest({"a": 1}, "k")) == len(digest_of({"a": 1}))


def test_a_keyed_digest_is_no_plain_one():
    assert keyed_digest({"a": 1}, "k") != digest_of({"a": 1})


def test_a_keyed_digest_does_not_depend_on_the_order_of_keys():
    assert keyed_digest({"a": 1, "b": 2}, "k") == keyed_digest({"b": 2, "a": 1}, "k")


@pytest.mark.parametrize("kind", ["Opaque", "kubernetes.io/tls", "bootstrap.kubernetes.io/token"])
def test_a_secret_of_any_type_has_a_digest_that_depends_on_the_key(kind):
    body = secret(type=kind)

    assert digest_of_body(body, "k1") != digest_of_body(body, "k2")


@pytest.mark.parametrize(
    "body",
    [
        w.a_config(),
        w.a_body("Secret", "login", api_version="example.com/v1", data={"password": HIDDEN}),
        w.a_body("SecretStore", "login", data={"password": HIDDEN}),
    ],
)
def test_the_digest_of_any_other_kind_needs_no_key(body):
    assert digest_of_body(body, "k1") == digest_of(body)


def test_a_manifest_of_a_secret_has_a_keyed_digest():
    manifest = only(a_salted_set(secret()))

    assert manifest.digest == keyed_digest(manifest.body, "k1")


def test_the_digest_of_a_set_follows_the_key():
    assert a_salted_set(secret()).digest != a_salted_set(secret(), salt="k2").digest


def test_a_set_without_secrets_stays_the_very_same():
    wanted = w.a_set(w.a_config())

    assert salted(wanted, "k1") is wanted


def test_only_secrets_take_the_key():
    wanted = a_salted_set(w.a_config(), secret())

    assert [one.salt for one in wanted] == ["", "k1"]


def test_the_key_is_no_part_of_what_is_declared():
    assert only(a_salted_set(secret())) == only(w.a_set(secret()))


@pytest.mark.parametrize(
    ("body", "expected"),
    [(secret(), True), (w.a_config(), False), (w.a_body("Secret", api_version="x.io/v1"), False)],
)
def test_secrets_are_found_by_their_identity(body, expected):
    assert has_secrets(one.ref for one in w.a_set(body)) is expected


@pytest.mark.parametrize("digest", ["owned_digest", "declared_digest"])
def test_digests_of_a_live_secret_depend_on_the_key(digest):
    live = live_object(secret())

    assert getattr(live.keyed("k1"), digest) != getattr(live.keyed("k2"), digest)


@pytest.mark.parametrize("digest", ["owned_digest", "declared_digest"])
def test_digests_of_any_other_live_object_need_no_key(digest):
    live = live_object(w.a_config())

    assert getattr(live.keyed("k1"), digest) == getattr(live, digest)


def test_any_other_live_object_stays_the_very_same():
    live = live_object(w.a_config())

    assert live.keyed("k1") is live


def test_a_status_does_not_count_as_declared():
    body = w.a_config()

    assert (
        live_object(body).declared_digest
        == live_object({**body, "status": {"n": 1}}).declared_digest
    )


def test_the_annotation_of_client_side_apply_does_not_count():
    noted = secret(metadata={"annotations": {LAST_APPLIED: json.dumps(secret())}})

    assert (
        live_object(noted).keyed("k1").declared_digest
        == live_object(secret()).keyed("k1").declared_digest
    )


def test_a_rolled_out_secret_is_kept_by_its_keyed_digests():
    world = w.World()
    world.carry_out(a_plan(world=world))

    assert [one.operation.value for one in a_plan(world=world).changes] == ["keep", "keep"]


def test_a_state_holds_no_digest_that_can_be_guessed():
    world = w.World()
    plan = a_plan(world=world)
    world.carry_out(plan)
    guessed = {digest_of(change.wanted.body) for change in plan.changes}
    (entry,) = (one for one in world.state.inventory if one.ref.kind == "Secret")

    assert entry.wanted_digest not in guessed


def test_a_plan_with_another_key_has_another_id():
    assert a_plan(salt="k1").id != a_plan(salt="k2").id


def test_a_plan_with_the_same_key_has_the_same_id():
    assert a_plan().id == a_plan().id


def test_a_plan_for_another_value_has_another_id():
    assert a_plan().id != a_plan("Y29ycmVjdA==").id


def test_the_predicted_digest_is_keyed():
    world = w.World()
    world.roll_out(secret("b2xk"))
    changes = [a_plan(salt=salt, world=world).changes for salt in ("k1", "k2")]
    first, second = (next(one for one in each if one.ref.kind == "Secret") for each in changes)

    assert first.predicted_digest != second.predicted_digest


def test_a_plan_is_laid_on_the_key_that_is_kept():
    assert resalted(a_plan(salt="k1"), "k2").wanted_digest == a_plan(salt="k2").wanted_digest


def test_a_plan_that_has_the_key_stays_the_very_same():
    plan = a_plan(salt="k1")

    assert resalted(plan, "k1") is plan


def test_an_approved_plan_keeps_its_id_on_another_key():
    plan = a_plan(salt="k1")

    assert resalted(plan, "k2").id == plan.id


def test_what_is_unknown_with_the_other_key_is_looked_at_again():
    world = w.World()
    world.carry_out(a_plan(world=world))
    plan = resalted(a_plan(world=world), "k2")

    assert [one.owned_digest for one in plan.changes if one.ref.kind == "Secret"] == [""]


def guesses():
    """What somebody who guesses the value would look for."""
    body = only(w.a_set(secret())).body
    texts = [PLAIN.encode(), HIDDEN.encode(), orjson.dumps(HIDDEN), orjson.dumps(body["data"])]
    digests = [sha256(text).hexdigest() for text in texts]
    return [PLAIN, HIDDEN, digest_of(body)[7:], *digests, *(one[:16] for one in digests)]


@pytest.mark.parametrize("state", ["absent", "foreign", "ours"])
def test_a_printed_plan_holds_nothing_to_guess(state):
    world = w.World()
    if state == "foreign":
        world.put(secret("b2xk"))
    if state == "ours":
        world.roll_out(secret("b2xk"))
    plan = a_plan(world=world)
    shown = repr(plan) + repr(list(plan.changes)) + repr(describe_plan(plan))

    assert [one for one in guesses() if one in shown] == []


@pytest.mark.parametrize(
    "value",
    [
        only(w.a_set(secret())),
        live_object(secret(metadata={"annotations": {LAST_APPLIED: json.dumps(secret())}})),
        Forecast(prediction=Prediction.SERVER, body=secret()),
        ApplyRequest(ref=only(w.a_set(secret())).ref, body=secret()),
        PatchRequest(
            ref=only(w.a_set(secret())).ref, api_version="v1", operations=({"value": HIDDEN},)
        ),
        a_salted_set(secret(), salt=PLAIN),
        only(a_salted_set(secret(), salt=PLAIN)),
        live_object(secret()).keyed(PLAIN),
        replace(w.a_live_set(secret()), salt=PLAIN),
    ],
    ids=lambda one: type(one).__name__,
)
def test_no_value_shows_a_secret_in_its_repr(value):
    shown = repr(value)

    assert PLAIN not in shown
    assert HIDDEN not in shown


def test_values_without_a_key_have_no_digest():
    assert mask("hunter2", "") == "(7 bytes)"


def test_values_of_one_size_differ_without_a_key():
    (change,) = compare(secret("aHVudGVyMg=="), secret("aHVudGVyMw=="), salt="")

    assert (change.path, change.old, change.new) == ("data.password", "(12 bytes)", "(12 bytes)")


@pytest.mark.parametrize(
    "data", ["hunter2", ["hunter2"], {"password": ["hunter2"]}, {"password": {"a": "hunter2"}}, 5]
)
def test_values_that_no_secret_can_have_do_not_show(data):
    body = {**secret(), "data": data}

    assert "hunter2" not in repr(compare(secret("b2xk"), body, salt="k"))


def test_a_tools_annotation_with_the_whole_secret_is_masked():
    noted = secret(metadata={"annotations": {"kapp.k14s.io/original": json.dumps(secret())}})
    (change,) = compare(secret(), noted, salt="k")

    assert HIDDEN not in repr(change)


def test_an_annotation_that_quotes_the_decoded_value_is_masked():
    noted = secret(metadata={"annotations": {"note": f"it is {PLAIN}"}})
    (change,) = compare(secret(), noted, salt="k")

    assert PLAIN not in repr(change)


def test_an_empty_secret_is_not_an_absent_one():
    without = {key: value for key, value in secret().items() if key != "data"}

    assert len(compare({**without, "data": {}}, without, salt="k")) == 1


def test_hidden_texts_are_values_as_they_stand_and_decoded():
    assert hidden_texts([secret()]) == {HIDDEN, PLAIN}


def test_short_values_are_no_hidden_texts():
    assert hidden_texts([secret("YWRtaW4=")]) == {"YWRtaW4="}


def test_other_kinds_hold_no_hidden_texts():
    assert hidden_texts([w.a_config(password="correct horse")]) == set()
