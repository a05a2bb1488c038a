"""Toys on the plane: distributions that can be sampled and whose density is known.

They are the worlds in which P_data is no secret, so that a model can be held against
the truth: points to learn from, and the exact log density to judge by. The shapes are
the usual ones: moons, spiral and checkerboard as in arXiv:1810.01367, the grid of
Gaussians as in arXiv:1705.07761.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Generator, Tensor

from gdlbook.data.plane import Bounds, Toy


class GaussianMixture(Toy):
    r"""Equal round Gaussians: p(x) = 1/K sum_k N(x; m_k, std^2 I).

    Args:
        name: what it is called.
        bounds: the box that holds it.
        means: centers m_k (K, 2).
        std: standard deviation of each Gaussian in each direction.
    """

    def __init__(self, name: str, bounds: Bounds, means: Tensor, std: float) -> None:
        super().__init__(name, bounds)
        self.std = std
        self._means = means.double()

    @property
    def means(self) -> Tensor:
        """The centers of the modes, float32 (K, 2)."""
        return self._means.float()

    def _draw(self, n: int, generator: Generator | None) -> Tensor:
        mode = torch.randint(len(self._means), (n,), generator=generator)
        return self._means[mode] + self.std * _noise(n, generator)

    def _log_density(self, x: Tensor) -> Tensor:
        equal = torch.full_like(self._means[:, 0], -math.log(len(self._means)))
        return _log_mixture(x, self._means, equal, self.std)


class BlurredCurve(Toy):
    r"""A curve c and its mirror image -c, blurred by a round Gaussian.

    p(x) = 1/2 sum_{s = -1, +1} integral_0^end p(t) N(x; s c(t), std^2 I) dt, where
    t has the density p(t) = (power + 1) t^power / end^(power + 1).

    The integral has no closed form. Gauss-Legendre quadrature
    (https://dlmf.nist.gov/3.5#v) gives log p to better than 1e-10 nats within 20 of
    the origin, where it falls below -4,000, and to a millionth of its value beyond.

    Args:
        name: what it is called.
        bounds: the box that holds it.
        curve: maps t (n,) to points (n, 2).
        end: where the curve ends; it starts at t = 0.
        power: 0 spreads points evenly over t; 1 puts more where t is large.
        std: standard deviation of the blur in each direction.
        panels: pieces of the curve, equally probable, with 256 quadrature nodes each.
    """

    def __init__(
        self,
        name: str,
        bounds: Bounds,
        curve: Callable[[Tensor], Tensor],
        *,
        end: float,
        power: int,
        std: float,
        panels: int,
    ) -> None:
        super().__init__(name, bounds)
        self.std = std
        self._curve, self._end, self._power = curve, end, power
        t, weight = self._nodes(panels)
        self._means = torch.cat([curve(t), -curve(t)])
        self._log_weights = (weight / 2).log().repeat(2)

    def _quantile(self, u: Tensor) -> Tensor:
        return self._end * u ** (1 / (self._power + 1))

    def _nodes(self, panels: int) -> tuple[Tensor, Tensor]:
        """Nodes t (panels * 256,) and their weights under p(t), which sum to one."""
        z, w = map(torch.from_numpy, np.polynomial.legendre.leggauss(256))
        edges = self._quantile(torch.linspace(0, 1, panels + 1, dtype=torch.float64))
        half = edges.diff()[:, None] / 2
        t = edges[:-1, None] + half * (1 + z)
        density = (self._power + 1) * (t / self._end) ** self._power / self._end
        return t.flatten(), (half * w * density).flatten()

    def _draw(self, n: int, generator: Generator | None) -> Tensor:
        u = torch.rand(n, generator=generator, dtype=torch.float64)
        sign = 2.0 * torch.randint(2, (n, 1), generator=generator) - 1
        return sign * self._curve(self._quantile(u)) + self.std * _noise(n, generator)

    def _log_density(self, x: Tensor) -> Tensor:
        return _log_mixture(x, self._means, self._log_weights, self.std)


class Checkerboard(Toy):
    """Uniform on every other square of a 4x4 board: p(x) = 1/32 there, 0 elsewhere.

    The squares have sides of 2 and hold their lower edges, not their upper ones; the
    one at the lower left is filled. log p is constant or minus infinity, so it has no
    gradient.
    """

    def _draw(self, n: int, generator: Generator | None) -> Tensor:
        row = torch.randint(4, (n,), generator=generator)
        column = 2 * torch.randint(2, (n,), generator=generator) + row % 2
        # On the lattice of float32 below 4, so that no point is rounded to an edge.
        inside = torch.randint(2**23, (n, 2), generator=generator) * 2.0**-22
        return 2.0 * torch.stack([column, row], dim=1) - 4 + inside

    def _log_density(self, x: Tensor) -> Tensor:
        on_board = ((x >= -4) & (x < 4)).all(dim=1)
        filled = (x / 2).floor().sum(dim=1) % 2 == 0
        inside = torch.full_like(x[:, 0], -math.log(32))
        return inside.masked_fill(~(on_board & filled), -math.inf)


def _noise(n: int, generator: Generator | None) -> Tensor:
    return torch.randn(n, 2, generator=generator, dtype=torch.float64)


def _log_mixture(x: Tensor, means: Tensor, log_weights: Tensor, std: float) -> Tensor:
    """Logarithm of sum_k w_k N(x; m_k, std^2 I).

    The square is multiplied out, |x - m|^2 = |x|^2 - 2 x.m + |m|^2, so that one matrix
    product does most of the work. x (n, 2), means (K, 2), log_weights (K,), all
    float64; returns (n,) nats.
    """
    variance = std**2
    constant = log_weights - means.square().sum(dim=1) / (2 * variance)
    normalizer = math.log(2 * math.pi * variance)
    # In pieces: a plot asks for a grid of 40,000 points against 1,024 nodes.
    sums = [
        torch.logsumexp(piece @ (means.T / variance) + constant, dim=1)
        for piece in torch.split(x, 2048)
    ]
    return torch.cat(sums) - x.square().sum(dim=1) / (2 * variance) - normalizer


def _half_circle(t: Tensor) -> Tensor:
    return torch.stack([2 * t.cos() - 1, 2 * t.sin() - 0.5], dim=1)


def _arm(t: Tensor) -> Tensor:
    return torch.stack([t * t.cos(), t * t.sin()], dim=1) / 3


def _grid(side: list[float]) -> Tensor:
    return torch.cartesian_prod(torch.tensor(side), torch.tensor(side))


moons = BlurredCurve(
    "moons",
    (-4.5, 4.5, -4.5, 4.5),
    _half_circle,
    end=math.pi,
    power=0,
    std=0.2,
    panels=1,
)
"""Two half circles of radius 2 that reach into each other, blurred by 0.2."""

spiral = BlurredCurve(
    "spiral",
    (-4.5, 4.5, -4.5, 4.5),
    _arm,
    end=3 * math.pi,
    power=1,
    std=0.15,
    panels=2,
)
"""Two arms that leave the origin and turn one and a half times, blurred by 0.15."""

checkerboard = Checkerboard("checkerboard", (-4.0, 4.0, -4.0, 4.0))
"""Uniform on eight squares of a 4x4 board, which touch at their corners only."""

mixture = GaussianMixture(
    "mixture", (-4.0, 4.0, -4.0, 4.0), _grid([-3.0, -1.5, 0.0, 1.5, 3.0]), std=0.1
)
"""25 Gaussians on a 5x5 grid with steps of 1.5, blurred by 0.1; `means` lists them."""
