"""Run every benchmark, each in a process of its own: `python -m benchmarks`."""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = ("mirroring", "transports", "selection", "config_load")


def main() -> int:
    """Run them in turn; returns 1 when one fails."""
    folder = Path(__file__).parent
    codes: list[int] = []
    for name in BENCHMARKS:
        print(f"== {name}", flush=True)
        codes.append(subprocess.run([sys.executable, str(folder / f"{name}.py")], check=False).returncode)
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
