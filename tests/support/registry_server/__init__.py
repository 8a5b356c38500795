"""An in-process registry for tests: the OCI distribution spec 1.1, with named options and faults.

Start at `server` (how to run it), `options` (what it supports), `faults` (what goes wrong, by name), `store` (its
content) and `recording` (the requests it got). Nothing here uses the code under test.
"""

from support.registry_server.options import Anonymous, Basic, Bearer, LocationStyle, Options, Tls
from support.registry_server.server import RegistryServer

__all__ = ["Anonymous", "Basic", "Bearer", "LocationStyle", "Options", "RegistryServer", "Tls"]
