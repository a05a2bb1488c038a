"""The multilayer perceptron, and the five stages from raw pictures to a number.

The stages are functions, in their order at the end of the file: `prepare`, `build`,
`compile`, `train`, `evaluate`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite, prod
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

__all__ = [
    "MLP",
    "Classifier",
    "Compiled",
    "Scores",
    "build",
    "calibration",
    "compile",
    "evaluate",
    "prepare",
    "train",
]

Part = tuple[Tensor, Tensor]  # observations (n, ...), and their kinds (n,), from 0


class Classifier(nn.Sequential):
    r"""Named layers in a stack, from pictures to one logit for each kind.

    The loss is the mean negative log probability of the right kind, in nats:

    $$-\frac{1}{n} \sum_{m=1}^{n} \log \operatorname{softmax}(\ell_m)_{y_m}$$

    where $\ell_m$ are the logits of observation $m$ and $y_m$ is its kind.

    Args:
        layers: The layers by name, from the first to the last.
        shape: That of one observation, as (3, 32, 32): channels, rows, columns.
    """

    def __init__(self, layers: dict[str, nn.Module], shape: Sequence[int]) -> None:
        super().__init__(OrderedDict(layers))
        self.shape = tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, kinds) for observations (n, *shape).

        Raises:
            TypeError: Pixels that are not floating point, as uint8.
            ValueError: Another shape, as that of pictures with channels last.
        """
        *_, (_, logits) = self._steps(x)
        return logits

    def layer_outputs(self, x: Tensor) -> dict[str, Tensor]:
        """Return the output of every layer by its name, in evaluation mode.

        Args:
            x: Observations (n, *shape), floats.
        """
        with _evaluating(self):
            return dict(self._steps(x))

    def logits(self, x: Tensor) -> Tensor:
        """Return the logits, (n, kinds), in evaluation mode and without gradients.

        Args:
            x: Observations (n, *shape), floats.
        """
        with _evaluating(self):
            parts = torch.split(x, 256)  # all at once would not fit every memory
            return torch.cat([self(part) for part in parts])

    def probabilities(self, x: Tensor) -> Tensor:
        """Return the softmax of the logits, (n, kinds), in evaluation mode.

        Args:
            x: Observations (n, *shape), floats.
        """
        return self.logits(x).softmax(dim=1)

    def accuracy(self, x: Tensor, y: Tensor) -> float:
        """Return the share of observations whose most probable kind is the right one.

        Args:
            x: Observations (n, *shape), floats.
            y: Their kinds (n,), whole numbers from 0.

        Raises:
            ValueError: A number of kinds other than n, or no picture at all.
        """
        _check_part((x, y))
        return _share_right(self.logits(x), y)

    def objectives(self) -> dict[str, tuple[Callable[..., Tensor], list[Tensor]]]:
        """Return the cross-entropy of a batch, in nats, and what it trains."""

        def loss(x: Tensor, y: Tensor) -> Tensor:
            return cross_entropy(self(x), y)

        return {"cross_entropy": (loss, list(self.parameters()))}

    def summary(self) -> str:
        """Return a table: each layer, the shape of its output, its parameters.

        Shapes are written as rows x columns x channels; the batch is left out.
        """
        lines, total = [f"{'layer':12}{'output':14}{'parameters':>10}"], 0
        for name, out in self.layer_outputs(torch.zeros(1, *self.shape)).items():
            count = sum(p.numel() for p in self.get_submodule(name).parameters())
            shape = " x ".join(map(str, (*out.shape[2:], out.shape[1])))
            lines.append(f"{name:12}{shape:14}{count:10,}")
            total += count
        return "\n".join([*lines, f"{'total':26}{total:10,}"])

    def _steps(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Go up the stack: the name of each layer, and what it puts out."""
        if not x.is_floating_point():
            raise TypeError(f"x holds {x.dtype}; expected floats")
        if x.shape[1:] != self.shape:
            first = "pictures with channels first, " * (len(self.shape) == 3)
            raise ValueError(
                f"x has shape {tuple(x.shape)}; expected {first}"
                f"(n, {', '.join(map(str, self.shape))})"
            )
        for name, layer in self.named_children():
            x = layer(x)
            yield name, x


class MLP(Classifier):
    """A multilayer perceptron: dense layers, with an activation after each hidden one.

    Args:
        shape: That of one observation, as (1, 28, 28) or (2,); it is flattened first.
        hidden: Units of each hidden layer, from the first to the last.
        kinds: Outputs: one logit for each kind, or whatever the numbers stand for.
        activation: What makes the layer after each hidden dense layer.
        dropout: Share of the outputs of each hidden layer set to zero while it learns.
        seed: Of the weights, drawn as Glorot and Bengio (2010) do, biases zero:
            https://proceedings.mlr.press/v9/glorot10a.html

    Raises:
        ValueError: A size below 1, or a dropout that leaves nothing.
    """

    def __init__(
        self,
        shape: Sequence[int],
        hidden: Sequence[int],
        kinds: int = 10,
        *,
        activation: Callable[[], nn.Module] = nn.ReLU,
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        if min(*shape, *hidden, kinds) < 1 or not 0 <= dropout < 1:
            raise ValueError(
                f"shape is {tuple(shape)}, hidden {tuple(hidden)}, kinds {kinds}, "
                f"dropout {dropout}; expected sizes of at least 1 and a dropout from 0 "
                "up to 1, 1 excluded"
            )
        layers: dict[str, nn.Module] = {"flatten": nn.Flatten()}
        with random_numbers(seed):
            sizes = (prod(shape), *hidden, kinds)
            for i, (read, made) in enumerate(pairwise(sizes), start=1):
                layers[f"dense{i}"] = nn.Linear(read, made)
                if i <= len(hidden):
                    layers[f"activation{i}"] = activation()
                    if dropout:
                        layers[f"dropout{i}"] = nn.Dropout(dropout)
            super().__init__(layers, shape)
            glorot(self)


def glorot(model: nn.Module) -> None:
    """Draw all weights uniformly from +-sqrt(6 / (inputs + outputs)); biases are 0."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


@contextmanager
def random_numbers(seed: int) -> Iterator[None]:
    """Draw from `seed` within the block, and leave the caller's random state alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Switch to evaluation, without gradients, and back."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def prepare(
    x: ArrayLike, y: ArrayLike, *, validation: float = 0.1, seed: int = 0
) -> tuple[Part, Part]:
    """Scale pictures to [0, 1] and hold out the same share of every kind.

    Args:
        x: uint8 pictures, (n, height, width) gray or (n, height, width, 3) color.
        y: Their kinds (n,), whole numbers from 0.
        validation: The share to hold out, between 0 and 1; one of each kind at least.
        seed: Of the choice.

    Returns:
        The training part and the validation part, each a pair: float32 pictures with
            channels first, (n, 1 or 3, height, width), and int64 kinds (n,).

    Raises:
        TypeError: Pictures that are not uint8, or kinds that are not whole numbers.
        ValueError: Shapes that do not fit, a share outside (0, 1), or a kind of which
            nothing would be left to learn from.
    """
    x, y = np.asarray(x), np.asarray(y)
    _check_pictures(x, y, validation)
    pictures = torch.tensor(x, dtype=torch.float32) / 255
    pictures = pictures[:, None] if x.ndim == 3 else pictures.movedim(3, 1)
    kinds = torch.tensor(y, dtype=torch.int64)
    rng, held = np.random.default_rng(seed), np.zeros(len(y), dtype=bool)
    for kind in np.unique(y):
        places = rng.permutation(np.flatnonzero(y == kind))
        held[places[: max(1, round(validation * len(places)))]] = True
        if held[places].all():
            raise ValueError(
                f"kind {kind} has {len(places)} pictures and all would be held out; "
                "expected one or more to learn from"
            )
    return (pictures[~held], kinds[~held]), (pictures[held], kinds[held])


def build(
    part: Part, hidden: Sequence[int], *, dropout: float = 0.0, seed: int = 0
) -> MLP:
    """Return a new MLP that takes such observations and tells so many kinds apart.

    Args:
        part: Observations (n, ...) and their kinds (n,), as `prepare` returns them.
        hidden: Units of each hidden layer.
        dropout: As for `MLP`.
        seed: As for `MLP`.
    """
    x, y = part
    return MLP(x.shape[1:], hidden, int(y.max()) + 1, dropout=dropout, seed=seed)


class Compiled(NamedTuple):
    """A model, and what trains it: a loss of logits and kinds, and an optimizer."""

    model: Classifier
    loss: Callable[[Tensor, Tensor], Tensor]
    optimizer: torch.optim.Optimizer


def compile(
    model: Classifier,
    *,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.0,
    loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
) -> Compiled:
    """Pair a model with a loss and an optimizer, as Keras does under this name.

    Nothing is translated or made faster: that would be `torch.compile`. The optimizer
    is AdamW (https://arxiv.org/abs/1711.05101), which without weight decay is Adam.

    Args:
        model: The network to train; its weights stay as they are.
        learning_rate: Of the optimizer.
        weight_decay: Before each update every parameter is multiplied by
            1 - learning_rate * weight_decay.
        loss: A function of logits (n, kinds) and kinds (n,), a mean over the batch.

    Raises:
        ValueError: A learning rate that is not above 0, or a negative weight decay.
    """
    if not (0 < learning_rate < inf and 0 <= weight_decay < inf):
        raise ValueError(
            f"learning_rate is {learning_rate} and weight_decay {weight_decay}; "
            "expected a number above 0 and one from 0 up"
        )
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True
    )
    return Compiled(model, loss, optimizer)


def train(
    compiled: Compiled,
    part: Part,
    validation: Part | None = None,
    *,
    epochs: int,
    batch_size: int = 32,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Lower the loss, batch by batch, through all observations, epoch after epoch.

    Called again, it goes on from where it stopped. `gdlbook.fit` is the same loop for
    any model, with more checks, a progress bar and checkpoints.

    Args:
        compiled: The model with its loss and its optimizer.
        part: Observations (n, ...) and their kinds (n,) to learn from.
        validation: The same, to measure on after each epoch.
        epochs: How often every observation is seen.
        batch_size: Observations to an update; the last batch may be smaller.
        seed: Of the order of the observations, and of dropout.

    Returns:
        A number for each epoch: the mean `training` loss while the weights changed,
            and the `validation` loss and `accuracy` after it.

    Raises:
        FloatingPointError: The loss is no longer a finite number.
        ValueError: Lengths that do not fit, or a number below 1.
    """
    _check_part(part)
    if epochs < 1 or batch_size < 1:
        raise ValueError(
            f"epochs is {epochs} and batch_size {batch_size}; expected 1 or more"
        )
    curves: dict[str, list[float]] = {"training": [], "validation": [], "accuracy": []}
    order = torch.Generator().manual_seed(seed)
    with random_numbers(seed):
        for _ in range(epochs):
            batches = torch.split(
                torch.randperm(len(part[0]), generator=order), batch_size
            )
            curves["training"].append(_epoch(compiled, part, batches))
            if validation is not None:
                logits = compiled.model.logits(validation[0])
                loss = compiled.loss(logits, validation[1])
                curves["validation"].append(loss.item())
                curves["accuracy"].append(_share_right(logits, validation[1]))
    return curves


def _epoch(compiled: Compiled, part: Part, batches: Sequence[Tensor]) -> float:
    """Change the weights once for each batch of rows; return the mean loss."""
    (model, loss, optimizer), (x, y), total = compiled, part, 0.0
    model.train()
    for rows in batches:
        optimizer.zero_grad()
        value = loss(model(x[rows]), y[rows])
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += value.item() * len(rows)
    if not isfinite(total):
        raise FloatingPointError(
            f"the loss is {total}; likely causes are a learning rate that is too large "
            f"({optimizer.param_groups[0]['lr']:g} here) and data that were not scaled"
        )
    return total / len(x)


@dataclass(frozen=True, eq=False)
class Scores:
    """What a model does on a part of the data.

    Attributes:
        loss: Cross-entropy, in nats.
        accuracy: Share of the observations whose most probable kind is right.
        probabilities: What the model gave to each kind, (n, kinds).
        confusion: How many of each kind (row) it took for each kind (column).
        calibration: As `calibration` returns it, (10, 3).
        calibration_error: Mean distance of confidence from the share of right answers.
    """

    loss: float
    accuracy: float
    probabilities: Tensor
    confusion: Tensor
    calibration: Tensor
    calibration_error: float


def evaluate(model: Classifier, part: Part) -> Scores:
    """Measure a model on observations that it has not learned from.

    Args:
        model: The network; it is put into evaluation mode, and back.
        part: Observations (n, ...) and their kinds (n,).

    Raises:
        ValueError: Lengths that do not fit, no observation, or an unknown kind.
    """
    _check_part(part)
    x, y = part
    logits = model.logits(x)
    kinds = logits.shape[1]
    if y.min() < 0 or y.max() >= kinds:
        raise ValueError(
            f"y runs from {y.min()} to {y.max()}; the model knows 0 to {kinds - 1}"
        )
    probabilities = logits.softmax(dim=1)
    bins = calibration(probabilities, y)
    apart = bins[:, 0] * (bins[:, 1] - bins[:, 2]).abs()
    pairs = y * kinds + logits.argmax(dim=1)
    return Scores(
        loss=cross_entropy(logits, y).item(),
        accuracy=_share_right(logits, y),
        probabilities=probabilities,
        confusion=pairs.bincount(minlength=kinds**2).view(kinds, kinds),
        calibration=bins,
        calibration_error=apart.sum().item() / len(y),
    )


def calibration(probabilities: Tensor, y: Tensor) -> Tensor:
    r"""Set confidence beside the share of right answers, in ten bins.

    The confidence of an answer is the probability of its kind. Over $n$ answers, $n_b$
    of them in bin $b$, the expected calibration error is

    $$\sum_b \frac{n_b}{n} \, \bigl| \text{confidence}_b - \text{right}_b \bigr|.$$

    Source: Guo and others, 2017, section 2, https://arxiv.org/abs/1706.04599

    Args:
        probabilities: Of each kind, (n, kinds).
        y: The right kinds, (n,).

    Returns:
        A row for each bin of confidence, a tenth wide, with its upper end, (10, 3):
            the number of answers, their mean confidence, the share of them that is
            right; zeros where there is none.
    """
    confidence, answer = probabilities.double().max(dim=1)
    place = (confidence * 10).ceil().long().sub(1).clamp(0, 9)
    columns = torch.stack([torch.ones_like(confidence), confidence, answer == y], dim=1)
    sums = columns.new_zeros(10, 3).index_add(0, place, columns)
    return torch.cat([sums[:, :1], sums[:, 1:] / sums[:, :1].clamp(min=1)], dim=1)


def _share_right(logits: Tensor, y: Tensor) -> float:
    """Return the share of rows whose largest logit is that of the right kind."""
    return (logits.argmax(dim=1) == y).double().mean().item()


def _check_part(part: Part) -> None:
    x, y = part
    if y.shape != x.shape[:1] or not len(y):
        raise ValueError(
            f"x has shape {tuple(x.shape)} and y {tuple(y.shape)}; expected one "
            "kind for each observation, and one or more"
        )


def _check_pictures(x: NDArray[Any], y: NDArray[Any], validation: float) -> None:
    if x.dtype != np.uint8 or y.dtype.kind not in "iu":
        raise TypeError(
            f"x holds {x.dtype} and y {y.dtype}; expected uint8 and whole numbers"
        )
    if not (x.ndim == 3 or (x.ndim == 4 and x.shape[3] == 3)) or y.shape != x.shape[:1]:
        raise ValueError(
            f"x has shape {x.shape} and y {y.shape}; expected (n, height, width) or "
            "(n, height, width, 3), and (n,)"
        )
    if not 0 < validation < 1:
        raise ValueError(
            f"validation is {validation}; expected a share between 0 and 1"
        )
