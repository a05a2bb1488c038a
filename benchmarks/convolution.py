"""How fast `conv2d` is beside its loops and beside torch, on one thread."""

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch

from gdlbook.networks.convolution import conv2d, conv2d_loops

LOOPS_FACTOR = 100  # conv2d is at least so many times faster than its loops
TORCH_FACTOR = 5  # and at most so many times slower than torch


def interleaved(
    calls: dict[str, Callable[[], object]], rounds: int
) -> dict[str, float]:
    """Median seconds of each call; in turn, so that a busy moment hits them all."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in seconds.items()}


def main() -> None:
    """Print times and ratios for 32 pictures of 32x32x3 and 16 filters of 3x3."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((32, 32, 32, 3), dtype=np.float32)
    filters = rng.standard_normal((3, 3, 3, 16), dtype=np.float32)
    first = torch.from_numpy(np.moveaxis(x, -1, 1).copy())
    weight = torch.from_numpy(filters.transpose(3, 2, 0, 1).copy())

    fast = {
        "conv2d": lambda: conv2d(x, filters),
        "torch": lambda: torch.nn.functional.conv2d(first, weight),
    }
    interleaved(fast, rounds=20)  # warms caches and torch's choice of an algorithm
    seconds = interleaved(fast, rounds=300)
    seconds |= interleaved({"loops": lambda: conv2d_loops(x, filters)}, rounds=3)

    print("32 pictures of 32x32x3, 16 filters of 3x3, float32, one thread; medians")
    for name in ("loops", "conv2d", "torch"):
        print(f"  {name:7} {1000 * seconds[name]:10.2f} ms")
    faster = seconds["loops"] / seconds["conv2d"]
    slower = seconds["conv2d"] / seconds["torch"]
    print(f"  loops / conv2d {faster:8.0f}  (promised: at least {LOOPS_FACTOR})")
    print(f"  conv2d / torch {slower:8.2f}  (promised: at most {TORCH_FACTOR})")


if __name__ == "__main__":
    main()
