"""Normalizing flows: RealNVP, an exact density out of steps that can be undone."""

import math
from collections.abc import Sequence
from math import prod
from typing import Self

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from gdlbook._model import checks
from gdlbook._model.example import fitted
from gdlbook.generative.framework import (
    Density,
    GenerativeModel,
    Objectives,
    Undefined,
)
from gdlbook.networks.mlp import glorot, random_numbers

__all__ = ["Coupling", "RealNVP", "halvings", "squash", "stretch"]

BLOCK = 4  # a picture is read as 4 x 4 small pictures
REACH = 5.0  # gray levels but black and white lie from -REACH to REACH when stretched
EVEN = 254 / (2 * REACH)  # so many of them to a unit
BUMP = 3.0  # the middle of the bump of black lies so far beyond
INSIDE = 1 / (1 + math.exp(-BUMP))  # share of a logistic curve up to BUMP


class Coupling(nn.Module):
    r"""One step: the kept channels tell how the moved ones are scaled and shifted.

    $$z_\text{keep} = x_\text{keep}, \qquad
      z_\text{move} = x_\text{move} \odot e^{s(x_\text{keep})} + t(x_\text{keep})$$

    The matrix of derivatives is triangular, so its log determinant is the sum of $s$,
    and the step is undone without undoing the network that computes $s$ and $t$.

    Args:
        keep: Which channels are kept, (channels,), booleans; the others are moved.
        space: Rows and columns of a channel, or () where it is one number.
        hidden: Units of each of the two hidden layers of the network.
        kinds: How many labels there are; 0 for none.
        limit: No log scale $s$ leaves the range from -limit to limit.

    Source: Dinh and others, 2017, equations 4 to 8, https://arxiv.org/abs/1605.08803.
    """

    keep: Tensor
    move: Tensor

    def __init__(
        self, keep: Tensor, space: Sequence[int], hidden: int, kinds: int, limit: float
    ) -> None:
        super().__init__()
        for name, chosen in (("keep", keep), ("move", ~keep)):
            self.register_buffer(name, chosen.nonzero().flatten(), persistent=False)
        self.limit = limit
        moved = 2 * len(self.move)
        self.first = _layer(len(self.keep), hidden, space, size=3)
        self.second = _layer(hidden, hidden, space)
        self.last = _layer(hidden, moved, space)
        # A bias for each place: the network knows where in the picture it stands.
        self.place = nn.Parameter(torch.empty(hidden, *space))
        self.offset = nn.Parameter(torch.zeros(moved, *space))
        self.label = nn.Embedding(kinds, hidden) if kinds else None
        glorot(self)
        # Units that bend at different values of what they read, not all of them at 0,
        # and sharply if it is a few numbers and not a patch of many:
        reach = (1 if space else 3) * self.first.weight[0].numel() ** -0.5
        nn.init.uniform_(self.first.weight, -reach, reach)
        nn.init.uniform_(self.place, -2 * reach, 2 * reach)
        nn.init.zeros_(self.last.weight)  # so that the step begins as the identity

    def scale_and_shift(self, kept: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return s and t for kept channels (n, kept, ...), each (n, moved, ...)."""
        h = self.first(kept) + self.place
        if self.label is not None:
            h = h + self.label(y).reshape(len(h), -1, *[1] * (h.ndim - 2))
        h = self.second(nn.functional.silu(h))
        s, t = (self.last(nn.functional.silu(h)) + self.offset).chunk(2, dim=1)
        return self.limit * torch.tanh(s / self.limit), t

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return z, of the shape (n, channels, ...) of x, and log |det dz/dx|, (n,)."""
        s, t = self.scale_and_shift(x.index_select(1, self.keep), y)
        moved = x.index_select(1, self.move) * s.exp() + t
        return x.index_copy(1, self.move, moved), s.flatten(1).sum(dim=1)

    def inverse(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the x of which `forward` makes z, both (n, channels, ...)."""
        s, t = self.scale_and_shift(z.index_select(1, self.keep), y)
        moved = (z.index_select(1, self.move) - t) * (-s).exp()
        return z.index_copy(1, self.move, moved)


class RealNVP(GenerativeModel):
    r"""Couplings in a row, from observations to standard normal numbers and back.

    $$\log p(x) = \log \mathcal{N}(f(x); 0, I)
      + \sum_i \log \left| \det \frac{\partial f_i}{\partial x_{i-1}} \right|$$

    Here $f$ is all steps $f_i$ one after the other. Numbers in a list are taken as they
    are. Pictures lie between 0 and 1, level $v$ of 256 from $v / 256$ to
    $(v + 1) / 256$; they are stretched onto the real line first, and rearranged into
    small pictures of every fourth pixel, which are the channels of the couplings.

    Args:
        shape: That of one observation, (d,) with d from 2, or (channels, rows, columns)
            with rows and columns that 4 divides.
        couplings: How many; two neighbors keep and move opposite halves.
        hidden: Units of each hidden layer.
        limit: Bound on the log scale of a coupling.
        class_names: The kinds, if the model is to draw by label.
        seed: Of the weights.

    Raises:
        TypeError: An argument is of another kind than it says.
        ValueError: A number is too small, or couplings do not fit the shape.

    Source: Dinh and others, 2017, https://arxiv.org/abs/1605.08803.
    """

    density = Density.EXACT

    def __init__(
        self,
        shape: Sequence[int],
        *,
        couplings: int = 8,
        hidden: int = 64,
        limit: float = 3.0,
        class_names: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape, self.class_names = checks.sizes("shape", shape), tuple(class_names)
        self.pictures, self.latent_size = len(self.shape) == 3, prod(self.shape)
        halves = halvings(self.shape)
        space = [side // BLOCK for side in self.shape[1:]]
        hidden = checks.whole("hidden", hidden)
        limit = checks.positive("limit", limit)
        with random_numbers(checks.whole("seed", seed, least=0)):
            self.couplings = nn.ModuleList()
            for i in range(checks.whole("couplings", couplings, least=2)):
                keep = halves[i // 2 % len(halves)]
                keep = keep if i % 2 == 0 else ~keep
                step = Coupling(keep, space, hidden, len(self.class_names), limit)
                self.couplings.append(step)

    @classmethod
    def example(cls) -> Self:
        """Return a flow on the plane, fitted by forty steps to a bent cloud."""
        model, generator = cls((2,), couplings=4, hidden=16), Generator().manual_seed(0)
        x = torch.randn(256, 2, generator=generator)
        x[:, 1] += x[:, 0].square()
        return fitted(model, model.nll, x)

    def objectives(self) -> Objectives:
        """Return the one loss, the negative log likelihood, and all parameters."""
        return {"nll": (self.nll, list(self.parameters()))}

    def nll(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        r"""Return the mean of $-\log p(x)$ over a batch, in nats.

        Pictures are `dequantize`d first, and their density is taken per gray level, so
        that the mean is never below that of $-\log P$ of the gray levels themselves.

        Args:
            x: Observations (n, *shape); pictures are whole levels divided by 255.
            y: Their kinds (n,), for a model with class_names.
        """
        levels = self.latent_size * math.log(256) if self.pictures else 0.0
        return levels - self.log_prob(self.dequantize(x), y).mean()

    def dequantize(self, x: Tensor) -> Tensor:
        """Fill each gray level with even noise, from torch's own generator.

        Args:
            x: Observations (n, *shape). Pictures are whole levels divided by 255.

        Returns:
            Pictures in which level v became a number from v / 256 to (v + 1) / 256;
                other observations as they are.

        Raises:
            ValueError: Numbers between two levels.
        """
        if not self.pictures:
            return x
        checks.observations(x, self.shape, low=0, high=1)
        levels = (255 * x).round()
        if (off := float((255 * x - levels).abs().max())) > 1e-3:
            raise ValueError(
                f"x holds a number {off:.3g} levels beside a gray level; expected "
                "whole levels divided by 255"
            )
        return (levels + torch.rand_like(x)) / 256

    def log_prob(self, x: Tensor, label: object = None) -> Tensor:
        """Return the exact log density of x, (n,), in nats.

        Args:
            x: Observations (n, *shape); pictures are dequantized, between 0 and 1.
            label: A kind by name or number, or one for each row, (n,). Without one, a
                model with class_names weighs all kinds evenly.
        """
        self._checked(x)
        if self.class_names and label is None:
            kinds = range(len(self.class_names))
            each = torch.stack([self.log_prob(x, kind) for kind in kinds])
            return each.logsumexp(dim=0) - math.log(len(kinds))
        z, log_det = self._transport(x, self._kinds(label, len(x)))
        normal = -0.5 * (z.square() + math.log(2 * math.pi))
        return normal.flatten(1).sum(dim=1) + log_det

    def encode(self, x: Tensor, label: object = None) -> Tensor:
        """Return the latent vectors f(x), (n, d).

        Raises:
            Undefined: The model has class_names, thus a map for each, and no label.
        """
        self._checked(x)
        return self._transport(x, self._kinds(label, len(x)))[0].flatten(1)

    def decode(self, z: Tensor, label: object = None) -> Tensor:
        """Return the observations (n, *shape) that `encode` takes to z, (n, d)."""
        checks.observations(z, (self.latent_size,), name="z")
        y = self._kinds(label, len(z))
        if self.pictures:
            rows, columns = (side // BLOCK for side in self.shape[1:])
            z = z.reshape(len(z), -1, rows, columns)
        for coupling in reversed(self.couplings):
            assert isinstance(coupling, Coupling)
            z = coupling.inverse(z, y)
        return pixel_shuffle(squash(z), BLOCK) if self.pictures else z

    @torch.no_grad()
    def sample(
        self, n: int, *, label: object = None, generator: Generator | None = None
    ) -> Tensor:
        """Draw n observations, (n, *shape), of one kind, or of all kinds evenly.

        Raises:
            TypeError, ValueError: n is no whole number from 1, or a label unknown.
        """
        checks.whole("n", n), checks.source(generator)
        if self.class_names and label is None:
            label = torch.randint(len(self.class_names), (n,), generator=generator)
        return self.decode(torch.randn(n, self.latent_size, generator=generator), label)

    def steps(self, x: Tensor, label: object = None) -> list[Tensor]:
        """Return x as the couplings see it: before the first, and after each.

        Each state has the shape (n, channels, ...) that the couplings read.
        """
        self._checked(x)
        y, h = self._kinds(label, len(x)), self._flat(x)[0]
        states = [h]
        for coupling in self.couplings:
            states.append(coupling(states[-1], y)[0])
        return states

    def _flat(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the first coupling is given, and log |det| up to there, (n,)."""
        if not self.pictures:
            return x, x.new_zeros(len(x))
        h, log_slope = stretch(pixel_unshuffle(x, BLOCK))
        return h, log_slope.flatten(1).sum(dim=1)

    def _transport(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return z, shaped as the couplings have it, and the sum of log |det|, (n,)."""
        h, total = self._flat(x)
        for coupling in self.couplings:
            h, log_det = coupling(h, y)
            total = total + log_det
        return h, total

    def _checked(self, x: Tensor) -> None:
        low, high = (0.0, 1.0) if self.pictures else (-math.inf, math.inf)
        checks.observations(x, self.shape, low=low, high=high)

    def _kinds(self, label: object, n: int) -> Tensor | None:
        if label is not None:
            return checks.kinds(label, n, self.class_names)
        if self.class_names:
            raise Undefined(
                f"this {self._name} has a map of its own for each of "
                f"{len(self.class_names)} kinds: encode and decode need a label"
            )
        return None


def stretch(x: Tensor) -> tuple[Tensor, Tensor]:
    r"""Spread pixels over the real line, with room for all that is exactly black.

    In gray levels $v = 256 x$, the levels between the first and the last lie evenly,

    $$h = \frac{10}{254} (v - 128), \qquad 1 \le v \le 255.$$

    Within black, from 0 to 1, even noise $v$ becomes a bump, the logistic curve, with
    its middle at $-8$ and cut where it meets the line, at $-5$:

    $$h = \log \frac{p}{1 - p} - 8, \qquad p = \frac{v}{1 + e^{-3}},
      \qquad 0 < v < 1.$$

    White mirrors it. A flow has little work with bumps, and much with a spike.

    Args:
        x: Dequantized pixels from 0 to 1, of any shape. Less than a millionth of a
            level from either end counts as that far.

    Returns:
        h and the logarithm of its slope, $\log dh/dx$, both of the shape of x.
    """
    v = 256 * x
    black, white = v < 1, v > 255
    u = torch.where(black, v, 256 - v).clamp(1e-6, 1)  # within an end level, from 0
    p = INSIDE * u
    end = p.log() - torch.log1p(-p) - BUMP
    h = torch.where(
        black, end - REACH, torch.where(white, REACH - end, (v - 128) / EVEN)
    )
    slope = torch.where(
        black | white, -u.log() - torch.log1p(-p), torch.full_like(v, -math.log(EVEN))
    )
    return h, slope + math.log(256)


def squash(h: Tensor) -> Tensor:
    """Return the pixels x that `stretch` takes to h, of any shape."""
    end = torch.sigmoid(REACH + BUMP - h.abs()) / INSIDE
    v = EVEN * h + 128
    v = torch.where(h < -REACH, end, torch.where(h > REACH, 256 - end, v))
    return v / 256


def halvings(shape: Sequence[int]) -> list[Tensor]:
    """Return the ways to halve the channels of observations: which ones are kept.

    Of a list, every second number. Of a picture, a checkerboard of single pixels, then
    one of 2 x 2 pixels; from one color to the next, black and white fields change over.

    Args:
        shape: That of one observation, as for `RealNVP`.

    Returns:
        Booleans (channels,): one tensor for a list, two for a picture.

    Raises:
        ValueError: Couplings do not fit the shape.
    """
    if len(shape) == 1 and shape[0] >= 2:
        return [torch.arange(shape[0]) % 2 == 0]
    if len(shape) != 3 or shape[1] % BLOCK or shape[2] % BLOCK:
        raise ValueError(
            f"shape is {tuple(shape)}; expected (d,) with d from 2, or (channels, "
            f"rows, columns) with rows and columns that {BLOCK} divides"
        )
    side = torch.arange(BLOCK)
    color, row, column = torch.cartesian_prod(torch.arange(shape[0]), side, side).T
    fields = row + column + color, row // 2 + column // 2 + color
    return [field % 2 == 0 for field in fields]


def _layer(
    inputs: int, outputs: int, space: Sequence[int], size: int = 1
) -> nn.Conv2d | nn.Linear:
    """Return a layer without bias that reads patches, or single numbers."""
    if not space:
        return nn.Linear(inputs, outputs, bias=False)
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
