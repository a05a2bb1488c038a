"""How soon RealNVP learns two moons, beside zuko and normflows, on one thread.

Eight affine couplings with two hidden layers of 64 units, 20,000 points, batches of 256
and one loop for all: Adam, whose rate falls along half a cosine of the processor time.
Each peer trains with each of three rates, and its best counts. The figure is the
divergence from the truth on 20,000 other points, in nats; it is measured outside the
time. Then the package trains for shares of the time.

When this was written zuko reached 0.025 nats in 10 s and normflows 0.024; the package
reached 0.021, and 0.030 in 5 s, so it is ahead of both and not twice as fast. A step
takes it 4 ms against 6 to 7; most of that is products of matrices, the activation and
Adam, which all share. What paid was where the units of the first layers bend: with
small weights, and all bends near zero, it needed more than twice the steps.

    python -m pip install zuko normflows
"""

import math
import sys
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from gdlbook.data import moons
from gdlbook.families.flow import RealNVP

try:
    import normflows  # type: ignore[import-not-found]
    import zuko  # type: ignore[import-not-found]
except ImportError as missing:
    sys.exit(f"{missing}: this bench needs peers, python -m pip install zuko normflows")

SECONDS, BATCH, COUPLINGS, HIDDEN = 10.0, 256, 8, 64
RATES, OURS = (1e-3, 2e-3, 4e-3), 4e-3
GOAL = 0.5  # the share of a peer's time in which the package wants its final figure
LogProb = Callable[[Tensor], Tensor]


def package() -> tuple[nn.Module, LogProb]:
    model = RealNVP((2,), couplings=COUPLINGS, hidden=HIDDEN)
    return model, model.log_prob


def of_zuko() -> tuple[nn.Module, LogProb]:
    model = zuko.flows.RealNVP(2, transforms=COUPLINGS, hidden_features=[HIDDEN] * 2)
    return model, lambda x: model().log_prob(x)


def of_normflows() -> tuple[nn.Module, LogProb]:
    steps = []
    for _ in range(COUPLINGS):
        network = normflows.nets.MLP([1, HIDDEN, HIDDEN, 2], init_zeros=True)
        steps.append(normflows.flows.AffineCouplingBlock(network))
        steps.append(normflows.flows.Permute(2, mode="swap"))
    base = normflows.distributions.DiagGaussian(2, trainable=False)
    model = normflows.NormalizingFlow(base, steps)
    return model, model.log_prob


def batches(x: Tensor) -> Iterator[Tensor]:
    """Yield batches without end, in an order of its own for each epoch."""
    while True:
        yield from x[torch.randperm(len(x))].split(BATCH)


def trained(
    make: Callable[[], tuple[nn.Module, LogProb]], rate: float, seconds: float
) -> tuple[float, int, int]:
    """Return the divergence after so much processor time, steps, and parameters."""
    torch.manual_seed(0)
    x = moons.sample(20_000, generator=torch.Generator().manual_seed(0))
    test = moons.sample(20_000, generator=torch.Generator().manual_seed(1))
    model, log_prob = make()
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    start, steps, stream = time.process_time(), 0, batches(x)
    while (spent := (time.process_time() - start) / seconds) < 1:
        optimizer.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * spent)) / 2
        optimizer.zero_grad()
        (-log_prob(next(stream)).mean()).backward()
        optimizer.step()
        steps += 1
    with torch.no_grad():
        apart = (moons.log_prob(test) - log_prob(test)).mean()
    parameters = sum(p.numel() for p in model.parameters())
    return float(apart), steps, parameters


def main() -> None:
    """Print what each reaches, and in what share of the time the package is there."""
    torch.set_num_threads(1)
    print(
        f"moons, {COUPLINGS} couplings, 2 x {HIDDEN} units, {SECONDS:g} s, one thread"
    )
    print("  flow        parameters   rate   steps   nats from the truth")
    best: dict[str, float] = {}
    peers = {"zuko": of_zuko, "normflows": of_normflows}
    for name, make in peers.items():
        for rate in RATES:
            apart, steps, count = trained(make, rate, SECONDS)
            print(f"  {name:10} {count:11,} {rate:7g} {steps:6,} {apart:10.3f}")
            best[name] = min(apart, best.get(name, math.inf))
    ours = {}
    for share in (1.0, 0.75, 0.5, 0.25):
        ours[share], steps, count = trained(package, OURS, share * SECONDS)
        what = f"gdlbook, {share:g} of the time"
        print(f"  {what}: {count:,}, {OURS:g}, {steps:,}, {ours[share]:.3f}")
    for name, figure in best.items():
        there = [share for share, apart in ours.items() if apart <= figure]
        said = f"in {min(there):g} of its time" if there else "not within its time"
        print(f"  the package reaches the {figure:.3f} of {name} {said}", end="")
        print(
            "" if there and min(there) <= GOAL else f", NOT in the {GOAL:g} hoped for"
        )


if __name__ == "__main__":
    main()
