"""Run every benchmark of this folder in a process of its own, on one thread."""

import os
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Run what is named on the command line, or everything."""
    here = Path(__file__).parent
    found = sorted(path.stem for path in here.glob("[!_]*.py"))
    chosen = sys.argv[1:] or found
    for name in set(chosen) - set(found):
        sys.exit(f"no benchmark {name!r}; there are {', '.join(found)}")
    # Set before NumPy and torch load, which read them once.
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
    )
    failed = []
    for name in chosen:
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        run = subprocess.run(
            command, cwd=here.parent, env=os.environ | threads, check=False
        )
        failed += [name] * (run.returncode != 0)
        print(flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
