"""What every source, renderer, transformer and validator must do: suites to subclass.

A plugin's own tests subclass the suite of its kind and give the fixtures that the suite names;
the built-in plugins are tested by the same suites.
"""

# ruff: noqa: D102  (the name of a test says what it shows)

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from rollwright.errors import RolloutError
from rollwright.plugins.contracts import (
    FetchRequest,
    Renderer,
    RenderRequest,
    Source,
    Transformer,
    TransformRequest,
    ValidateRequest,
    Validator,
)
from rollwright.rollouts.body import identity_problems, sendable
from rollwright.rollouts.manifest import ref_of


class OptionsContract:
    """A plugin is an immutable model whose fields are its options."""

    @pytest.fixture
    def plugin(self) -> BaseModel:
        """Return the plugin; suites below take it from the fixture of their kind."""
        raise NotImplementedError

    def test_options_cannot_be_changed(self, plugin: BaseModel) -> None:
        with pytest.raises(ValidationError):
            plugin.an_option_of_no_plugin = 1  # type: ignore[attr-defined]  # must fail

    def test_an_unknown_option_is_an_error(self, plugin: BaseModel) -> None:
        given = plugin.model_dump(by_alias=True)

        with pytest.raises(ValidationError):
            type(plugin).model_validate({**given, "anOptionOfNoPlugin": 1})

    def test_options_survive_being_written(self, plugin: BaseModel) -> None:
        written = plugin.model_dump_json(by_alias=True)

        assert type(plugin).model_validate_json(written) == plugin

    def test_options_have_a_schema(self, plugin: BaseModel) -> None:
        assert type(plugin).model_json_schema(by_alias=True)["type"] == "object"


class SourceContract(OptionsContract):
    """Give ``source``, ``fetch_request`` and ``missing``: a source of something not there."""

    @pytest.fixture
    def source(self) -> Source:
        """Return a source that has something."""
        raise NotImplementedError

    @pytest.fixture
    def missing(self) -> Source:
        """Return a source of something that is not there."""
        raise NotImplementedError

    @pytest.fixture
    def fetch_request(self) -> FetchRequest:
        """Return what ``source`` is asked."""
        raise NotImplementedError

    @pytest.fixture
    def plugin(self, source: Any) -> BaseModel:
        """Return the source as a model."""
        assert isinstance(source, BaseModel)
        return source

    def test_is_a_source(self, source: Source) -> None:
        assert isinstance(source, Source)

    async def test_gives_a_tree(self, source: Source, fetch_request: FetchRequest) -> None:
        checkout = await source.fetch(fetch_request)

        assert checkout.root.exists()

    async def test_names_an_immutable_revision(
        self, source: Source, fetch_request: FetchRequest
    ) -> None:
        checkout = await source.fetch(fetch_request)

        name, _, digest = checkout.revision.rpartition("@")
        assert name
        assert digest.partition(":")[2]

    async def test_the_same_content_has_the_same_revision(
        self, source: Source, fetch_request: FetchRequest
    ) -> None:
        first, again = await source.fetch(fetch_request), await source.fetch(fetch_request)

        assert first.revision == again.revision

    async def test_what_is_not_there_is_an_error(
        self, missing: Source, fetch_request: FetchRequest
    ) -> None:
        with pytest.raises(RolloutError):
            await missing.fetch(fetch_request)


class RendererContract(OptionsContract):
    """Give ``renderer``, ``render_request`` and ``broken_request``."""

    @pytest.fixture
    def renderer(self) -> Renderer:
        """Return the renderer."""
        raise NotImplementedError

    @pytest.fixture
    def render_request(self) -> RenderRequest:
        """Return a request that gives two objects or more."""
        raise NotImplementedError

    @pytest.fixture
    def broken_request(self) -> RenderRequest:
        """Return a request whose tree the renderer must refuse."""
        raise NotImplementedError

    @pytest.fixture
    def plugin(self, renderer: Any) -> BaseModel:
        """Return the renderer as a model."""
        assert isinstance(renderer, BaseModel)
        return renderer

    def test_is_a_renderer(self, renderer: Renderer) -> None:
        assert isinstance(renderer, Renderer)

    async def test_renders_the_same_twice(
        self, renderer: Renderer, render_request: RenderRequest
    ) -> None:
        first, again = await renderer.render(render_request), await renderer.render(render_request)

        assert list(first) == list(again)

    async def test_objects_have_an_identity(
        self, renderer: Renderer, render_request: RenderRequest
    ) -> None:
        manifests = await renderer.render(render_request)

        assert len(manifests) > 1
        assert not [one for each in manifests for one in identity_problems(each.body, "")]
        assert all(one.ref == ref_of(one.body) for one in manifests)

    async def test_keys_are_unique(self, renderer: Renderer, render_request: RenderRequest) -> None:
        manifests = await renderer.render(render_request)

        assert len({one.key for one in manifests}) == len(manifests)

    async def test_origins_are_told(
        self, renderer: Renderer, render_request: RenderRequest
    ) -> None:
        manifests = await renderer.render(render_request)

        assert all(one.origin.file for one in manifests)

    async def test_bodies_hold_nothing_that_is_never_sent(
        self, renderer: Renderer, render_request: RenderRequest
    ) -> None:
        manifests = await renderer.render(render_request)

        assert all(sendable(one.body) == one.body for one in manifests)

    async def test_the_revision_is_kept(
        self, renderer: Renderer, render_request: RenderRequest
    ) -> None:
        manifests = await renderer.render(render_request)

        assert manifests.source == render_request.checkout.revision

    async def test_a_broken_tree_is_refused(
        self, renderer: Renderer, broken_request: RenderRequest
    ) -> None:
        with pytest.raises(RolloutError):
            await renderer.render(broken_request)


class TransformerContract(OptionsContract):
    """Give ``transformer`` and ``transform_request``, whose objects it changes."""

    @pytest.fixture
    def transformer(self) -> Transformer:
        """Return the transformer."""
        raise NotImplementedError

    @pytest.fixture
    def transform_request(self) -> TransformRequest:
        """Return a request of which the transformer changes an object."""
        raise NotImplementedError

    @pytest.fixture
    def plugin(self, transformer: Any) -> BaseModel:
        """Return the transformer as a model."""
        assert isinstance(transformer, BaseModel)
        return transformer

    def test_is_a_transformer(self, transformer: Transformer) -> None:
        assert isinstance(transformer, Transformer)

    def test_changes_something(
        self, transformer: Transformer, transform_request: TransformRequest
    ) -> None:
        changed = transformer.transform(transform_request)

        assert changed.digest != transform_request.manifests.digest

    def test_leaves_its_input_alone(
        self, transformer: Transformer, transform_request: TransformRequest
    ) -> None:
        before = [sendable(one.body) for one in transform_request.manifests]
        transformer.transform(transform_request)

        assert [one.body for one in transform_request.manifests] == before

    def test_changes_the_same_twice(
        self, transformer: Transformer, transform_request: TransformRequest
    ) -> None:
        first = transformer.transform(transform_request)

        assert first == transformer.transform(transform_request)

    def test_keeps_keys_origins_and_the_revision(
        self, transformer: Transformer, transform_request: TransformRequest
    ) -> None:
        given, changed = transform_request.manifests, transformer.transform(transform_request)

        assert {(one.key, one.origin) for one in changed} <= {
            (one.key, one.origin) for one in given
        }
        assert changed.source == given.source


class ValidatorContract(OptionsContract):
    """Give ``validator``, ``good_request`` and ``bad_request``."""

    @pytest.fixture
    def validator(self) -> Validator:
        """Return the validator."""
        raise NotImplementedError

    @pytest.fixture
    def good_request(self) -> ValidateRequest:
        """Return a request that is free of mistakes."""
        raise NotImplementedError

    @pytest.fixture
    def bad_request(self) -> ValidateRequest:
        """Return a request with two mistakes or more."""
        raise NotImplementedError

    @pytest.fixture
    def plugin(self, validator: Any) -> BaseModel:
        """Return the validator as a model."""
        assert isinstance(validator, BaseModel)
        return validator

    def test_is_a_validator(self, validator: Validator) -> None:
        assert isinstance(validator, Validator)

    def test_finds_nothing_in_good_objects(
        self, validator: Validator, good_request: ValidateRequest
    ) -> None:
        assert validator.validate(good_request) == ()

    def test_finds_every_mistake(self, validator: Validator, bad_request: ValidateRequest) -> None:
        assert len(validator.validate(bad_request)) > 1

    def test_says_where_and_what(self, validator: Validator, bad_request: ValidateRequest) -> None:
        problems = validator.validate(bad_request)

        assert all(problem.where and problem.message for problem in problems)
