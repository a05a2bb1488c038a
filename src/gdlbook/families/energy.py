"""Energy-based models: a network says how improbable x is, and Langevin steps draw."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Self

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy, pad

from gdlbook._model import checks
from gdlbook._model.example import fitted
from gdlbook.generative.framework import Density, GenerativeModel, Objectives
from gdlbook.networks.mlp import random_numbers

__all__ = ["EnergyModel", "Normalized", "langevin", "roughness"]

Energy = Callable[[Tensor], Tensor]
Box = tuple[float, float]

WIDE = 4.0  # standard deviation of the bell that a model of numbers starts from
BLOCK = 4  # roughness is told for each 4 x 4 pixels
NOISE = 0.03  # on pictures of the data
SCALE = 40_000.0  # nats for a unit of what the network says of a picture
WALK = 300  # steps from noise to a picture
LEVELS = 60  # from the bell to the model, in as many levels,
MOVES = 5  # each with as many steps,
CROWD = 500  # and with at least as many points
CELLS = 300  # along each side of the box in which Z is added up


def langevin(
    energy: Energy,
    x: Tensor,
    steps: int,
    size: tuple[float, float] = (0.1, 1.6),
    *,
    adjust: bool = True,
    noise: float = 1.0,
    box: Box | None = None,
    generator: Generator | None = None,
) -> Tensor:
    r"""Walk downhill in noise, so that x comes to be spread as exp(-energy).

    $$x' = x - \tfrac{1}{2} \varepsilon^2 \nabla E(x) + \varepsilon z$$

    with $z \sim \mathcal{N}(0, I)$. Adjusted, a step is taken with probability
    $\min(1, r)$ only, else x stays,

    $$r = \frac{e^{-E(x')} \, q(x \mid x')}{e^{-E(x)} \, q(x' \mid x)},$$

    $$q(x' \mid x) = \mathcal{N}(x'; x - \tfrac{1}{2} \varepsilon^2 \nabla E(x),
      \varepsilon^2 I).$$

    Args:
        energy: A function of points (n, ...) that returns (n,), in nats.
        x: Where the walks start, (n, ...).
        steps: How many.
        size: Least and largest $\varepsilon$; each step of each walk draws its own,
            evenly on a logarithmic scale.
        adjust: Whether steps are accepted or refused (Metropolis, Hastings); without,
            the walk is off by an error that shrinks with the step.
        noise: What z is multiplied by; 0 goes downhill only. Adjusted walks need 1.
        box: Numbers that leave this range are set to its ends.
        generator: Where the randomness comes from; without one, torch's own.

    Returns:
        Where the walks end, of the shape of x, without gradients.

    Raises:
        ValueError: An adjusted walk with another noise, or in a box.

    Source: Roberts and Tweedie, 1996, https://doi.org/10.2307/3318418.
    """
    if adjust and (noise != 1 or box is not None):
        raise ValueError(
            f"adjust=True with noise={noise:g} and box={box}: a step can be accepted "
            "or refused only where noise is 1 and nothing is cut off; pass "
            "adjust=False"
        )
    least, most = map(math.log, size)
    e, slope = _slope(energy, x)
    x = x.detach()
    one = (len(x), *[1] * (x.ndim - 1))  # a number for each walk
    for _ in range(steps):
        even = torch.rand(one, generator=generator, dtype=x.dtype)
        eps = (least + (most - least) * even).exp()
        z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        there = x - 0.5 * eps**2 * slope + noise * eps * z
        if box is not None:
            there = there.clamp(*box)
        e_there, slope_there = _slope(energy, there)
        if adjust:
            z_back = (x - there + 0.5 * eps**2 * slope_there) / eps
            log_q = 0.5 * (z.square() - z_back.square()).flatten(1).sum(dim=1)
            luck = torch.rand(len(x), generator=generator, dtype=x.dtype)
            taken = luck.log() < e - e_there + log_q
            e_there = torch.where(taken, e_there, e)
            there = torch.where(taken.reshape(one), there, x)
            slope_there = torch.where(taken.reshape(one), slope_there, slope)
        x, e, slope = there, e_there, slope_there
    return x


def _slope(energy: Energy, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the energies of points and their gradients by the points."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        e = energy(x)
        (slope,) = torch.autograd.grad(e.sum(), x)
    return e.detach(), slope


def roughness(x: Tensor) -> Tensor:
    """Tell for each 4 x 4 pixels how bright they are, and how unlike their neighbors.

    Args:
        x: Pictures (n, channels, rows, columns).

    Returns:
        Means over blocks of the square of a pixel, of its difference to the right and
            of that to below, (n, 3 * channels * blocks).
    """
    beyond = pad(x, (0, 1, 0, 1))
    right, below = beyond[..., :-1, 1:] - x, beyond[..., 1:, :-1] - x
    squares = torch.cat([x, right, below], dim=1).square()
    return avg_pool2d(squares, BLOCK).flatten(1)


class EnergyModel(GenerativeModel):
    r"""A network whose output is an energy: low where the data are.

    $$p(x) = \frac{e^{-E(x)}}{Z},$$

    $$Z = \int e^{-E(x)} \, dx$$

    Numbers in a list: $E(x) = f(x) + |x / 4|^2 / 2$, so that $Z$ is finite, and the
    model begins as a wide bell. Pictures have pixels from 0 to 1; beside them the
    network reads their `roughness`, and a unit of its output counts 40,000 nats.

    With class_names there is an output for each kind, the joint energy $E(x, y)$:

    $$p(x, y) = \frac{e^{-E(x, y)}}{Z},$$

    $$E(x) = -\log \sum_y e^{-E(x, y)}.$$

    Args:
        shape: That of one observation, (d,), or (channels, rows, columns) with rows and
            columns that 4 divides.
        hidden: Units of each hidden layer.
        steps: Langevin steps to an update.
        size: Least and largest step; None for (0.1, 1.6), or 0.01 with pictures.
        chains: How many walks go on from update to update.
        fresh: Share of them that starts anew each time.
        magnitude: Weight of the squares of what the network says.
        class_names: The kinds, if the model is to draw by label.
        seed: Of the weights, and of where the chains start.

    Raises:
        TypeError: An argument is of another kind than it says.
        ValueError: A number is too small or too large, or a shape is unknown.

    Source: Du and Mordatch, 2019, https://arxiv.org/abs/1903.08689; the joint energy:
    Grathwohl and others, 2020, https://arxiv.org/abs/1912.03263.
    """

    density = Density.UNNORMALIZED
    chains: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        *,
        hidden: Sequence[int] = (64, 64, 64),
        steps: int = 10,
        size: Sequence[float] | None = None,
        chains: int = 1024,
        fresh: float = 0.0,
        magnitude: float = 0.0,
        class_names: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape, self.class_names = checks.sizes("shape", shape), tuple(class_names)
        self.pictures = _has_pixels(self.shape)
        self.scale = SCALE if self.pictures else 1.0
        self.steps = checks.whole("steps", steps)
        self.size = _sizes(size or ((0.01, 0.01) if self.pictures else (0.1, 1.6)))
        self.fresh = _from_zero("fresh", fresh, most=1)
        self.magnitude = _from_zero("magnitude", magnitude)
        self.kinds = len(self.class_names) or 1
        reads = prod(self.shape)
        if self.pictures:
            reads += 3 * reads // BLOCK**2
        layers: list[nn.Module] = []
        with random_numbers(checks.whole("seed", seed, least=0)):
            for inputs, units in pairwise([reads, *checks.sizes("hidden", hidden)]):
                layers += [nn.Linear(inputs, units), nn.SiLU()]
            first, last = layers[0], nn.Linear(units, self.kinds)
            assert isinstance(first, nn.Linear)
            if not self.pictures:  # units that bend all over the plane; a bell at first
                nn.init.uniform_(first.weight, -2, 2)
                nn.init.uniform_(first.bias, -WIDE, WIDE)
                nn.init.zeros_(last.weight), nn.init.zeros_(last.bias)
            self.network = nn.Sequential(*layers, last)
            slots = -(-checks.whole("chains", chains) // self.kinds)
            start = self._start(slots * self.kinds)
        # Not among the weights that are saved: sample starts from noise.
        self.register_buffer("chains", start.flatten(1), persistent=False)

    @classmethod
    def example(cls) -> Self:
        """Return a model on the plane, fitted by forty steps to a bent cloud."""
        model = cls((2,), hidden=(16, 16), steps=5, chains=256)
        x = torch.randn(256, 2, generator=Generator().manual_seed(0))
        x[:, 1] += x[:, 0].square()
        with random_numbers(0):
            return fitted(model, model.contrastive_divergence, x)

    def objectives(self) -> Objectives:
        """Return the one loss, contrastive divergence, and all parameters."""
        loss = self.contrastive_divergence
        return {"contrastive_divergence": (loss, list(self.parameters()))}

    def contrastive_divergence(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Let the chains walk a little, then set the data against where they are.

        Its gradient estimates that of the mean of -log p(x), over `scale`. Its value is
        no likelihood. The noise is drawn from torch's own generator.

        Args:
            x: Observations (n, *shape).
            y: Their kinds (n,), for a model with class_names.

        Raises:
            TypeError, ValueError: x is no batch of observations, or y does not fit.

        Source: Hinton, 2002, https://doi.org/10.1162/089976602760128018; chains that go
        on: Tieleman, 2008, https://doi.org/10.1145/1390156.1390290.
        """
        self._checked(x)
        if y is None and self.class_names:
            raise ValueError(
                "y is missing: this model was made with class_names, and its loss "
                "takes observations with their kinds"
            )
        x, y = self.blur(x), self._kinds(y, len(x))
        return self.contrast(x, self.negatives(len(x), y), y)

    def contrast(self, x: Tensor, negatives: Tensor, y: Tensor | None = None) -> Tensor:
        r"""Return how much higher the energy of the data is than that of the chains.

        $$\frac{1}{n} \sum_i E(x_i) - \frac{1}{n} \sum_i E(x^-_i)$$

        in units of `scale`, plus magnitude times the mean squares of what the network
        says. With kinds it is $E(x_i, y_i)$, plus the mean of $-\log p(y_i | x_i)$.

        Args:
            x: Observations (n, *shape).
            negatives: Where chains are, (n, *shape), taken as they are.
            y: The kinds of both (n,), for a model with class_names.
        """
        f, f_negative = self._says(x), self._says(negatives)
        low, high = self._own(f, y), self._own(f_negative, y)
        loss = low.mean() - high.mean()
        loss = loss + (self._base(x).mean() - self._base(negatives).mean()) / self.scale
        if y is not None:
            loss = loss + cross_entropy(-self.scale * f, y) / self.scale
        if self.magnitude:
            squares = low.square().mean() + high.square().mean()
            loss = loss + self.magnitude * squares
        return loss

    def negatives(self, n: int, y: Tensor | None = None) -> Tensor:
        """Draw n chains, of kinds y (n,), walk on with each, and put it back.

        This changes `chains`, which `fit` keeps in its checkpoints.
        """
        slot = torch.randint(len(self.chains) // self.kinds, (n,))
        slot = self.kinds * slot + (0 if y is None else y)
        x = self.chains[slot].reshape(n, *self.shape)
        anew = torch.rand(n) < self.fresh
        x[anew] = self._start(int(anew.sum())).to(x)
        x = self.walk(x, self.steps, label=y)
        self.chains[slot] = x.flatten(1)
        return x

    def walk(
        self,
        x: Tensor,
        steps: int,
        *,
        label: object = None,
        noise: float = 1.0,
        generator: Generator | None = None,
    ) -> Tensor:
        """Take Langevin steps on the energy.

        Pictures stay in their box; their steps are not adjusted, and neither are those
        with another noise than 1, which all have the least size.

        Args:
            x: Where to start, (n, *shape).
            steps: How many.
            label: Of which kind the energy is to be.
            noise: 0 goes downhill only.
            generator: Where the randomness comes from; without one, torch's own.

        Returns:
            Where the walks end, (n, *shape).

        Raises:
            TypeError, ValueError: x is no batch of observations, or a label unknown.
        """
        self._checked(x)
        y = self._kinds(label, len(x))
        adjust, (least, most) = not self.pictures and noise == 1, self.size
        return langevin(
            lambda x: self._energy(x, y),
            x,
            steps,
            (least, most if adjust else least),
            adjust=adjust,
            noise=noise,
            box=(0.0, 1.0) if self.pictures else None,
            generator=generator,
        )

    def energy(self, x: Tensor, label: object = None) -> Tensor:
        """Return -log p(x), or -log p(x, label), up to one constant, (n,), in nats.

        Args:
            x: Observations (n, *shape).
            label: A kind by name or number, or one for each row, (n,). Without one, a
                model with class_names adds up over its kinds.

        Raises:
            TypeError, ValueError: x is no batch of observations, or a label unknown.
        """
        self._checked(x)
        return self._energy(x, self._kinds(label, len(x)))

    @torch.no_grad()
    def sample(
        self, n: int, *, label: object = None, generator: Generator | None = None
    ) -> Tensor:
        """Draw n observations, (n, *shape), of one kind, or of all kinds evenly.

        Numbers in a list are drawn by `temper`; pictures are 300 Langevin steps away
        from noise, which is shorter than it takes to forget the start.

        Raises:
            TypeError, ValueError: n is no whole number from 1, or a label unknown.
        """
        checks.whole("n", n), checks.source(generator)
        if self.class_names and label is None:
            label = torch.randint(self.kinds, (n,), generator=generator)
        y = self._kinds(label, n)
        if self.pictures:
            x = self._start(n, generator).to(self.chains)
            return self.walk(x, WALK, label=y, generator=generator)
        x = self.chains.new_empty(n, *self.shape)
        for kind in range(self.kinds):
            rows = torch.arange(n) if y is None else (y == kind).nonzero().flatten()
            if len(rows):
                x[rows] = self.temper(len(rows), kind, generator)
        return x

    def temper(self, n: int, kind: int, generator: Generator | None) -> Tensor:
        r"""Draw n points, (n, d), by turning the bell into the model bit by bit.

        At level $\beta$ from 0 to 1 the energy is $\beta f(x) + |x / 4|^2 / 2$. From
        one level to the next a point is copied, or dropped, in proportion to
        $e^{-(\beta' - \beta) f(x)}$, and walks a few steps.

        Source: Del Moral, Doucet and Jasra, 2006,
        https://doi.org/10.1111/j.1467-9868.2006.00553.x.
        """
        crowd = max(n, CROWD)
        x = self._start(crowd, generator).to(self.chains)
        levels = torch.linspace(0, 1, LEVELS + 1).square().tolist()
        for cooler, warmer in pairwise(levels):
            weight = ((cooler - warmer) * self._says(x)[:, kind]).softmax(dim=0)
            even = torch.rand(1, generator=generator) + torch.arange(crowd)
            copied = torch.searchsorted(weight.cumsum(dim=0), even.to(x) / crowd)

            def energy(x: Tensor, beta: float = warmer) -> Tensor:
                return beta * self._says(x)[:, kind] + self._base(x)

            x = x[copied.clamp(max=crowd - 1)]
            x = langevin(energy, x, MOVES, self.size, generator=generator)
        return x[torch.randperm(crowd, generator=generator)[:n]]

    def blur(self, x: Tensor) -> Tensor:
        """Add the noise that the data of a model of pictures have, (n, *shape)."""
        if not self.pictures:
            return x
        return (x + NOISE * torch.randn_like(x)).clamp(0, 1)

    @torch.no_grad()
    def log_constant(self, bounds: tuple[float, float, float, float]) -> float:
        r"""Return log Z on the plane, by adding up 300 x 300 small cells.

        $$Z \approx \sum_i e^{-E(x_i)} \, \Delta$$

        Here $x_i$ is the middle of a cell and $\Delta$ its area.

        Args:
            bounds: Lowest and highest x1, lowest and highest x2 of a box that holds
                what the model draws.

        Raises:
            ValueError: The model is not on the plane, or more than a thousandth lies at
                the edge of the box.
        """
        if self.shape != (2,):
            raise ValueError(
                f"observations have shape {self.shape}; the constant can be added up "
                "on the plane only, for shape (2,)"
            )
        left, right, low, high = bounds
        middle = (torch.arange(CELLS, dtype=torch.float64) + 0.5) / CELLS
        sides = left + (right - left) * middle, low + (high - low) * middle
        x = torch.cartesian_prod(*sides).to(self.chains)
        each = [self.energy(piece) for piece in torch.split(x, 10_000)]
        log_mass = -torch.cat(each).double().reshape(CELLS, CELLS)
        total = log_mass.flatten().logsumexp(dim=0)
        inner = log_mass[1:-1, 1:-1].flatten().logsumexp(dim=0)
        if (edge := 1 - float((inner - total).exp())) > 1e-3:
            raise ValueError(
                f"{edge:.2g} of the model lies in the outermost of {CELLS} x {CELLS} "
                f"cells within {tuple(bounds)}; expected at most 0.001: widen bounds"
            )
        area = (right - left) * (high - low) / CELLS**2
        return float(total) + math.log(area)

    def _says(self, x: Tensor) -> Tensor:
        """Return what the network says, f(x), (n, kinds)."""
        h = x.flatten(1)
        if self.pictures:
            h = torch.cat([h, BLOCK * roughness(x)], dim=1)
        return self.network(h)  # type: ignore[no-any-return]

    def _base(self, x: Tensor) -> Tensor:
        """Return the energy of the bell that f is added to, (n,); none for pictures."""
        if self.pictures:
            return x.new_zeros(len(x))
        return 0.5 * (x / WIDE).square().sum(dim=1)

    def _own(self, f: Tensor, y: Tensor | None) -> Tensor:
        return f[:, 0] if y is None else f.gather(1, y[:, None])[:, 0]

    def _energy(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Return E(x, y), or E(x) where y is None, (n,)."""
        f = self.scale * self._says(x)
        if self.kinds > 1 and y is None:
            return -(-f).logsumexp(dim=1) + self._base(x)
        return self._own(f, y) + self._base(x)

    def _start(self, n: int, generator: Generator | None = None) -> Tensor:
        """Draw from the bell, or, for pictures, pixels that are even from 0 to 1."""
        if self.pictures:
            return torch.rand(n, *self.shape, generator=generator)
        return WIDE * torch.randn(n, *self.shape, generator=generator)

    def _checked(self, x: Tensor) -> None:
        low, high = (0.0, 1.0) if self.pictures else (-math.inf, math.inf)
        checks.observations(x, self.shape, low=low, high=high)

    def _kinds(self, label: object, n: int) -> Tensor | None:
        return None if label is None else checks.kinds(label, n, self.class_names)


@dataclass(frozen=True)
class Normalized:
    r"""A model on the plane with its constant: $\log p(x) = -E(x) - \log Z$.

    Attributes:
        model: The model.
        log_constant: Its log Z, as `EnergyModel.log_constant` returns it.
    """

    model: EnergyModel
    log_constant: float

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the log density of x (n, 2), (n,), in nats."""
        return -self.model.energy(x) - self.log_constant


def _has_pixels(shape: tuple[int, ...]) -> bool:
    if len(shape) == 1:
        return False
    if len(shape) != 3 or shape[1] % BLOCK or shape[2] % BLOCK:
        raise ValueError(
            f"shape is {shape}; expected (d,), or (channels, rows, columns) with rows "
            f"and columns that {BLOCK} divides"
        )
    return True


def _sizes(size: Sequence[float]) -> tuple[float, float]:
    if not isinstance(size, Sequence) or len(size) != 2:
        raise TypeError(f"size is {size!r}; expected two numbers, as (0.1, 1.6)")
    least, most = (checks.positive(f"size[{i}]", size[i]) for i in (0, 1))
    if least > most:
        raise ValueError(f"size is {size}; expected the least step, then the largest")
    return least, most


def _from_zero(name: str, value: float, *, most: float = math.inf) -> float:
    if value != 0 and checks.positive(name, value) > most:
        raise ValueError(f"{name} is {value}; expected a share from 0 to {most}")
    return float(value)
