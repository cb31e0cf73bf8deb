"""`python -m taujp`, and the command `taujp`: one process for one command line."""

from __future__ import annotations

import gc
import sys
from typing import NoReturn

from taujp.cli import main


def run() -> NoReturn:
    """Run the command line and leave; all that is registered to run at the end does run.

    Objects are left as they are: to look through torch's for cycles takes a second, and the system
    takes the memory anyway. Not so where triton is loaded, whose bindings would list them as leaks.
    """
    code = main()
    if "triton" not in sys.modules:
        gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    run()
