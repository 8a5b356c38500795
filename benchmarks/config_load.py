"""How long loading a configuration of 5,000 entries takes: `python benchmarks/config_load.py [ENTRIES]`."""

import sys
import time

from transship_planner.config import config_digest, loads

DEFAULTS = "defaults:\n  interval: 60m\n  ratelimit: {min: 20, retry: 15m}\nsync:\n"
IMAGE = """\
  - source: docker.io/library/image-{n}:1.0
    target: registry.example.org/library/image-{n}:1.0
    type: image
"""
REPOSITORY = """\
  - source: docker.io/library/image-{n}
    target: 'registry.example.org/{{{{ .Sync.Source }}}}'
    type: repository
    tags:
      allow: [latest, 'v{n}\\.\\d+']
      semverRange: ['>={n}.0']
    backup: 'backup-{{{{ .Ref.Tag }}}}'
"""


def best_of_three(entries: int) -> tuple[float, float]:
    """Return the seconds for loading, and for the digest of what was loaded."""
    text = DEFAULTS + "".join((REPOSITORY if n % 2 else IMAGE).format(n=n) for n in range(entries))
    loading: list[float] = []
    digesting: list[float] = []
    for _ in range(3):
        start = time.perf_counter()
        desired = loads(text.encode(), file="benchmark.yaml", environment={})
        loaded = time.perf_counter()
        config_digest(desired)
        loading.append(loaded - start)
        digesting.append(time.perf_counter() - loaded)
    return min(loading), min(digesting)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    load_s, digest_s = best_of_three(count)
    print(f"{count} entries: loaded in {load_s:.2f} s, digest in {digest_s:.2f} s")
