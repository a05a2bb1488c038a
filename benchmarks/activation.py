"""What the SiLU does to the book's VAE in place of the ReLU, in two worlds.

The model is that of the comparison, at its settings. On clothing in black and white it
trains for a minute, by processor seconds on one thread, on the pictures of the recipe;
the figures are nats a picture of the test part, by 200 draws from the encoder's guess,
and by as many from guesses refined by 100 steps, on every fourth picture. On the moons
it trains for half a minute; the figure is how far its bound stays below the truth.
"""

from dataclasses import replace

import torch

from gdlbook.families.comparison import (
    ENTRIES,
    Entry,
    compete,
    steps_within,
    world,
)
from gdlbook.train import one_thread
from recipes.vae import pictures

CLOTHING = "clothing, black and white"


def vae(name: str, activation: str) -> Entry:
    """Return the VAE of a world, with an activation."""
    (entry,) = (entry for entry in ENTRIES[name] if entry.kind == "VAE")
    return replace(entry, model=entry.model | {"activation": activation})


def clothing(activation: str, seed: int) -> str:
    """Train for a minute; return both figures."""
    entry, learned, x = vae(CLOTHING, activation), pictures(), world(CLOTHING).test
    model = entry.new(seed)
    entry.train(model, learned, steps_within(60, entry, learned), seed)
    torch.manual_seed(0)
    model.eval()
    with one_thread():
        plain = -model.importance_weighted(x, 200).mean().item()
        some = x[:: max(1, len(x) // 500)]
        fine = -model.importance_weighted(some, 200, refine=100).mean().item()
    return f"{plain:.1f} nats, refined {fine:.1f}"


def moons(activation: str, seed: int) -> str:
    """Train for half a minute; return the distance from the truth."""
    entry, arena = vae("moons", activation), world("moons")
    steps = steps_within(30, entry, arena.learned)
    row, _ = compete(entry, arena, steps, seed)
    assert row.distance is not None
    return f"{row.distance.value:.3f} nats from the truth, at most"


def main() -> None:
    """Print what each activation reaches, with two seeds."""
    torch.set_num_threads(1)
    for judge in (clothing, moons):
        for activation in ("relu", "silu"):
            for seed in (0, 1):
                print(f"{judge.__name__:8} {activation} seed {seed}: ", end="")
                print(judge(activation, seed), flush=True)


if __name__ == "__main__":
    main()
