"""The stacked convolutional network: layers of filters whose values are learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.functional import pad

from gdlbook.networks.convolution import same_padding
from gdlbook.networks.mlp import Classifier, glorot, random_numbers

__all__ = ["DeepCNN", "FlattenLast", "SameConv2d", "StackedCNN"]

PICTURE = (3, 32, 32)
KINDS = 10


class SameConv2d(nn.Conv2d):
    """A convolutional layer with the zeros of Keras' `padding="same"`.

    The output has ceil(n / stride) rows for n rows of input, and as many zeros are
    added as that takes; the odd one goes after, below and on the right. Arguments as
    for `torch.nn.Conv2d`, without `padding`.
    Source: https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
    """

    def forward(self, x: Tensor) -> Tensor:
        """Turn (n, in, height, width) into (n, out, ceil(height/s), ceil(width/s))."""
        sides = zip(x.shape[2:], self.kernel_size, self.stride, strict=True)
        rows, columns = (same_padding(*side) for side in sides)
        return super().forward(pad(x, (*columns, *rows)))


class FlattenLast(nn.Module):
    """Flatten feature maps as Keras does, with the channels innermost."""

    def forward(self, x: Tensor) -> Tensor:
        """Turn (n, channels, rows, columns) into (n, rows * columns * channels)."""
        return x.permute(0, 2, 3, 1).flatten(1)


class StackedCNN(Classifier):
    """The reference model: two convolutional layers and a dense one, as in Keras.

    10 filters of 4 x 4, then 20 of 3 x 3, each at stride 2 with `same` padding, then
    a dense layer of 10 units: 15,120 parameters.
    Source: D. Foster, *Generative Deep Learning*, 2nd edition, O'Reilly, 2023,
    chapter 2, https://www.oreilly.com/library/view/generative-deep-learning/9781098134174/

    Args:
        activation: What makes the layer after each convolution, as `torch.nn.ReLU`;
            no such layer if not given.
        seed: Of the weights, drawn as Glorot and Bengio (2010) do, biases zero:
            https://proceedings.mlr.press/v9/glorot10a.html
    """

    def __init__(
        self, *, activation: Callable[[], nn.Module] | None = None, seed: int = 0
    ) -> None:
        layers: dict[str, nn.Module] = {}
        with random_numbers(seed):
            first = SameConv2d(3, 10, kernel_size=4, stride=2)
            second = SameConv2d(10, 20, kernel_size=3, stride=2)
            for i, conv in enumerate((first, second), start=1):
                layers[f"conv{i}"] = conv
                if activation is not None:
                    layers[f"activation{i}"] = activation()
            layers["flatten"] = FlattenLast()
            layers["dense"] = nn.Linear(8 * 8 * 20, KINDS)
            super().__init__(layers, PICTURE)
            glorot(self)

    def load_keras_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Take over the weights of the same model in Keras.

        Args:
            weights: What `get_weights()` of the Keras model returns: the filters
                (4, 4, 3, 10) and (3, 3, 10, 20), as (rows, columns, in, out), and
                the dense weights (1280, 10), each followed by its biases.

        Raises:
            TypeError: Values that are not real numbers.
            ValueError: Another number of arrays, or another shape.
        """
        layers = [self.get_submodule(name) for name in ("conv1", "conv2", "dense")]
        targets = [p for layer in layers for p in layer.parameters()]
        if len(weights) != len(targets):
            raise ValueError(f"got {len(weights)} arrays; expected {len(targets)}")
        turned = [
            _from_keras(f"weights[{i}]", weight, target)
            for i, (weight, target) in enumerate(zip(weights, targets, strict=True))
        ]
        with torch.no_grad():  # after all are checked: all are loaded, or none
            for weight, target in zip(turned, targets, strict=True):
                target.copy_(weight)


class DeepCNN(Classifier):
    """Four convolutional layers with batch normalization, and dropout at the end.

    Filters of 3 x 3, `same` padding; 16, 32, 64, and 64 of them; strides 2, 2, 1, 2.
    Batch normalization: https://arxiv.org/abs/1502.03167
    Dropout: https://jmlr.org/papers/v15/srivastava14a.html

    Args:
        dropout: Share of the features that are set to zero while it learns.
        seed: Of the weights, drawn as in `StackedCNN`.
    """

    def __init__(self, *, dropout: float = 0.5, seed: int = 0) -> None:
        layers: dict[str, nn.Module] = {}
        channels, strides = (3, 16, 32, 64, 64), (2, 2, 1, 2)
        with random_numbers(seed):
            for i, (read, made) in enumerate(pairwise(channels), start=1):
                # no bias: the normalization would subtract it, and has one itself
                layers[f"conv{i}"] = SameConv2d(
                    read, made, kernel_size=3, stride=strides[i - 1], bias=False
                )
                layers[f"norm{i}"] = nn.BatchNorm2d(made)
                layers[f"relu{i}"] = nn.ReLU()
            layers["flatten"] = FlattenLast()
            layers["dropout"] = nn.Dropout(dropout)
            layers["dense"] = nn.Linear(4 * 4 * 64, KINDS)
            super().__init__(layers, PICTURE)
            glorot(self)


def _from_keras(name: str, weight: ArrayLike, target: Tensor) -> Tensor:
    """Return filters as (out, in, rows, columns), dense weights as (out, in)."""
    array = np.asarray(weight)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} holds {array.dtype}; expected real numbers")
    order = (2, 3, 1, 0) if target.ndim == 4 else tuple(range(target.ndim))[::-1]
    expected = tuple(target.shape[axis] for axis in order)
    if array.shape != expected:
        raise ValueError(f"{name} has shape {array.shape}; expected {expected}")
    back = (3, 2, 0, 1) if target.ndim == 4 else order
    return torch.tensor(array.transpose(back).copy(), dtype=target.dtype)
