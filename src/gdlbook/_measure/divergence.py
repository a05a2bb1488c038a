"""The distance of one distribution from another, by integral and by samples."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Generator, Tensor

from gdlbook._measure.inputs import PIECE, observations, whole
from gdlbook._model.checks import source

Bounds = tuple[float, float, float, float]


class Known(Protocol):
    """Anything that knows its density: a toy of the data, a model that is EXACT."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the exact log density of x (n, ...), shape (n,), in nats."""


class Drawn(Known, Protocol):
    """Anything that knows its density and can be drawn from."""

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """Draw n observations, shape (n, ...)."""


class Estimate(NamedTuple):
    """A mean over samples, and how far it may be off.

    Attributes:
        value: The mean.
        error: Its standard error: the standard deviation of one term, divided by the
            square root of their number.
    """

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ± {self.error:.3f}"


def kl_by_quadrature(p: Known, q: Known, bounds: Bounds, *, points: int = 300) -> float:
    r"""Return the divergence from p to q on the plane, by adding up small cells.

    $$\mathrm{KL}(p, q) = \int p(x) \log \frac{p(x)}{q(x)} \, dx
    \approx \sum_i p(x_i) \log \frac{p(x_i)}{q(x_i)} \, \Delta$$

    Here $x_i$ is the middle of a cell and $\Delta$ its area. Where $p$ is zero, a term
    is zero; where $q$ alone is zero, the divergence is infinite.

    Args:
        p: A distribution on the plane, with `log_prob`.
        q: Another one.
        bounds: Lowest and highest x1, lowest and highest x2 of a box that holds p.
        points: Cells along each side of the box.

    Returns:
        Nats, from zero up, or infinity.

    Raises:
        Undefined: p or q is a model that has no `log_prob`.
        TypeError: bounds or points are not numbers.
        ValueError: bounds are not four numbers in order; p or q returns something
            else than log densities; or the cells do not add up to a probability of
            one, because the box is too small or the cells are too large.
    """
    x, area = _cells(bounds, whole("points", points, least=2))
    log_p, log_q = log_density("p", p, x), log_density("q", q, x)
    mass = float(log_p.exp().sum()) * area
    if abs(mass - 1) > 1e-4:
        raise ValueError(
            f"p has a probability of {mass:.4f} on {points} x {points} cells within "
            f"{tuple(bounds)}; expected 1: widen bounds, or raise points"
        )
    there = log_p > -math.inf
    terms = log_p[there].exp() * (log_p - log_q)[there]
    return float(terms.sum()) * area


def kl_by_samples(
    p: Drawn, q: Known, n: int, *, generator: Generator | None = None
) -> Estimate:
    r"""Return the divergence from p to q, as a mean over samples of p.

    $$\mathrm{KL}(p, q) = \E_{x \sim p}[\log p(x) - \log q(x)]
    \approx \frac{1}{n} \sum_{i=1}^{n} \bigl(\log p(x_i) - \log q(x_i)\bigr)$$

    It works for observations of any shape. One sample at which q is zero proves that
    the divergence is infinite; then the error is zero.

    Args:
        p: A distribution with `sample` and `log_prob`.
        q: A distribution with `log_prob`.
        n: Samples, at least two.
        generator: Where the randomness comes from; without one, torch's own.

    Returns:
        The mean and its standard error, in nats. The mean may fall below zero, where
            the divergence cannot, by as much as the error allows.

    Raises:
        Undefined: p or q is a model that has no `log_prob`.
        TypeError: n is not a whole number, or generator is not a `torch.Generator`.
        ValueError: n is below two, or p or q returns something else than samples and
            their log densities.
    """
    count = whole("n", n, least=2)
    x = p.sample(count, generator=source(generator)).detach()
    observations("the sample of p", x)
    log_p, log_q = log_density("p", p, x), log_density("q", q, x)
    if (log_p == -math.inf).any():
        raise ValueError(
            "p draws an observation at which its own log_prob is minus infinity; "
            "sample and log_prob are not of one distribution"
        )
    return mean(log_p - log_q)


def mean(terms: Tensor) -> Estimate:
    """Return the mean of independent terms (n,), and its standard error."""
    value = float(terms.mean())
    infinite = math.isinf(value)
    error = 0.0 if infinite else float(terms.std()) / math.sqrt(len(terms))
    return Estimate(value, error)


def in_pieces(say: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return what a method of a model says of x (n, ...), a piece at a time."""
    with torch.no_grad():
        answers = []
        for piece in torch.split(x, PIECE):
            answers.append(say(piece))
            if answers[-1].shape[:1] != piece.shape[:1]:
                raise ValueError(
                    f"{say.__qualname__} returns shape {tuple(answers[-1].shape)} for "
                    f"{len(piece)} observations; expected one row for each"
                )
        return torch.cat(answers)


def log_density(name: str, p: Any, x: Tensor, verb: str = "log_prob") -> Tensor:
    """Return what p says of x, (n,), in float64."""
    log_p = in_pieces(getattr(p, verb), x).double()
    if log_p.ndim != 1:
        raise ValueError(
            f"{name}.{verb} returns shape {tuple(log_p.shape)} for {len(x)} "
            f"observations; expected ({len(x)},)"
        )
    bad = int((log_p.isnan() | (log_p == math.inf)).sum())
    if bad:
        raise ValueError(
            f"{name}.{verb} returns NaN or plus infinity for {bad} of {len(x)} "
            "observations; expected log densities"
        )
    return log_p


def _cells(bounds: Bounds, points: int) -> tuple[Tensor, float]:
    """Return the middles of the cells (points * points, 2), float32, and their area."""
    try:
        left, right, low, high = map(float, bounds)
    except (TypeError, ValueError):
        raise TypeError(f"bounds are {bounds!r}; expected four numbers") from None
    if not (left < right and low < high) or math.isinf((right - left) * (high - low)):
        raise ValueError(
            f"bounds are {tuple(bounds)}; expected lowest and highest x1, lowest and "
            "highest x2"
        )
    half = (torch.arange(points, dtype=torch.float64) + 0.5) / points
    sides = left + (right - left) * half, low + (high - low) * half
    area = (right - left) * (high - low) / points**2
    return torch.cartesian_prod(*sides).float(), area
