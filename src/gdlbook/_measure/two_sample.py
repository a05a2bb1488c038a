"""The classifier two-sample test: can anyone tell samples from observations?"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from gdlbook._measure.inputs import observations, whole

WIDTHS = (2.0, 1.0, 0.5, 0.25, 0.125)
COSINES = 200
RIDGE = 0.01

Features = Callable[[Tensor], Tensor]


class TwoSample(NamedTuple):
    """The outcome of a two-sample test.

    Attributes:
        accuracy: Share of the judged half that the classifier names rightly; one half
            where it cannot tell, one where it always can.
        p_value: Probability that guessing would do as well, or better.
        judged: Observations and samples in that half.
        classifier: The features that it was given, chosen on a part of the other half.
    """

    accuracy: float
    p_value: float
    judged: int
    classifier: str


def two_sample_test(x: Tensor, samples: Tensor, *, seed: int = 0) -> TwoSample:
    r"""Test whether samples can be told from observations, by a classifier.

    One half of both is learned from, the other half is judged. Under the hypothesis
    that both come from one distribution, no classifier does better than guessing, and
    the number of right answers among $m$ is at most as widely spread as for a coin:

    $$p = \sum_{j \ge \text{right}} \binom{m}{j} 2^{-m}$$

    Rejecting at p below 0.05 is therefore wrong at most once in 20 times. The
    classifier is a ridge regression on fixed features: the numbers and their squares,
    or random cosines of one of five widths. The features are chosen on a third of the
    first half; the judged half has no part in it.

    Args:
        x: Observations that the model has not been trained on, (n, ...), floating.
        samples: As many samples of the model, (n, ...).
        seed: Of the split and of the cosines.

    Raises:
        TypeError: x or samples are not floating tensors, or seed is not a whole number.
        ValueError: They differ in shape, hold fewer than 20 rows, or hold NaN.

    Source: Lopez-Paz and Oquab (2017), "Revisiting Classifier Two-Sample Tests",
    https://arxiv.org/abs/1610.06545. The cosines: Rahimi and Recht (2007), "Random
    Features for Large-Scale Kernel Machines".
    """
    x, samples, generator = _checked(x, samples, seed)
    learn, choose, judge = _parts(x, samples, generator)
    candidates = _candidates(learn.x, generator)
    name = max(candidates, key=lambda c: _right(candidates[c], learn, choose))
    right = _right(candidates[name], _joined(learn, choose), judge)
    judged = len(judge.y)
    return TwoSample(right / judged, _tail(right, judged), judged, name)


class _Part(NamedTuple):
    """Rows (n, d), as many observations as samples, and -1 or +1 for which of both."""

    x: Tensor
    y: Tensor


def _checked(x: Tensor, samples: Tensor, seed: int) -> tuple[Tensor, Tensor, Generator]:
    generator = torch.Generator().manual_seed(whole("seed", seed, least=0))
    rows = observations("x", x, least=20), observations("samples", samples, least=20)
    if x.shape != samples.shape:
        raise ValueError(
            f"x has shape {tuple(x.shape)}, samples have shape {tuple(samples.shape)}; "
            "expected the same, so that guessing is right half of the time"
        )
    return *rows, generator


def _parts(x: Tensor, samples: Tensor, generator: Generator) -> list[_Part]:
    """Return a third to learn from, a sixth to choose with, and a half to judge."""
    x, samples = (v[torch.randperm(len(v), generator=generator)] for v in (x, samples))
    ends = 0, len(x) // 3, len(x) // 2, len(x)
    parts = []
    for start, end in pairwise(ends):
        ones = torch.ones(end - start, dtype=x.dtype)
        rows = torch.cat([x[start:end], samples[start:end]])
        parts.append(_Part(rows, torch.cat([-ones, ones])))
    return parts


def _joined(first: _Part, second: _Part) -> _Part:
    return _Part(*(torch.cat(both) for both in zip(first, second, strict=True)))


def _candidates(x: Tensor, generator: Generator) -> dict[str, Features]:
    """Return the features to choose from, by name; x sets the scale of each number."""
    middle, scale = x.mean(dim=0), x.std(dim=0)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))

    def squares(v: Tensor) -> Tensor:
        v = (v - middle) / scale
        return torch.cat([v, v.square()], dim=1)

    w = torch.randn(x.shape[1], COSINES, generator=generator, dtype=x.dtype)
    shift = 2 * math.pi * torch.rand(COSINES, generator=generator, dtype=x.dtype)

    def cosines(width: float) -> Features:
        inverse = 1 / (width * math.sqrt(x.shape[1]))
        return lambda v: torch.cos((v - middle) / scale @ w * inverse + shift)

    found: dict[str, Features] = {"squares": squares}
    return found | {f"cosines of width {width:g}": cosines(width) for width in WIDTHS}


def _right(features: Features, learn: _Part, judge: _Part) -> int:
    """Count the right answers on one part of a ridge regression fitted on another."""
    f = features(learn.x)
    middle = f.mean(dim=0)
    weights = _ridge(f - middle, learn.y)
    says = (features(judge.x) - middle) @ weights
    return int(((says > 0) == (judge.y > 0)).sum())


def _ridge(f: Tensor, y: Tensor) -> Tensor:
    """Return the weights w that minimize |f w - y|^2 + c |w|^2, in closed form."""
    n, d = f.shape
    eye = RIDGE * n * torch.eye(min(n, d), dtype=f.dtype)
    if d <= n:
        weights: Tensor = torch.linalg.solve(f.T @ f + eye, f.T @ y)
        return weights
    return f.T.matmul(torch.linalg.solve(f @ f.T + eye, y))  # by a smaller system


def _tail(right: int, n: int) -> float:
    """Return the probability of `right` heads or more among n throws of a coin."""
    j = torch.arange(right, n + 1, dtype=torch.float64)
    total = torch.tensor(n + 1.0, dtype=torch.float64)
    log_ways = torch.lgamma(total) - torch.lgamma(j + 1) - torch.lgamma(total - j)
    return min(1.0, float((log_ways - n * math.log(2)).exp().sum()))
