"""OCI image layouts on disk (`ocidir://`), as a registry is: OCI image-spec, image-layout.md."""

from transship_registry.layout.collect import Collected
from transship_registry.layout.store import LayoutStore

__all__ = ["Collected", "LayoutStore"]
