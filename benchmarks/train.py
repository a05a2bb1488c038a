"""How fast `fit` is beside the bare loop, the DataLoader loop and Keras.

Four loops train one network from the same weights on the same pictures, batch 32, one
thread, and take turns, so that a busy moment of the machine hits them all. The time is
the processor's, so waiting for others on the machine does not count:

- bare: batches indexed from memory, laid out as `fit` lays them out, fused Adam, and
  nothing else;
- train: the same as the chapter on the MLP writes it, with the mean loss of the epoch;
- fit: the same through `gdlbook.fit`, which also records every loss and refuses a loss
  or a gradient that is not finite;
- loader: a shuffled DataLoader and Adam as torch has it by default;
- keras: `fit` of Keras 3 on its torch backend.

Where the time of a step of the stacked CNN goes, by torch's profiler: convolutions 70 %
(two thirds of it backward), Adam 9 %, fetching the batch 6 %. What was tried for it:

- batches from memory, fused Adam, and pictures channels last in memory are what paid.
  The last makes the whole step of the CNN about 1.15 times as fast, and that of the
  MLP, which has to flatten them, 0.93 times, so `fit` does it for models with filters;
- `backward(inputs=...)` and the sync for the value of the loss cost nothing that can be
  measured. The gradient is checked by its sum, 1 % of a step of the CNN and 4 % of one
  of the MLP, which has 43 times the weights for the same time; `isfinite().all()` would
  have cost six times that on the CNN and more than the update itself on the MLP;
- `torch.compile` took 38 s to start and then ran at 0.86 times the speed;
- without oneDNN the convolutions took twice as long; weights channels last on top of
  the pictures, and `foreach` instead of `fused`, made no difference worth a line.
"""

import math
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"

import keras  # type: ignore[import-untyped]
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from gdlbook.data import load, to_tensor
from gdlbook.networks.cnn import StackedCNN
from gdlbook.networks.mlp import MLP, Classifier, compile, train
from gdlbook.train import fit

EPOCHS, ROUNDS, RATE, BATCH = 3, 11, 1e-3, 32
OVER_BARE = 1.05
PROMISED = {
    "StackedCNN": {"loader": 1.15, "keras": 2.0},
    "MLP": {"loader": 1.5, "keras": 2.5},
}


def stacked(*, seed: int) -> Classifier:
    """Return the reference CNN, 15,120 parameters."""
    return StackedCNN(seed=seed)


def mlp(*, seed: int) -> Classifier:
    """Return dense layers of 200, 150 and 10 units with ReLU, 646,260 parameters."""
    return MLP((3, 32, 32), (200, 150), seed=seed)


NETWORKS = {"StackedCNN": stacked, "MLP": mlp}


def keras_twin(network: Classifier) -> Any:
    """Return the same network in Keras with the same weights."""
    layers = keras.layers
    if isinstance(network, StackedCNN):
        hidden = [
            layers.Conv2D(10, 4, strides=2, padding="same"),
            layers.Conv2D(20, 3, strides=2, padding="same"),
            layers.Flatten(),
        ]
    else:
        hidden = [
            layers.Flatten(),
            layers.Dense(200, activation="relu"),
            layers.Dense(150, activation="relu"),
        ]
    twin = keras.Sequential([keras.Input((32, 32, 3)), *hidden, layers.Dense(10)])
    weights = [p.detach().numpy() for p in network.parameters()]
    if isinstance(network, MLP):  # its pixels come channels first
        weights[0] = weights[0].reshape(200, 3, 32, 32).transpose(0, 2, 3, 1)
        weights[0] = weights[0].reshape(200, 3072)
    twin.set_weights([w.T if w.ndim < 4 else w.transpose(2, 3, 1, 0) for w in weights])
    twin.compile(
        optimizer=keras.optimizers.Adam(RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return twin


def bare(network: Classifier, x: Tensor, y: Tensor, seed: int) -> None:
    """Train by the least code that does."""
    if isinstance(network, StackedCNN):
        x = x.contiguous(memory_format=torch.channels_last)
    ((loss, _),) = network.objectives().values()
    torch.manual_seed(seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    for _ in range(EPOCHS):
        for rows in torch.split(torch.randperm(len(x)), BATCH):
            optimizer.zero_grad()
            loss(x[rows], y[rows]).backward()
            optimizer.step()


def trained(network: Classifier, x: Tensor, y: Tensor, seed: int) -> None:
    """Train by the loop of the chapter on the MLP."""
    compiled = compile(network, learning_rate=RATE)
    train(compiled, (x, y), epochs=EPOCHS, batch_size=BATCH, seed=seed)


def fitted(network: Classifier, x: Tensor, y: Tensor, seed: int) -> None:
    """Train by the book's loop."""
    steps = EPOCHS * math.ceil(len(x) / BATCH)
    fit(network, (x, y), steps=steps, seed=seed, batch_size=BATCH, learning_rate=RATE)


def loader(network: Classifier, x: Tensor, y: Tensor, seed: int) -> None:
    """Train by the loop of the tutorials."""
    ((loss, _),) = network.objectives().values()
    torch.manual_seed(seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    batches = DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True)
    for _ in range(EPOCHS):
        for rows, kinds in batches:
            optimizer.zero_grad()
            loss(rows, kinds).backward()
            optimizer.step()


@dataclass
class Times:
    """What one loop took in each round, and how many kinds it got right."""

    seconds: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)

    def add(self, train: Callable[[], object], guess: Callable[[], Any]) -> None:
        """Time a training and look at its guesses of the test part."""
        start = time.process_time()
        train()
        self.seconds.append(time.process_time() - start)
        self.accuracy.append(float(np.mean(guess() == PICTURES.test.y)))

    def over(self, other: "Times") -> float:
        """Median over the rounds of the time of this loop over that of the other."""
        pairs = zip(self.seconds, other.seconds, strict=True)
        return median(mine / theirs for mine, theirs in pairs)


PICTURES = load("emoji")


def compare(kind: Callable[..., Classifier], rounds: int) -> dict[str, Times]:
    """Let the loops take turns: in each round the same weights and seed for all."""
    x, y = to_tensor(PICTURES.train.x), torch.tensor(PICTURES.train.y)
    held = to_tensor(PICTURES.test.x)
    loops = {
        "bare": (bare, x),
        "train": (trained, x),
        "fit": (fitted, x),
        "loader": (loader, x),
        "keras": (None, x),
    }
    times = {name: Times() for name in loops}
    order = deque(loops)
    for seed in range(rounds):
        for name in order:
            network, (loop, data) = kind(seed=seed), loops[name]
            if loop is None:
                times[name].add(*keras_turn(network, data, y, held, seed))
            else:
                times[name].add(
                    partial(loop, network, data, y, seed),
                    partial(guesses, network, held),
                )
        order.rotate()  # nobody always comes after the slowest
    return times


def keras_turn(
    network: Classifier, x: Tensor, y: Tensor, held: Tensor, seed: int
) -> tuple[Callable[[], object], Callable[[], Any]]:
    """Return the training and the guesses of the twin, on arrays channels last."""
    keras.utils.set_random_seed(seed)
    twin = keras_twin(network)
    arrays, others = (t.permute(0, 2, 3, 1).contiguous().numpy() for t in (x, held))
    settings = {"batch_size": BATCH, "epochs": EPOCHS, "verbose": 0}
    return (
        partial(twin.fit, arrays, y.numpy(), **settings),
        lambda: twin.predict(others, verbose=0).argmax(1),
    )


def guesses(network: Classifier, x: Tensor) -> Any:
    """Return the likeliest kind of each picture, (n,)."""
    with torch.no_grad():
        return network(x).argmax(1).numpy()


def main() -> None:
    """Print the times of all loops for both networks, and what was promised."""
    torch.set_num_threads(1)
    for title, kind in NETWORKS.items():
        compare(kind, rounds=1)  # warms caches and the choice of algorithms
        times = compare(kind, ROUNDS)
        steps = EPOCHS * math.ceil(len(PICTURES.train) / BATCH)
        print(f"{title} on emoji, batch {BATCH}, {steps} steps, one thread;")
        print(f"medians of {ROUNDS} rounds in which the loops take turns")
        print("  loop                ms a step   over fit   right on test (spread)")
        for name, loop in times.items():
            ms, spread = 1000 * median(loop.seconds) / steps, np.std(loop.accuracy)
            right = f"{median(loop.accuracy):.1%} ({spread:.1%})"
            print(f"  {name:18} {ms:10.3f} {loop.over(times['fit']):10.2f}   {right}")
        print(f"  fit over bare {times['fit'].over(times['bare']):.3f}, ", end="")
        print(f"promised at most {OVER_BARE}")
        for name, least in PROMISED[title].items():
            print(f"  {name} over fit {times[name].over(times['fit']):.2f}, ", end="")
            print(f"promised at least {least}")
        check_equal_accuracy(times)


def check_equal_accuracy(times: dict[str, Times]) -> None:
    """Fail if a loop is fast because it learns less, by three standard errors."""
    here = times["fit"].accuracy
    for name, loop in times.items():
        apart = abs(np.mean(loop.accuracy) - np.mean(here))
        error = np.sqrt((np.var(loop.accuracy) + np.var(here)) / (ROUNDS - 1))
        if apart > 3 * error:
            raise SystemExit(f"{name} and fit are {apart:.1%} apart in accuracy")


if __name__ == "__main__":
    main()
