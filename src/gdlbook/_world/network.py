"""A small network with its gradient and Adam by hand: many small updates, quick."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Network:
    """Dense layers with ReLU between them, from rows of numbers to rows of numbers.

    Args:
        sizes: Numbers that go in, units of each hidden layer, numbers that come out.
        rng: Draws the weights.
        rate: The learning rate of Adam, https://arxiv.org/abs/1412.6980.
    """

    def __init__(
        self, sizes: tuple[int, ...], rng: np.random.Generator, rate: float = 1e-3
    ) -> None:
        self._sizes, self._rate, self._updates = sizes, rate, 0
        count = sum((n + 1) * m for n, m in pairwise(sizes))
        # All weights in one vector, so that Adam is a few operations on vectors.
        self.weights, self._gradient = np.empty((2, count), np.float32)
        self._mean, self._square = np.zeros((2, count), np.float32)
        self._layers, self._slopes = map(self._views, (self.weights, self._gradient))
        for layer in self._layers:
            bound = 1 / np.sqrt(len(layer) - 1)
            layer[:] = rng.uniform(-bound, bound, layer.shape)

    def _views(self, vector: Array) -> list[Array]:
        """Return each layer's part of a vector, (inputs + 1, outputs), bias last."""
        views, start = [], 0
        for n, m in pairwise(self._sizes):
            stop = start + (n + 1) * m
            views.append(vector[start:stop].reshape(n + 1, m))
            start = stop
        return views

    def __call__(self, x: Array) -> Array:
        """Return outputs (n, sizes[-1]) of rows (n, sizes[0])."""
        self._read: list[Array] = []  # what each layer was given, for `update`
        for layer in self._layers:
            self._read.append(np.maximum(x, 0) if self._read else x)
            x = self._read[-1] @ layer[:-1] + layer[-1]
        return x

    def update(self, slope: Array) -> None:
        """Make one step of Adam, given the slope of a loss in the last outputs."""
        steps = zip(self._layers, self._slopes, self._read, strict=True)
        for layer, found, read in reversed(list(steps)):
            np.matmul(read.T, slope, out=found[:-1])
            slope.sum(axis=0, out=found[-1])
            slope = (slope @ layer[:-1].T) * (read > 0)
        self._updates += 1
        self._mean += 0.1 * (self._gradient - self._mean)
        self._square += 0.001 * (self._gradient**2 - self._square)
        mean = self._mean / (1 - 0.9**self._updates)
        square = self._square / (1 - 0.999**self._updates)
        self.weights -= self._rate * mean / (np.sqrt(square) + 1e-8)
