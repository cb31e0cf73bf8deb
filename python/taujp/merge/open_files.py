"""How many files this process may have open at once: hundreds of shards are more than usual."""

from __future__ import annotations

import resource

from .errors import MergeError

_BESIDES = 64  # Python's own, a terminal, libraries


def allow_open_files(count: int) -> None:
    """Raise the soft limit so that `count` files can be open; a MergeError if the hard one is less.

    The engine holds every input and output of a merge open.
    """
    needed = count + _BESIDES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= needed:
        return
    if hard != unlimited and hard < needed:
        raise MergeError(
            f"merge: its inputs and outputs are {count} files, and this process may open {hard}; "
            f"raise the limit (ulimit -Hn), or merge checkpoints of fewer shards"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
