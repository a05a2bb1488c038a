"""How soon the chapter's DDPM reaches what a plain one reaches, on the moons.

The peer is the model as it is mostly written: the linear schedule with 1,000 steps, a
network that is asked for the noise, a shuffled DataLoader, Adam as torch has it by
default, and the variance of the step back read off the schedule. Both train the same
network from weights drawn alike, on the same points, on one thread. The time is the
processor's, so waiting for others on the machine does not count.

The peer's bound is read twice: with its own variances, and with variances that are
measured afterwards as the chapter does, which is more than it comes with. The package
trains anew for each fraction of the time, since its learning rate anneals.

What made the difference here, 700 steps each, in nats below the truth: the velocity as
the target (0.87 with the noise, 0.13 with the velocity, same schedule and variances)
and measured variances (above 1 with the least ones). Batches from memory in place of a
DataLoader, and 256 points in place of 128, give about three times the points a second.
"""

import time

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from gdlbook.data import moons
from gdlbook.families import DDPM
from gdlbook.generative.framework import two_sample_test
from gdlbook.train import fit

SECONDS, STEPS, POINTS = 30.0, 1000, 10_000
FRACTIONS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
PROMISED = 1 / 2


def peer(x: Tensor, seed: int) -> torch.nn.Module:
    """Train a plain DDPM for so many seconds of the processor; return its network."""
    network = DDPM((2,), steps=STEPS, betas="linear", seed=seed).network
    torch.manual_seed(seed)
    beta = torch.linspace(1e-4, 0.02, STEPS)
    alpha_bar = torch.cumprod(1 - beta, dim=0)
    optimizer = torch.optim.Adam(network.parameters())
    batches = DataLoader(TensorDataset(x), batch_size=128, shuffle=True)
    start = time.process_time()
    while True:
        for (x_0,) in batches:
            t = torch.randint(STEPS, (len(x_0),))
            noise = torch.randn_like(x_0)
            a = alpha_bar[t][:, None]
            x_t = a.sqrt() * x_0 + (1 - a).sqrt() * noise
            loss = (network(x_t, t + 1, None) - noise).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if time.process_time() - start > SECONDS:
                return network


def as_model(network: torch.nn.Module) -> DDPM:
    """Return the peer's network in the class of the chapter, to read its bound."""
    model = DDPM((2,), steps=STEPS, betas="linear", target="noise")
    model.network = network
    return model.eval()


def measure_variances(model: DDPM, x: Tensor) -> None:
    """Note the errors of a trained model as the chapter's loss does while training."""
    model.train()
    with torch.no_grad():
        for _ in range(20):
            model.simple_loss(x)
    model.eval()


def own_variances(model: DDPM) -> None:
    """Take the variances that the schedule gives; beta_1 for the last step."""
    model.error.zero_()
    model.error[1] = 1e-4


def judged(model: DDPM, test: Tensor, seed: int) -> tuple[float, float]:
    """Return nats below the truth, and right answers of the two-sample test."""
    torch.manual_seed(seed)
    gap = (moons.log_prob(test) - model.elbo(test, terms=model.steps)).mean().item()
    drawn = model.sample(len(test), generator=torch.Generator().manual_seed(seed))
    return gap, two_sample_test(test, drawn).accuracy


def milliseconds_a_step(x: Tensor) -> float:
    """Return what a step of the package takes here, on the processor."""
    start = time.process_time()
    fit(DDPM((2,)), x, steps=200, batch_size=256, progress=False)
    return 5 * (time.process_time() - start)


def main() -> None:
    """Print what the peer reaches, and in which part of its time the package does."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    x = moons.sample(POINTS, generator=generator)
    test = moons.sample(2000, generator=generator)

    network = peer(x, seed=0)
    model = as_model(network)
    own_variances(model)
    gap, right = judged(model, test, seed=0)
    print(f"moons, {SECONDS:.0f} s of one thread; nats below the truth, right answers")
    print(f"  peer, its own variances       {gap:7.3f}   {right:.3f}")
    model = as_model(network)
    measure_variances(model, x)
    goal, right = judged(model, test, seed=0)
    print(f"  peer, measured variances      {goal:7.3f}   {right:.3f}")

    milliseconds_a_step(x)  # warms up
    each = milliseconds_a_step(x)
    reached = None
    for fraction in FRACTIONS:
        steps = int(1000 * fraction * SECONDS / each)
        model, start = DDPM((2,)), time.process_time()
        fit(
            model,
            x,
            steps=steps,
            batch_size=256,
            learning_rate=0.01,
            anneal=True,
            progress=False,
        )
        seconds = time.process_time() - start
        gap, right = judged(model.eval(), test, seed=0)
        print(f"  package, {seconds:4.1f} s, {steps:5} steps  {gap:7.3f}   {right:.3f}")
        if reached is None and gap <= goal:
            reached = seconds / SECONDS
    if reached is None:
        raise SystemExit("  the package does not reach the better bound of the peer")
    print(f"  the better bound of the peer is reached in {reached:.2f} of its time, ")
    print(f"  promised: at most {PROMISED}")
    if reached > PROMISED:
        raise SystemExit("  the promise is not kept")


if __name__ == "__main__":
    main()
