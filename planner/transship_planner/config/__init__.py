"""Configuration files: regsync's format and imglife's, read into one vocabulary."""

from transship_planner.config.digest import config_digest
from transship_planner.config.loader import load, loads

__all__ = ["config_digest", "load", "loads"]
