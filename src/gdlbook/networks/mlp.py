"""The multilayer perceptron, and the stages of training: from data to a number."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

__all__ = ["MLP", "Classifier"]


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

    def probabilities(self, x: Tensor) -> Tensor:
        """Return the softmax of the logits, (n, kinds), in evaluation mode.

        Args:
            x: Observations (n, *shape), floats.
        """
        with _evaluating(self):
            parts = torch.split(x, 256)  # all at once would not fit every memory
            return torch.cat([self(part) for part in parts]).softmax(dim=1)

    def accuracy(self, x: Tensor, y: Tensor) -> float:
        """Return the share of observations whose most probable kind is the right one.

        Args:
            x: Observations (n, *shape), floats.
            y: Their kinds (n,), whole numbers from 0.

        Raises:
            ValueError: A number of kinds other than n, or no picture at all.
        """
        if y.shape != x.shape[:1] or not len(y):
            raise ValueError(
                f"x has shape {tuple(x.shape)} and y {tuple(y.shape)}; expected one "
                "kind for each observation, and one or more"
            )
        return (self.probabilities(x).argmax(dim=1) == y).double().mean().item()

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
