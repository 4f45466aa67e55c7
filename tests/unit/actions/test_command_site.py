"""What site.toml says about programs reaches the actions, and nothing else."""

from __future__ import annotations

import pytest

from rollwright.engine.site import open_site
from rollwright.errors import InvalidSpec


def written(folder, text):
    (folder / "site.toml").write_text(text)
    return open_site(start=folder)


def test_programs_are_listed_by_the_site(tmp_path):
    site = written(tmp_path, '[plugins]\ncommands = ["/usr/bin/psql", "bin/*"]\n')

    assert site.loaded.file.plugins.commands == ("/usr/bin/psql", "bin/*")
    assert site.loaded.file.plugins.by_group() == {}


def test_without_a_word_there_are_none(tmp_path):
    assert written(tmp_path, "").loaded.file.plugins.commands == ()


@pytest.mark.parametrize("value", ["true", '"bin/*"', "[1]", '[""]'])
def test_anything_else_is_refused(tmp_path, value):
    with pytest.raises(InvalidSpec):
        written(tmp_path, f"[plugins]\ncommands = {value}\n")
