"""`python -m transship`."""

import sys

from transship.entry import run

sys.exit(run())
