"""Diffusion: noise is added in small steps, and a network learns to take it back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Self

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle, silu

from gdlbook._model import checks
from gdlbook._model.example import fitted
from gdlbook.generative.framework import Density, GenerativeModel, Objectives
from gdlbook.networks.mlp import random_numbers

__all__ = ["DDPM", "schedule"]

LEVELS = 256  # of a picture, from 0 to 1
UNLABELED = 0.1  # share of a batch that is learned without its labels, for guidance
FORGET = 10  # the running mean of squared errors is of the last tenth or so
DRAWS = 4  # of each term of the bound, where the network is small
WAVES = 5  # that tell the network the time

Label = str | int | Tensor | None
Sizes = tuple[int, ...]


def schedule(name: str, steps: int) -> list[float]:
    """Return the shares of noise beta_1, ..., beta_T that the steps add.

    "linear" rises evenly from 0.0001 to 0.02 over 1,000 steps; fewer steps are larger,
    so that as little signal is left. "cosine" lets the signal fall as a wave does:

    `product over s <= t of (1 - beta_s) = f(t) / f(0)`, with
    `f(t) = cos^2((t / T + 0.008) / 1.008 * pi / 2)`

    Args:
        name: "linear" or "cosine".
        steps: T, 2 or more.

    Raises:
        TypeError: steps is not a whole number.
        ValueError: There is no such schedule, or steps is below 2.

    Source: Ho, Jain and Abbeel, 2020, section 4, https://arxiv.org/abs/2006.11239;
    Nichol and Dhariwal, 2021, https://arxiv.org/abs/2102.09672.
    """
    t = torch.linspace(0, 1, checks.whole("steps", steps, least=2) + 1).double()
    if name == "linear":
        beta = 1 - (1 - torch.linspace(1e-4, 0.02, steps).double()) ** (1000 / steps)
    elif name == "cosine":
        f = ((t + 0.008) / 1.008 * math.pi / 2).cos() ** 2
        beta = (1 - f[1:] / f[:-1]).clamp(max=0.999)
    else:
        raise ValueError(f"there is no schedule {name!r}; there are 'linear', 'cosine'")
    return beta.tolist()


class DDPM(GenerativeModel):
    """A chain that turns noise into an observation, learned by undoing added noise.

    The forward chain q adds noise in T steps and has nothing to learn. The model
    goes back, with a network that makes a guess of `x_0` from `x_t` and t:

    `q(x_t | x_t-1) = N(sqrt(1 - beta_t) x_t-1, beta_t I)`

    `p(x_t-1 | x_t) = N(mean_t(x_t, guess), v_t I)`

    An observation of one axis, as (2,), is taken as it is. One of three, as (1, 28,
    28), is a picture of 256 levels from 0 to 1, whose sides are multiples of 4;
    inside, its levels run from -1 to 1.

    Args:
        shape: That of one observation.
        steps: T; not asked for if betas are given one by one.
        betas: A `schedule` by name, or the share of noise of every step.
        target: What the network is asked for: the "noise", the "data", or the
            "velocity", a mixture of both whose slips are never blown up in the guess.
        sizes: Units of the hidden layers; for pictures, channels at half and at a
            quarter of the side, multiples of 8 from 16: the norm has eight groups, and
            would take out of eight channels what time and kind add to each.
        class_names: Of the kinds, for a model that can be asked for one.
        seed: Of the weights.

    Raises:
        TypeError: A value of another type.
        ValueError: A value outside of what is said above.

    Source: Ho, Jain and Abbeel, 2020, https://arxiv.org/abs/2006.11239. The velocity:
    Salimans and Ho, 2022, https://arxiv.org/abs/2202.00512. The variances: Bao and
    others, 2022, https://arxiv.org/abs/2201.06503.
    """

    density = Density.BOUND
    signal: Tensor
    noise: Tensor
    of_data: Tensor
    of_noisy: Tensor
    least: Tensor
    error: Tensor
    seen: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        *,
        steps: int = 200,
        betas: str | Sequence[float] = "cosine",
        target: str = "velocity",
        sizes: Sequence[int] | None = None,
        class_names: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape, self.class_names = checks.sizes("shape", shape), tuple(class_names)
        self.pictures = len(self.shape) == 3
        if sizes is None:
            sizes = (32, 48) if self.pictures else (128, 128, 128)
        self.target, sizes = target, checks.sizes("sizes", sizes)
        beta = schedule(betas, steps) if isinstance(betas, str) else list(betas)
        _check_settings(self.shape, sizes, target, beta)
        self.steps = len(beta)
        self._keep(torch.tensor([0.0, *beta], dtype=torch.float64))
        network, kinds = _UNet if self.pictures else _Dense, len(self.class_names)
        with random_numbers(checks.whole("seed", seed, least=0)):
            self.network = network(self.shape, sizes, self.steps, kinds)

    def _keep(self, beta: Tensor) -> None:
        """Keep what depends on the schedule, for t from 0, which is without noise."""
        alpha = (1 - beta).cumprod(0)
        before = torch.cat([alpha[:1], alpha[:-1]])
        gone = (1 - alpha).clamp(min=1e-300)
        tables = {
            "signal": alpha.sqrt(),
            "noise": (1 - alpha).sqrt(),
            "of_data": before.sqrt() * beta / gone,
            "of_noisy": (1 - beta).sqrt() * (1 - before) / gone,
            "least": beta * (1 - before) / gone,
        }
        for name, table in tables.items():
            self.register_buffer(name, table.float(), persistent=False)
        self.register_buffer("error", torch.ones(len(beta)))
        self.register_buffer("seen", torch.zeros(len(beta)))

    @classmethod
    def example(cls) -> Self:
        """Return a small model of a round cloud of points that was stretched."""
        model, generator = cls((2,), steps=20, sizes=(16, 16)), Generator()
        x = torch.randn(512, 2, generator=generator.manual_seed(0))
        with random_numbers(0):
            return fitted(model, model.simple_loss, x * torch.tensor([1.5, 0.5]))

    def objectives(self) -> Objectives:
        """Return the simple loss and the parameters of the network."""
        return {"simple": (self.simple_loss, list(self.parameters()))}

    def noised(self, x: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Return `x_t` in one leap, from `x_0` and standard normal noise.

        `x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise`, where abar_t is the product
        of the first t shares `1 - beta_s`

        Args:
            x: `x_0` (n, *shape), pictures from -1 to 1.
            t: How many steps, (n,), whole numbers from 0 to T.
            noise: (n, *shape).
        """
        return _at(self.signal, t, x) * x + _at(self.noise, t, x) * noise

    def simple_loss(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the mean squared error of what the network is asked for, a scalar.

        `E |u_t - network(x_t, t)|^2 / d`, over `x_0`, t and noise

        The target u_t is the noise, `x_0`, or the velocity
        `sqrt(abar_t) noise - sqrt(1 - abar_t) x_0`. The times of a batch are spread
        evenly. In training mode the squared errors of the guess are noted, step by
        step, for `variance`.

        Args:
            x: Observations (n, *shape).
            y: Their kinds (n,), if the model was made with class_names.

        Raises:
            TypeError, ValueError: x is no batch of observations, or y does not fit.

        Source: Ho, Jain and Abbeel, 2020, equation 14.
        """
        x, y = self._inside(x), self._some_unlabeled(y, len(x))
        t, noise = self._times(len(x)), torch.randn_like(x)
        x_t = self.noised(x, t, noise)
        said = self.network(x_t, t, y)
        if self.training:
            self._note(self._guess(said.detach(), x_t, t) - x, t)
        off: Tensor = said - self._wanted(x, t, noise)
        return off.square().mean()

    def _times(self, n: int) -> Tensor:
        """Draw n times from 1 to T in random order, one from each n-th of them."""
        place = (torch.randperm(n) + torch.rand(n)) / n
        return 1 + (place * self.steps).long().clamp(max=self.steps - 1)

    def _some_unlabeled(self, y: Tensor | None, n: int) -> Tensor | None:
        """Return the kinds of a batch, some replaced by the one that means: any."""
        if y is None and self.class_names:
            raise ValueError(
                "y is missing: this model was made with class_names, and its loss "
                "takes observations with their kinds"
            )
        if y is None:
            return None
        y = checks.kinds(y, n, self.class_names)
        return torch.where(torch.rand(n) < UNLABELED, len(self.class_names), y)

    def _wanted(self, x: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        velocity = _at(self.signal, t, x) * noise - _at(self.noise, t, x) * x
        return {"noise": noise, "data": x, "velocity": velocity}[self.target]

    def _guess(self, said: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """Return x_0 as what the network said implies it."""
        a, s = _at(self.signal, t, x_t), _at(self.noise, t, x_t)
        if self.target == "noise":
            said = (x_t - s * said) / a
        elif self.target == "velocity":
            said = a * x_t - s * said
        return said.clamp(-1, 1) if self.pictures else said

    @torch.no_grad()
    def _note(self, off: Tensor, t: Tensor) -> None:
        """Take the squared errors of a batch into the running mean of each step."""
        square = off.square().flatten(1).mean(1)
        sums = torch.zeros_like(self.error).index_add(0, t, square)
        count = t.bincount(minlength=len(self.seen))
        seen = self.seen + count
        share = 1 - (self.seen / seen.clamp(min=1)) ** FORGET
        new = torch.where(count > 0, sums / count.clamp(min=1), self.error)
        self.error.lerp_(new, share)
        self.seen.copy_(seen)

    @property
    def variance(self) -> Tensor:
        """The variances v_t of the steps back that make the bound best, (T + 1,).

        `v_t = least_t + c_t^2 E |x_0 - guess|^2 / d`

        The first part is what even one who knows `x_0` cannot foresee; c_t is the
        weight of the guess in the mean of a step back.
        """
        return self.least + self.of_data**2 * self.error

    def denoised(
        self, x_t: Tensor, t: Tensor, y: Tensor | None = None, guidance: float = 0.0
    ) -> Tensor:
        """Return the guess of what is behind the noise, (n, *shape).

        With guidance w and the network's answers with and without the label, it is
        that of `(1 + w) network(x_t, t, y) - w network(x_t, t)`.

        Args:
            x_t: Noisy observations (n, *shape).
            t: How many steps of noise are in them, (n,).
            y: Kinds (n,).
            guidance: w.

        Source: Ho and Salimans, 2022, https://arxiv.org/abs/2207.12598.
        """
        said = self.network(x_t, t, y)
        if guidance:
            said = said + guidance * (said - self.network(x_t, t, None))
        return self._guess(said, x_t, t)

    @torch.no_grad()
    def elbo(self, x: Tensor, label: Label = None) -> Tensor:
        """Return a lower bound on the log density of x, in nats, (n,).

        `log p(x_0) >= E log p(x_0 | x_1) - sum over t > 1 of E KL(q_t, p_t) - KL_T`

        Here `q_t = q(x_t-1 | x_t, x_0)` is the true step back, `p_t = p(x_t-1 | x_t)`
        that of the model, and KL_T the divergence of `q(x_T | x_0)` from `N(0, I)`. The
        divergences are exact. Each `x_t` is drawn, from torch's own source, so a call
        returns an estimate that is right in the mean. Pictures get log probabilities of
        their levels. Without a label, a model of K kinds returns the bound for the kind
        that seems to fit best, less log K: a bound on the even mixture of the kinds.

        Args:
            x: Observations (n, *shape).
            label: A kind by name or number, or kinds (n,).

        Raises:
            TypeError, ValueError: x is no batch of observations, or a label unknown.

        Source: Ho, Jain and Abbeel, 2020, equation 5.
        """
        x, n, kinds = self._inside(x), len(x), len(self.class_names)
        if label is not None:
            return self._bound(x, checks.kinds(label, n, self.class_names))
        if not kinds:
            return self._bound(x, None)
        paid = torch.zeros(kinds, n)  # in some of the steps, with noise of their own
        for t in range(1, self.steps, self.steps // 10 or 1):
            noise, time = torch.randn_like(x), torch.full((n,), t)
            for kind in range(kinds):
                paid[kind] += self.term(x, time, noise, torch.full((n,), kind))
        return self._bound(x, paid.argmin(0)) - math.log(kinds)

    def _bound(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Add up the divergence from the prior and all terms, noises in pairs."""
        a, s = self.signal[-1] ** 2, self.noise[-1] ** 2
        total = -0.5 * (a * x.square() + s - 1 - s.log()).flatten(1).sum(1)
        draws, noise = 1 if self.pictures else DRAWS, x
        for k in range(self.steps * draws):
            t = torch.full((len(x),), 1 + k // draws)
            noise = -noise if k % 2 else torch.randn_like(x)
            total -= self.term(x, t, noise, y) / draws
        return total

    @torch.no_grad()
    def term(
        self, x: Tensor, t: Tensor, noise: Tensor, y: Tensor | None = None
    ) -> Tensor:
        """Return what step t costs the bound, in nats, (n,).

        It is the divergence of the true step back from the model's, for t = 1
        `-log p(x_0 | x_1)`.

        Args:
            x: `x_0` (n, *shape), pictures from -1 to 1.
            t: Of each x, (n,), from 1 to T.
            noise: What `x_t` is made with, (n, *shape).
            y: Kinds (n,).
        """
        off = self.denoised(self.noised(x, t, noise), t, y) - x
        v, least, c, error = (
            _at(b, t, x) for b in (self.variance, self.least, self.of_data, self.error)
        )
        ratio = torch.where(least > 0, least / v, 1.0)
        term = 0.5 * ((c * off) ** 2 / v + ratio - 1 - ratio.log())
        first = t == 1
        log_p = _log_level if self.pictures else _log_normal
        term[first] = -log_p(x[first], off[first], v[first].sqrt())
        if not self.pictures:  # of mean zero, and takes most of the scatter away
            term = term - 0.5 * c**2 * error / v * (noise**2 - 1)
        return term.flatten(1).sum(1)

    def sample(
        self,
        n: int,
        *,
        label: Label = None,
        steps: int | None = None,
        guidance: float = 0.0,
        generator: Generator | None = None,
    ) -> Tensor:
        """Draw n observations, (n, *shape): where a `walk` of these settings ends."""
        walk = self.walk(
            n, label=label, steps=steps, guidance=guidance, generator=generator
        )
        for x in walk:
            last = x
        return last

    @torch.no_grad()
    def walk(
        self,
        n: int,
        *,
        label: Label = None,
        steps: int | None = None,
        guidance: float = 0.0,
        generator: Generator | None = None,
    ) -> Iterator[Tensor]:
        """Yield n observations, (n, *shape), on their way from noise, stop by stop.

        Ancestral sampling goes back through all T steps,

        `x_t-1 = mean_t(x_t, guess) + sqrt(v_t) noise`

        With `steps`, DDIM makes so many longer ones, from t to s, without fresh noise:

        `x_s = sqrt(abar_s) guess + sqrt(1 - abar_s) noise_of_guess`

        Args:
            n: How many, 1 or more.
            label: A kind by name or number, or kinds (n,); without one, each draw has
                a kind of its own, all equally probable.
            steps: Of DDIM, from 1 to T.
            guidance: From 0 up: how much to exaggerate what the label changes.
            generator: The source of randomness; torch's own if not given.

        Raises:
            TypeError: A value of another type.
            ValueError: An unknown label, or a number out of range.

        Source: Ho, Jain and Abbeel, 2020, algorithm 2; Song, Meng and Ermon, 2021,
        equation 12, https://arxiv.org/abs/2010.02502.
        """
        y, stops = self._asked(n, label, steps, guidance, generator)
        x = torch.randn(n, *self.shape, generator=generator)
        yield self._outside(x)
        for now, then in pairwise(stops):
            guess = self.denoised(x, torch.full((n,), now), y, guidance)
            if steps is None:
                fresh = torch.randn(x.shape, generator=generator)
                x = self.of_data[now] * guess + self.of_noisy[now] * x
                x = x + self.variance[now].sqrt() * fresh
            else:
                noise = (x - self.signal[now] * guess) / self.noise[now]
                x = self.signal[then] * guess + self.noise[then] * noise
            yield self._outside(x)

    def _asked(
        self,
        n: int,
        label: Label,
        steps: int | None,
        guidance: float,
        generator: Generator | None,
    ) -> tuple[Tensor | None, list[int]]:
        """Return the kinds to draw, and the times to stop at."""
        checks.whole("n", n), checks.source(generator)
        if steps is not None and checks.whole("steps", steps) > self.steps:
            raise ValueError(f"steps is {steps}; expected {self.steps} at most")
        if guidance and checks.positive("guidance", guidance) and not self.class_names:
            raise ValueError(
                f"guidance is {guidance}, but this model was made without class_names "
                "and has no label to exaggerate"
            )
        if self.class_names and label is None:
            label = torch.randint(len(self.class_names), (n,), generator=generator)
        kinds = None if label is None else checks.kinds(label, n, self.class_names)
        stops = torch.linspace(self.steps, 0, (steps or self.steps) + 1).round()
        return kinds, stops.int().tolist()

    def _inside(self, x: Tensor) -> Tensor:
        """Return checked observations as the network sees them."""
        if not self.pictures:
            return checks.observations(x, self.shape)
        level = (LEVELS - 1) * checks.observations(x, self.shape, low=0, high=1)
        if bad := int(((level - level.round()).abs() > 0.01).sum()):
            raise ValueError(
                f"x holds {bad} of {x.numel()} numbers between two gray levels; "
                "expected whole multiples of 1/255, as to_tensor returns them"
            )
        return 2 * x - 1

    def _outside(self, x: Tensor) -> Tensor:
        """Return what the network sees as observations: pictures in whole levels."""
        if not self.pictures:
            return x
        most = LEVELS - 1
        return ((x + 1) / 2 * most).round().clamp(0, most) / most


def _check_settings(shape: Sizes, sizes: Sizes, target: str, beta: list[float]) -> None:
    if target not in ("noise", "data", "velocity"):
        raise ValueError(
            f"target is {target!r}; expected 'noise', 'data' or 'velocity'"
        )
    if len(shape) != 1 and (len(shape) != 3 or shape[1] % 4 or shape[2] % 4):
        raise ValueError(
            f"shape is {shape}; expected one axis, or channels and two sides that are "
            "multiples of 4"
        )
    if len(shape) == 3 and (
        len(sizes) != 2 or any(size % 8 or size < 16 for size in sizes)
    ):
        raise ValueError(f"sizes is {sizes}; expected two multiples of 8, from 16")
    if len(beta) < 2 or not all(0 < b < 1 for b in beta):
        raise ValueError(
            f"betas are {len(beta)} numbers from {min(beta, default=0):g} to "
            f"{max(beta, default=0):g}; expected two or more, each above 0 and below 1"
        )


def _at(table: Tensor, t: Tensor, x: Tensor) -> Tensor:
    """Return the entries for the times (n,), shaped to multiply x."""
    return table[t].view(-1, *[1] * (x.ndim - 1))


def _log_normal(x: Tensor, off: Tensor, std: Tensor) -> Tensor:
    """Return the log density of x under a normal whose mean is off by so much."""
    return -0.5 * (off / std) ** 2 - std.log() - 0.5 * math.log(2 * math.pi)


def _log_level(x: Tensor, off: Tensor, std: Tensor) -> Tensor:
    """Return the log probability of the level at x; the outer two reach to infinity."""
    half = 1 / (LEVELS - 1)
    low, high = (((d - off) / std).double() for d in (-half, half))
    low = low.masked_fill(x < -1 + half, -math.inf)
    high = high.masked_fill(x > 1 - half, math.inf)
    # of both tails, the lower one keeps its digits
    low, high = torch.where(low > 0, -high, low), torch.where(low > 0, -low, high)
    below, upto = torch.special.log_ndtr(low), torch.special.log_ndtr(high)
    log_p: Tensor = upto + torch.log1p(-(below - upto).exp())
    return log_p.to(x.dtype)


class _Embed(nn.Module):
    """The time and the kind as one vector, which every layer gets to see."""

    waves: Tensor

    def __init__(self, steps: int, kinds: int, size: int) -> None:
        super().__init__()
        time = torch.linspace(0, math.pi, steps + 1)
        angle = time[:, None] * 2 ** torch.arange(WAVES)
        waves = torch.cat([angle.sin(), angle.cos()], dim=1)
        self.register_buffer("waves", waves, persistent=False)
        self.time = nn.Linear(2 * WAVES, size)
        self.kinds = kinds
        self.kind = nn.Embedding(kinds + 1, size) if kinds else None  # the last: any

    def forward(self, t: Tensor, y: Tensor | None) -> Tensor:
        e: Tensor = self.time(self.waves[t])
        if self.kind is not None:
            e = e + self.kind(torch.full_like(t, self.kinds) if y is None else y)
        return silu(e)


class _Dense(nn.Module):
    """Layers of units, each shifted by time and kind."""

    def __init__(self, shape: Sizes, sizes: Sizes, steps: int, kinds: int) -> None:
        super().__init__()
        d = math.prod(shape)
        self.embed = _Embed(steps, kinds, sizes[0])
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise((d, *sizes)))
        self.shifts = nn.ModuleList(nn.Linear(sizes[0], o) for o in sizes)
        self.last = _zeroed(nn.Linear(sizes[-1], d))

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        h, e = x.flatten(1), self.embed(t, y)
        for layer, shift in zip(self.layers, self.shifts, strict=True):
            h = silu(layer(h) + shift(e))
        out: Tensor = self.last(h)
        return out.view_as(x)


class _Block(nn.Module):
    """Two convolutions beside a shortcut, shifted by time and kind in between."""

    def __init__(self, read: int, made: int, size: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(8, read), nn.GroupNorm(8, made)
        self.conv1 = nn.Conv2d(read, made, 3, padding=1)
        self.conv2 = _zeroed(nn.Conv2d(made, made, 3, padding=1))
        self.shift = nn.Linear(size, made)
        self.skip = nn.Conv2d(read, made, 1) if read != made else nn.Identity()

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        h = self.conv1(silu(self.norm1(x))) + self.shift(e)[:, :, None, None]
        out: Tensor = self.skip(x) + self.conv2(silu(self.norm2(h)))
        return out


class _UNet(nn.Module):
    """Down to a quarter of the side and up again, with a bridge at half of it."""

    def __init__(self, shape: Sizes, sizes: Sizes, steps: int, kinds: int) -> None:
        super().__init__()
        channels, (wide, deep) = shape[0], sizes
        self.embed = _Embed(steps, kinds, deep)
        self.stem = nn.Conv2d(4 * channels, wide, 3, padding=1)
        self.down = _Block(wide, wide, deep)
        self.shrink = nn.Conv2d(wide, deep, 3, stride=2, padding=1)
        self.middle = nn.ModuleList(_Block(deep, deep, deep) for _ in range(2))
        self.grow = nn.Conv2d(deep, 4 * wide, 1)
        self.up = _Block(2 * wide, wide, deep)
        self.norm = nn.GroupNorm(8, wide)
        self.last = _zeroed(nn.Conv2d(wide, 4 * channels, 3, padding=1))

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        # Four pixels side by side become four channels: a quarter of the work.
        h = pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)
        e = self.embed(t, y)
        bridge = self.down(self.stem(h), e)
        h = self.shrink(bridge)
        for block in self.middle:
            h = block(h, e)
        h = pixel_shuffle(self.grow(h), 2)
        h = self.up(torch.cat([bridge, h], dim=1), e)
        out: Tensor = self.last(silu(self.norm(h)))
        return pixel_shuffle(out, 2)


def _zeroed(layer: nn.Linear | nn.Conv2d) -> nn.Linear | nn.Conv2d:
    """Return the layer with weights of zero: at first it adds nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
