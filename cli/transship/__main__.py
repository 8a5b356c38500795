"""`python -m transship`."""

from transship.main import run

run()
