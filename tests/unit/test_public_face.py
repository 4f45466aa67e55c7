from __future__ import annotations

import subprocess
import sys

import pytest

import rollwright


def test_the_public_names_are_listed_in_order():
    assert list(rollwright.__all__) == sorted(rollwright.__all__)


@pytest.mark.parametrize("name", rollwright.__all__)
def test_every_public_name_can_be_imported(name):
    assert getattr(rollwright, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = rollwright.nothing


def test_importing_loads_nothing_heavy():
    heavy = ("prefect", "aiohttp", "kubernetes", "jsonschema_rs", "pydantic")
    code = f"import sys, rollwright; print([one for one in {heavy!r} if one in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_the_library_needs_no_prefect():
    code = (
        "import sys, rollwright.library, rollwright.engine.walk;"
        "print([one for one in ('prefect', 'kubernetes') if one in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
