"""The OCI world: values, registries over HTTP, image layouts on disk.

Import from the modules themselves; this file imports nothing, so that the values stay cheap to load.
"""
