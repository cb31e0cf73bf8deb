"""`python -m taujp`."""

import sys

from taujp.cli import main

sys.exit(main())
