"""Where the git store keeps what: one folder per cluster, one in it per rollout.

    <path>/<cluster>/installation.key.sealed
    <path>/<cluster>/<rollout>/state.json
                              /revisions/7.yaml          what revision 7 rolled out, to be read
                              /snapshots/<digest>.sealed the same whole, to be gone back to
                              /snapshots/<digest>.yaml   of a set whose revision is not saved yet

A rollout's name holds no slash and no dot: no path of ``shop-1`` begins a path of ``shop-10``.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollwright.stores.names import folder_of, snapshot_hex


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one cluster's states."""

    folder: str

    @property
    def key(self) -> str:
        """The installation's key."""
        # No rollout has a dot in its name.
        return f"{self.folder}/installation.key.sealed"

    def rollout(self, rollout: str) -> str:
        """The folder of all that is kept of a rollout."""
        return f"{self.folder}/{rollout}"

    def state(self, rollout: str) -> str:
        """The state."""
        return f"{self.folder}/{rollout}/state.json"

    def revision(self, rollout: str, number: int) -> str:
        """What a revision rolled out, to be read."""
        return f"{self.folder}/{rollout}/revisions/{number}.yaml"

    def sealed(self, rollout: str, snapshot: str) -> str:
        """A snapshot."""
        return f"{self.folder}/{rollout}/snapshots/{snapshot_hex(rollout, snapshot)}.sealed"

    def readable(self, rollout: str, snapshot: str) -> str:
        """A snapshot to be read, until its revision is saved."""
        return f"{self.folder}/{rollout}/snapshots/{snapshot_hex(rollout, snapshot)}.yaml"


def layout_of(path: str, cluster: str) -> Layout:
    """Return the layout of one cluster below a folder of the branch."""
    folder = folder_of(cluster)
    return Layout(f"{path}/{folder}" if path else folder)
