"""Configuration files of other tools (skopeo sync, dregsy, image-syncer), turned into transship's."""

from transship_planner.migrate.migration import Migration, Options, migrate
from transship_planner.migrate.tools import Tool

__all__ = ["Migration", "Options", "Tool", "migrate"]
