import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import integrate, special, stats  # type: ignore[import-untyped]
from torch import Tensor

from gdlbook.data import Toy, checkerboard, mixture, moons, spiral
from gdlbook.data.toys import BlurredCurve, GaussianMixture

TOYS = [moons, spiral, checkerboard, mixture]
BLURRED = [moons, spiral, mixture]
CELLS = 40  # a side; the edges of the checkerboard fall on edges of cells

Array = NDArray[np.float64]


def called(toy: Toy) -> str:
    return toy.name


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def changed(toy: BlurredCurve, **change: float) -> BlurredCurve:
    """The same curve with another constant."""
    constants = {"end": toy._end, "power": toy._power, "std": toy.std, "panels": 2}
    constants |= change
    return BlurredCurve("changed", toy.bounds, toy._curve, **constants)  # type: ignore[arg-type]


@cache
def cell_probabilities(toy: Toy) -> Array:
    """Integral of the density over each cell of the box, (CELLS, CELLS)."""
    low1, high1, low2, high2 = toy.bounds
    z, w = np.polynomial.legendre.leggauss(8)
    unit = (np.arange(CELLS)[:, None] + (1 + z) / 2).ravel() / CELLS
    axes = (low1 + (high1 - low1) * unit, low2 + (high2 - low2) * unit)
    grid = torch.cartesian_prod(*map(torch.from_numpy, axes))
    density = toy.log_prob(grid).exp().numpy().reshape(CELLS, 8, CELLS, 8)
    area = (high1 - low1) * (high2 - low2) / CELLS**2
    total: Array = np.einsum("iajb,a,b->ij", density, w / 2, w / 2) * area
    return total


def p_value(x: Tensor, toy: Toy) -> float:
    """Pearson's chi-square test that points x (n, 2) come from the toy."""
    low1, high1, low2, high2 = toy.bounds
    first, second = x.double().numpy().T
    box = [(low1, high1), (low2, high2)]
    counts, *_ = np.histogram2d(first, second, bins=CELLS, range=box)
    expected = cell_probabilities(toy) * len(x)
    large = expected >= 5
    seen = np.append(counts[large], len(x) - counts[large].sum())
    due = np.append(expected[large], len(x) - expected[large].sum())
    if due[-1] < 1e-3:  # nothing is left over: a point there refutes the toy
        if seen[-1] > 0:
            return 0.0
        seen, due = seen[:-1], due[:-1]
    statistic = ((seen - due) ** 2 / due).sum()
    return float(stats.chi2.sf(statistic, len(seen) - 1))


@pytest.mark.parametrize("toy", TOYS, ids=called)
def test_the_density_integrates_to_one_in_its_box(toy: Toy) -> None:
    assert abs(cell_probabilities(toy).sum() - 1) < 1e-9


@pytest.mark.parametrize("toy", BLURRED, ids=called)
def test_a_second_quadrature_agrees(toy: Toy) -> None:
    """The trapezoid rule, on a wider box: nothing lies outside the first."""
    u = torch.arange(-7, 7, 0.07, dtype=torch.float64)
    density = toy.log_prob(torch.cartesian_prod(u, u)).exp()
    assert abs(float(density.sum()) * 0.07**2 - 1) < 1e-10


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("toy", TOYS, ids=called)
def test_samples_follow_the_density(toy: Toy, seed: int) -> None:
    x = toy.sample(50_000, generator=seeded(seed))
    assert 1e-3 < p_value(x, toy) < 1 - 1e-3


WRONG: dict[str, tuple[Toy, Callable[[Tensor], Tensor], Toy]] = {
    "moons, blur 5 % wider": (moons, torch.clone, changed(moons, std=0.21)),
    "moons, cut short": (moons, torch.clone, changed(moons, end=3.0)),
    "moons, crowded at the end": (moons, torch.clone, changed(moons, power=1)),
    "moons, one only": (moons, lambda x: x[x[:, 1] > 0], moons),
    "spiral, blur 5 % wider": (spiral, torch.clone, changed(spiral, std=0.1575)),
    "spiral, even over the angle": (spiral, torch.clone, changed(spiral, power=0)),
    "spiral, mirrored": (spiral, lambda x: x * torch.tensor([1.0, -1.0]), spiral),
    "board, moved by 0.02": (checkerboard, lambda x: x + 0.02, checkerboard),
    "board, empty squares": (checkerboard, lambda x: -x.flip(1) - 2, checkerboard),
    "mixture, 5 % wider": (
        mixture,
        torch.clone,
        GaussianMixture("wide", mixture.bounds, mixture.means, 0.105),
    ),
    "mixture, a mode lost": (
        mixture,
        torch.clone,
        GaussianMixture("24", mixture.bounds, mixture.means[1:], 0.1),
    ),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_slightly_wrong_samples_are_told_apart(name: str) -> None:
    """The test above has power: it refuses what is off by a few percent."""
    toy, change, other = WRONG[name]
    x = change(other.sample(50_000, generator=seeded(0)))
    assert p_value(x, toy) < 1e-6


def half_circle(t: float) -> tuple[float, float]:
    return 2 * math.cos(t) - 1, 2 * math.sin(t) - 0.5


def arm(t: float) -> tuple[float, float]:
    return t / 3 * math.cos(t), t / 3 * math.sin(t)


def log_line_integral(
    x: Array,
    curve: Callable[[float], tuple[float, float]],
    density: Callable[[float], float],
    end: float,
    std: float,
) -> float:
    """log 1/2 sum over both curves of the integral of p(t) N(x; c(t)), by `quad`."""

    x1, x2 = float(x[0]), float(x[1])

    def exponent(t: float, sign: int) -> float:
        c1, c2 = (sign * c for c in curve(t))
        square = (x1 - c1) ** 2 + (x2 - c2) ** 2
        return -square / (2 * std**2)

    ts = np.linspace(0, end, 2000)
    highest = max(exponent(t, sign) for t in ts for sign in (1, -1))
    total = 0.0
    for sign in (1, -1):
        for start, stop in zip(ts[:-1:50], [*ts[50::50], end], strict=True):
            value, _ = integrate.quad(
                lambda t, sign=sign: density(t) * math.exp(exponent(t, sign) - highest),
                start,
                stop,
                epsabs=1e-13,
                epsrel=1e-11,
            )
            total += float(value)
    return highest + math.log(total / 2) - math.log(2 * math.pi * std**2)


def random_points(toy: Toy) -> Tensor:
    """Near the curve, anywhere in the box, and far outside."""
    near = toy.sample(8, generator=seeded(5)).double()
    wide = torch.rand(14, 2, generator=seeded(6), dtype=torch.float64) * 2 - 1
    return torch.cat([near, 4.5 * wide[:8], 14 * wide[8:]])


@pytest.mark.parametrize(
    ("toy", "curve", "density", "end", "std"),
    [
        (moons, half_circle, lambda t: 1 / math.pi, math.pi, 0.2),
        (spiral, arm, lambda t: 2 * t / (3 * math.pi) ** 2, 3 * math.pi, 0.15),
    ],
    ids=["moons", "spiral"],
)
def test_log_prob_is_the_line_integral(
    toy: BlurredCurve,
    curve: Callable[[float], tuple[float, float]],
    density: Callable[[float], float],
    end: float,
    std: float,
) -> None:
    x = random_points(toy)
    expected = [log_line_integral(p, curve, density, end, std) for p in x.numpy()]
    np.testing.assert_allclose(toy.log_prob(x).numpy(), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("toy", [moons, spiral], ids=called)
def test_twice_the_nodes_change_nothing(toy: BlurredCurve) -> None:
    """What the docstring promises within 20 of the origin, and beyond."""
    panels = len(toy._means) // 512
    finer = changed(toy, panels=2 * panels)
    angle, radius = torch.rand(2, 5000, generator=seeded(0), dtype=torch.float64)
    ring = torch.polar(radius, 2 * math.pi * angle)
    x = torch.view_as_real(ring).contiguous()
    for reach in (4.5, 20):
        gap = toy.log_prob(reach * x) - finer.log_prob(reach * x)
        assert gap.abs().max() < 1e-10
    for reach in (100, 1e4, 1e6):
        ratio = toy.log_prob(reach * x) / finer.log_prob(reach * x)
        assert (ratio - 1).abs().max() < 1e-6


def test_log_prob_of_the_mixture_is_that_of_scipy() -> None:
    x = random_points(mixture).numpy()
    side = (-3.0, -1.5, 0.0, 1.5, 3.0)
    modes = [
        stats.multivariate_normal([a, b], 0.1**2 * np.eye(2)).logpdf(x)
        for a in side
        for b in side
    ]
    expected = special.logsumexp(modes, axis=0) - math.log(25)
    actual = mixture.log_prob(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(actual, expected, rtol=1e-13, atol=1e-10)


def test_the_mixture_tells_its_modes() -> None:
    means = mixture.means
    assert means.shape == (25, 2)
    assert means.dtype == torch.float32
    assert mixture.std == 0.1
    assert len(set(map(tuple, means.tolist()))) == 25
    distance = torch.cdist(mixture.sample(10_000, generator=seeded(0)), means)
    assert distance.min(dim=1).values.max() < 0.1 * 6
    count = distance.argmin(dim=1).bincount(minlength=25)
    assert count.min() > 300
    means.zero_()
    assert mixture.means.abs().sum() > 0


def test_the_checkerboard_by_hand() -> None:
    inside = torch.tensor([[-4.0, -4.0], [-2.1, -2.1], [-3, 1], [1, 1], [3.9, 3.9]])
    outside = torch.tensor(
        [[-2.0, -4.0], [-1, -3], [4, 4], [-4.1, -3], [1, -1], [3, 5]]
    )
    assert checkerboard.log_prob(inside).tolist() == pytest.approx([-math.log(32)] * 5)
    assert checkerboard.log_prob(outside).tolist() == [-math.inf] * 6


def test_no_sample_of_the_checkerboard_is_rounded_off_it() -> None:
    """A point on the lattice of float32 below 4 is exact, so it cannot reach 4."""
    x = checkerboard.sample(100_000, generator=seeded(0))
    assert checkerboard.log_prob(x).isfinite().all()
    steps = x.double() * 2**22
    assert torch.equal(steps, steps.round())


@pytest.mark.parametrize("toy", BLURRED, ids=called)
def test_gradients_agree_with_finite_differences(toy: Toy) -> None:
    x = random_points(toy).requires_grad_()
    (gradient,) = torch.autograd.grad(toy.log_prob(x).sum(), x)
    step = 1e-5
    for axis in (0, 1):
        move = torch.zeros(2, dtype=torch.float64)
        move[axis] = step
        with torch.no_grad():
            slope = (toy.log_prob(x + move) - toy.log_prob(x - move)) / (2 * step)
        torch.testing.assert_close(gradient[:, axis], slope, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("toy", BLURRED, ids=called)
def test_gradients_of_float32_points_are_float32(toy: Toy) -> None:
    x = toy.sample(4, generator=seeded(0)).requires_grad_()
    (gradient,) = torch.autograd.grad(toy.log_prob(x).sum(), x)
    assert gradient.dtype == torch.float32
    assert gradient.abs().sum() > 0
