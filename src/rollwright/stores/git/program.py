"""The git program with the login that the options of the store name.

Before: ``options`` checked what a person wrote. After: ``cache`` says what to run.
"""

from __future__ import annotations

from pathlib import Path

from rollwright.plugins.git.program import Ended, GitProgram, Login, git_program
from rollwright.plugins.secret_refs import read_secret
from rollwright.stores.git.options import GitOptions

__all__ = ["Ended", "GitProgram", "make_program"]


def make_program(options: GitOptions, folder: Path, lock: int) -> GitProgram:
    """Return git for one repository, with the credentials as they are now.

    Raises:
        NotFound: A secret that the options name is not there.
    """
    password = read_secret(options.password, "git store: `password`") if options.password else ""
    login = Login(
        url=options.url,
        username=options.username,
        password=password,
        ssh_key=options.ssh_key,
        known_hosts=options.known_hosts,
        ca_file=options.ca_file,
        timeout_seconds=options.timeout_seconds,
    )
    return git_program(login, folder, kept_open=(lock,))
