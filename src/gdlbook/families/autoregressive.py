"""Autoregressive models: one number after the other, each given those before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import linear, logsigmoid, pad

from gdlbook._model import checks
from gdlbook._model.example import fitted
from gdlbook.generative.framework import Density, GenerativeModel
from gdlbook.networks.mlp import glorot, random_numbers

__all__ = ["MADE", "CausalTransformer", "PixelCNN"]


class _Autoregressive(GenerativeModel):
    r"""What the three models share: the chain rule, and drawing along it.

    $$\log p(x) = \sum_{i=1}^{d} \log p(x_i \mid x_1, \dots, x_{i-1})$$

    Args:
        shape: That of one observation.
        class_names: The kinds, for a model that is asked for one; each $p$ is then
            given the kind as well.
    """

    density: ClassVar[Density] = Density.EXACT

    def __init__(self, shape: Sequence[int], class_names: Sequence[str]) -> None:
        super().__init__()
        self.shape = checks.sizes("shape", shape)
        self.class_names = tuple(class_names)

    def log_conditionals(self, x: Tensor, label: Any = None) -> Tensor:
        """Return log p(x_i | all before), (n, d), in nats and in the model's order.

        Args:
            x: Observations (n, ...).
            label: Their kind: a name, a number, or numbers (n,).

        Raises:
            TypeError, ValueError: x is no batch of observations; a label is unknown,
                or missing where the model knows kinds.
        """
        return self._log_conditionals(self._checked(x), self._kinds(label, len(x)))

    def log_prob(self, x: Tensor, label: Any = None) -> Tensor:
        """Return the exact log density or log probability of x, (n,), in nats.

        Args:
            x: Observations (n, ...).
            label: Their kind: a name, a number, or numbers (n,). Without it a model
                of kinds answers for their mixture, each with the same weight.

        Raises:
            TypeError, ValueError: x is no batch of observations, or a label unknown.
        """
        x, count = self._checked(x), len(self.class_names)
        if label is not None or not count:
            return self._log_conditionals(x, self._kinds(label, len(x))).sum(dim=1)
        whole = (torch.full((len(x),), k, device=x.device) for k in range(count))
        each = [self._log_conditionals(x, kind).sum(dim=1) for kind in whole]
        return torch.stack(each).logsumexp(dim=0) - math.log(count)

    def nll(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the mean of -log p(x), or of -log p(x | y), a scalar, in nats.

        The negative log likelihood of observations x (n, ...) of the kinds y (n,).

        Raises:
            TypeError, ValueError: As in `log_conditionals`.
        """
        return -self.log_conditionals(x, y).sum(dim=1).mean()

    def objectives(self) -> dict[str, tuple[Callable[..., Tensor], list[Tensor]]]:
        """Return the negative log-likelihood of a batch, and what it trains."""
        loss = self.nll
        return {"nll": (loss, list(self.parameters()))}

    @torch.no_grad()
    def sample(
        self, n: int, *, label: Any = None, generator: Generator | None = None
    ) -> Tensor:
        """Draw n observations, number by number, each given those drawn before.

        Args:
            n: How many.
            label: A kind for all, or numbers (n,); without it a model of kinds draws
                a kind for each, all equally probable.
            generator: Source of randomness.

        Raises:
            TypeError, ValueError: n is no whole number from 1, or a label unknown.
        """
        return self._draw(*self._asked(n, label, generator))

    def _asked(
        self, n: Any, label: Any, generator: Any
    ) -> tuple[int, Tensor | None, Generator | None]:
        """Check what `sample` is asked for, and draw the kinds that are not given."""
        n, generator = checks.whole("n", n), checks.source(generator)
        if label is None and self.class_names:
            label = torch.randint(len(self.class_names), (n,), generator=generator)
        return n, self._kinds(label, n), generator

    def _kinds(self, label: Any, n: int) -> Tensor | None:
        if label is None and not self.class_names:
            return None
        return checks.kinds(label, n, self.class_names)

    def _checked(self, x: Any) -> Tensor:
        raise NotImplementedError

    def _log_conditionals(self, x: Tensor, kind: Tensor | None) -> Tensor:
        raise NotImplementedError

    def _draw(self, n: int, kind: Tensor | None, generator: Generator | None) -> Tensor:
        raise NotImplementedError


class MaskedLinear(nn.Linear):
    """A dense layer, each weight of which is multiplied by its 0 or 1 in `mask`.

    Args:
        mask: (out, in).
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (n, in) into (n, out)."""
        return linear(x, self.weight * self.mask, self.bias)


def masks(d: int, hidden: Sequence[int], *, lowest: int = 1) -> list[Tensor]:
    r"""Return the masks of MADE's layers: which unit may read which, each (out, in).

    Input $j$ has the degree $j$, from 1 to $d$; a hidden unit has a degree from
    `lowest` to $d - 1$, spread evenly. With $m$ for degrees, unit $k$ may read
    unit $j$ if

    `m_k >= m_j` (hidden units), `m_k > m_j` (outputs).

    Args:
        d: Numbers in one observation.
        hidden: Units of each hidden layer.
        lowest: 0 lets some units read no input at all, but a label.

    Source: Germain and others (2015), section 4, https://arxiv.org/abs/1502.03509
    """
    order = torch.arange(1, d + 1)
    below, found = order, []
    for units in hidden:
        degree = torch.linspace(lowest, max(lowest, d - 1), units).round().long()
        found.append(degree[:, None] >= below)
        below = degree
    return [*found, order[:, None] > below]


class MADE(_Autoregressive):
    r"""A dense network with masks: all $d$ conditionals in a single pass.

    For black and white each conditional is one coin,
    `p(x_i = 1 | before) = sigmoid(logit_i)`; for real numbers it is a mixture of K
    normals, `p(x_i | before) = sum over c of w_ic N(x_i; mean_ic, std_ic^2)`, whose
    weights, means and deviations are functions of the numbers before.

    Args:
        shape: That of one observation, as (2,) or (1, 28, 28); it is flattened, and
            its order is that of the rows.
        hidden: Units of each hidden layer.
        components: $K$, of each conditional of real numbers; 0 for black and white.
        dropout: Share of hidden outputs set to zero in training.
        class_names: The kinds, for p(x | y).
        seed: Of the weights.

    Source: Germain and others (2015), https://arxiv.org/abs/1502.03509
    """

    def __init__(
        self,
        shape: Sequence[int],
        hidden: Sequence[int] = (256,),
        *,
        components: int = 0,
        dropout: float = 0.0,
        class_names: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        super().__init__(shape, class_names)
        self.components = checks.whole("components", components, least=0)
        d, each = math.prod(self.shape), max(1, 3 * components)
        *inner, last = masks(
            d, checks.sizes("hidden", hidden), lowest=0 if class_names else 1
        )
        with random_numbers(seed):
            self.inner = nn.ModuleList(map(MaskedLinear, inner))
            self.dropout = nn.Dropout(dropout)
            self.last = MaskedLinear(last.repeat_interleave(each, dim=0))
            glorot(self)
            if class_names:
                self.kind = nn.Embedding(len(class_names), len(inner[0]))
                nn.init.normal_(self.kind.weight, std=0.1)
        if components:  # means apart from each other, or all would learn the same
            places = torch.linspace(-3, 3, components).expand(d, components)
            with torch.no_grad():
                self.last.bias.view(d, 3, components)[:, 1] = places

    def forward(self, x: Tensor, kind: Tensor | None = None) -> Tensor:
        """Return what conditional i is made of, (n, d, 1 or 3K), from those before.

        A logit; or K logits of weights, K means, K logarithms of deviations.

        Args:
            x: Observations (n, *shape).
            kind: Numbers of their kinds, (n,), for a model that knows kinds.
        """
        h = x.flatten(1)
        for i, layer in enumerate(self.inner):
            h = layer(h)
            if kind is not None and not i:
                h = h + self.kind(kind)
            h = self.dropout(h.relu())
        made: Tensor = self.last(h)
        return made.view(len(x), math.prod(self.shape), -1)

    def _log_conditionals(self, x: Tensor, kind: Tensor | None) -> Tensor:
        made, x = self(x, kind), x.flatten(1)
        if not self.components:
            return coins(made[..., 0], x)
        logits, means, log_std = made.chunk(3, dim=-1)
        log_std = log_std.clamp(-7, 7)  # a thousandth to a thousand
        away = (x[..., None] - means) * (-log_std).exp()
        normals = -0.5 * away.square() - log_std - 0.5 * math.log(2 * math.pi)
        each: Tensor = (logits.log_softmax(dim=-1) + normals).logsumexp(dim=-1)
        return each

    def _draw(self, n: int, kind: Tensor | None, generator: Generator | None) -> Tensor:
        x = torch.zeros(n, math.prod(self.shape))
        for i in range(x.shape[1]):
            made = self(x, kind)[:, i]
            if self.components:
                logits, means, log_std = made.chunk(3, dim=1)
                c = torch.multinomial(logits.softmax(1), 1, generator=generator)
                std = log_std.clamp(-7, 7).exp().gather(1, c)[:, 0]
                noise = torch.randn(n, generator=generator)
                x[:, i] = means.gather(1, c)[:, 0] + std * noise
            else:
                x[:, i] = toss(made[:, 0], generator)
        return x.view(n, *self.shape)

    def _checked(self, x: Any) -> Tensor:
        check = checks.observations if self.components else checks.binary
        return check(x, self.shape)

    @classmethod
    def example(cls) -> Self:
        """Return a small model of a bent cloud on the plane, trained a little."""
        x = torch.randn(1000, 2, generator=Generator().manual_seed(0))
        x[:, 1] += 2 * x[:, 0].sin()
        model = cls((2,), (32,), components=3)
        return fitted(model, model.nll, x)


ROWS, ASIDE, LEFT = 5, 7, 13  # how far the first layers of a PixelCNN read


class PixelCNN(_Autoregressive):
    r"""A convolutional network for black-and-white pictures, pixel by pixel.

    `p(x_ij = 1 | rows above, pixels to the left) = sigmoid(logit_ij)`

    Two stacks of residual layers, so that no pixel is out of sight: one reads all rows
    above, the other what the first one made, and the pixels to the left.

    Args:
        shape: (1, rows, columns).
        channels: Feature maps of each layer.
        layers: Residual layers of each stack.
        class_names: The kinds, for p(x | y).
        seed: Of the weights.

    Source: van den Oord and others (2016), https://arxiv.org/abs/1606.05328
    """

    def __init__(
        self,
        shape: Sequence[int],
        channels: int = 32,
        layers: int = 2,
        *,
        class_names: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        super().__init__(shape, class_names)
        if len(self.shape) != 3 or self.shape[0] != 1:
            raise ValueError(
                f"shape is {self.shape}; expected (1, rows, columns), black and white"
            )
        c = checks.whole("channels", channels)
        with random_numbers(seed):
            self.rows_above = nn.Conv2d(1, c, (ROWS, 2 * ASIDE + 1))
            self.row_left = nn.Conv2d(1, c, (1, LEFT))
            self.layers = nn.ModuleList(
                _TwoStacks(c) for _ in range(checks.whole("layers", layers))
            )
            self.hidden, self.logit = nn.Conv2d(c, c, 1), nn.Conv2d(c, 1, 1)
            glorot(self)
            if class_names:
                self.kind = nn.Embedding(len(class_names), 2 * c)
                nn.init.normal_(self.kind.weight, std=0.1)
        self.place = nn.Parameter(torch.zeros(2, c, *self.shape[1:]))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, kind: Tensor | None = None) -> Tensor:
        """Return the logit of each pixel, (n, 1, rows, columns), from those before it.

        Args:
            x: Pictures (n, 1, rows, columns), zeros and ones.
            kind: Numbers of their kinds, (n,), for a model that knows kinds.
        """
        return self._along(x, self._above(x, kind), kind)

    def _above(self, x: Tensor, kind: Tensor | None) -> list[Tensor]:
        """Return the vertical stack, layer by layer: at row i it saw rows above i.

        Of the last rows, x may lack any number.
        """
        v = self.rows_above(pad(x, (ASIDE, ASIDE, ROWS, 0))[:, :, :-1])
        v = v + self.place[0, :, : x.shape[2]] + self._of_kind(kind, 0)
        stack = [v]
        for layer in self.layers:
            v = v + layer.above(v)  # type: ignore[operator]
            stack.append(v)
        return stack

    def _along(
        self, x: Tensor, above: list[Tensor], kind: Tensor | None, first: int = 0
    ) -> Tensor:
        """Return logits of rows from `first` on, of which x may lack the last columns.

        At column j the horizontal stack has seen the columns to the left, and `above`.
        """
        h = self.row_left(pad(x, (LEFT, 0))[..., :-1])
        rows = slice(first, first + x.shape[2])
        h = h + self.place[1, :, rows, : x.shape[3]] + self._of_kind(kind, 1) + above[0]
        for layer, v in zip(self.layers, above[1:], strict=True):
            h = h + layer.along(h, v)  # type: ignore[operator]
        logits: Tensor = self.logit(self.hidden(h.relu()).relu())
        return logits

    def _of_kind(self, kind: Tensor | None, stack: int) -> Tensor | float:
        if kind is None:
            return 0.0
        both: Tensor = self.kind(kind)
        return both.chunk(2, dim=1)[stack][:, :, None, None]

    def _log_conditionals(self, x: Tensor, kind: Tensor | None) -> Tensor:
        return coins(self(x, kind), x).flatten(1)

    def _draw(self, n: int, kind: Tensor | None, generator: Generator | None) -> Tensor:
        x = torch.zeros(n, *self.shape)
        for i in range(self.shape[1]):
            # one pass for all that lies above; then pixel by pixel in this row alone
            above = [v[:, :, i:] for v in self._above(x[:, :, : i + 1], kind)]
            for j in range(self.shape[2]):
                seen = [v[..., : j + 1] for v in above]
                row = x[:, :, i : i + 1, : j + 1]
                logits = self._along(row, seen, kind, first=i)
                x[:, 0, i, j] = toss(logits[:, 0, 0, j], generator)
        return x

    def _checked(self, x: Any) -> Tensor:
        return checks.binary(x, self.shape)

    @classmethod
    def example(cls) -> Self:
        """Return a small model of pictures of 4 by 4 pixels, trained a little."""
        noise = torch.randn(64, 1, 4, 4, generator=Generator().manual_seed(0))
        model = cls((1, 4, 4), 8, 1)
        return fitted(model, model.nll, (noise.cumsum(dim=3) > 0).float())


class _TwoStacks(nn.Module):
    """One residual layer of each stack of a `PixelCNN`."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.down, self.down_out = nn.Conv2d(c, c, (2, 3)), nn.Conv2d(c, c, 1)
        self.right, self.right_out = nn.Conv2d(c, c, (1, 2)), nn.Conv2d(c, c, 1)
        self.across = nn.Conv2d(c, c, 1)

    def above(self, v: Tensor) -> Tensor:
        """Return what is added to v: at row i it reads v at rows i - 1 and i."""
        out: Tensor = self.down_out(self.down(pad(v.relu(), (1, 1, 1, 0))).relu())
        return out

    def along(self, h: Tensor, v: Tensor) -> Tensor:
        """Return what is added to h: it reads h at the left and here, and v here."""
        read = self.right(pad(h.relu(), (1, 0))) + self.across(v.relu())
        out: Tensor = self.right_out(read.relu())
        return out


RECENT = 6  # symbols that the first layer of a CausalTransformer reads together


class CausalTransformer(_Autoregressive):
    r"""A transformer for text, symbol by symbol.

    $$p(x_i \mid x_{<i}) = \operatorname{softmax}(\ell_i(x_{<i}))_{x_i}$$

    Layers of attention on top of a causal convolution, which spares them to learn to
    spell.

    Args:
        shape: (length,), the number of symbols in one observation.
        alphabet: The symbols; an observation holds their places in it.
        end: The symbol that ends a text: after it only itself can follow, with
            probability one. Without it, a text is a piece of a longer one.
        width: Numbers that stand for one place.
        heads: Attentions of each layer, each of them to width / heads numbers.
        layers: Layers of attention, each with a dense one.
        dropout: Share of outputs set to zero in training.
        class_names: The kinds, for p(x | y).
        seed: Of the weights.

    Source: Vaswani and others (2017), section 3, https://arxiv.org/abs/1706.03762
    """

    def __init__(
        self,
        shape: Sequence[int],
        alphabet: str,
        *,
        end: str = "",
        width: int = 64,
        heads: int = 4,
        layers: int = 2,
        dropout: float = 0.0,
        class_names: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        super().__init__(shape, class_names)
        if len(self.shape) != 1:
            raise ValueError(f"shape is {self.shape}; expected (length,)")
        if len(set(alphabet)) != len(alphabet) or len(alphabet) < 2:
            raise ValueError(
                f"alphabet is {alphabet!r}; expected two symbols or more, each once"
            )
        if end and (len(end) != 1 or end not in alphabet):
            raise ValueError(f"end is {end!r}; expected one symbol of {alphabet!r}")
        if checks.whole("width", width) % checks.whole("heads", heads):
            raise ValueError(
                f"width is {width}; expected a multiple of heads, which is {heads}"
            )
        self.alphabet, self.end = alphabet, alphabet.index(end) if end else None
        with random_numbers(seed):
            self.symbol = nn.Embedding(len(alphabet), width)
            self.start = nn.Embedding(max(1, len(class_names)), width)
            self.place = nn.Embedding(self.shape[0], width)
            for table in (self.symbol, self.start, self.place):
                nn.init.normal_(table.weight, std=0.1)
            self.recent = nn.Conv1d(width, width, RECENT)
            self.dropout = nn.Dropout(dropout)
            self.layers = nn.ModuleList(
                _Layer(width, heads, dropout)
                for _ in range(checks.whole("layers", layers))
            )
            self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, len(alphabet))
            glorot(self)

    def forward(self, x: Tensor, kind: Tensor | None = None) -> Tensor:
        """Return logits of the symbol at each place, (n, length, symbols).

        Those at place i come from the start and the symbols before i.

        Args:
            x: Places in the alphabet, (n, length) or fewer.
            kind: Numbers of their kinds, (n,), for a model that knows kinds.
        """
        if kind is None:
            kind = x.new_zeros(len(x))
        h = torch.cat([self.start(kind)[:, None], self.symbol(x[:, :-1])], dim=1)
        near = self.recent(pad(h.transpose(1, 2), (RECENT - 1, 0)))
        h = self.dropout(h + near.transpose(1, 2) + self.place.weight[: h.shape[1]])
        for layer in self.layers:
            h = layer(h)
        logits: Tensor = self.out(self.norm(h))
        if self.end is None:
            return logits
        # nothing but the end after the end
        ended = pad((x[:, :-1] == self.end).cummax(dim=1).values, (1, 0))
        other = torch.arange(len(self.alphabet)) != self.end
        return logits.masked_fill(ended[..., None] & other, -math.inf)

    def to_tokens(self, texts: Iterable[str]) -> Tensor:
        """Return the places of the symbols of each text, int64 (n, length).

        A text that is shorter than length gets its `end`, until length is reached.

        Raises:
            TypeError: texts is one string, or holds something else.
            ValueError: No text, one with an unknown symbol, or one that does not fit.
        """
        rows = [] if isinstance(texts, str) else list(texts)
        if isinstance(texts, str) or not all(isinstance(row, str) for row in rows):
            raise TypeError("texts is no list of strings; expected one, as ['anna']")
        if not rows:
            raise ValueError("texts is empty; expected one text or more")
        return torch.tensor([self._places(row) for row in rows])

    def _places(self, text: str) -> list[int]:
        (length,) = self.shape
        places = self._known(text)
        if self.end is not None:
            places += [self.end] * (length - len(text))
        if len(places) != length:
            raise ValueError(
                f"{text[:20]!r} has {len(text)} symbols; expected {length}"
                + ", or fewer" * (self.end is not None)
            )
        return places

    def _known(self, text: str) -> list[int]:
        if unknown := sorted(set(text) - set(self.alphabet)):
            raise ValueError(
                f"{text[:20]!r} holds {unknown[0]!r}; expected symbols of "
                f"{self.alphabet!r}"
            )
        return [self.alphabet.index(symbol) for symbol in text]

    def to_texts(self, x: Tensor) -> list[str]:
        """Return the text of each row of x, (n, length), up to its `end`."""
        rows = ["".join(self.alphabet[place] for place in row) for row in x.tolist()]
        if self.end is None:
            return rows
        return [row.partition(self.alphabet[self.end])[0] for row in rows]

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        label: Any = None,
        temperature: float = 1.0,
        prompt: str = "",
        generator: Generator | None = None,
    ) -> Tensor:
        r"""Draw n texts, symbol by symbol: places in the alphabet, int64 (n, length).

        At temperature $T$ a symbol has the probability
        $\operatorname{softmax}(\ell_i / T)$, which is the model's own at $T = 1$ only.

        Args:
            n: How many.
            label: A kind for all, or numbers (n,); without it a model of kinds draws
                a kind for each, all equally probable.
            temperature: $T$, above 0.
            prompt: What all texts begin with.
            generator: Source of randomness.

        Raises:
            TypeError, ValueError: A number out of range, an unknown label, or a prompt
                with an unknown symbol or too long.
        """
        n, kind, generator = self._asked(n, label, generator)
        temperature = checks.positive("temperature", temperature)
        x = torch.tensor(self._known(prompt), dtype=torch.long).repeat(n, 1)
        if x.shape[1] > self.shape[0]:
            raise ValueError(
                f"prompt has {len(prompt)} symbols; expected at most {self.shape[0]}"
            )
        for i in range(x.shape[1], self.shape[0]):
            x = pad(x, (0, 1))
            p = (self(x, kind)[:, i] / temperature).softmax(dim=1)
            x[:, i] = torch.multinomial(p, 1, generator=generator)[:, 0]
        return x

    def _log_conditionals(self, x: Tensor, kind: Tensor | None) -> Tensor:
        each: Tensor = self(x, kind).log_softmax(dim=2)
        return each.gather(2, x[..., None])[..., 0]

    def _checked(self, x: Any) -> Tensor:
        checks.tokens(x, len(self.alphabet))
        if x.shape[1:] != self.shape:
            raise ValueError(
                f"x has shape {tuple(x.shape)}; expected (n, {self.shape[0]})"
            )
        if self.end is not None:
            ended = x == self.end
            on = (ended[:, :-1] & ~ended[:, 1:]).any(dim=1)
            if on.any():
                row = int(on.nonzero()[0])
                raise ValueError(
                    f"row {row} of x goes on after its end: {x[row].tolist()}; "
                    f"expected nothing but {self.end} from the first {self.end} on"
                )
        return x  # type: ignore[no-any-return]

    @classmethod
    def example(cls) -> Self:
        """Return a small model of texts of three letters, trained a little."""
        noise = torch.randn(128, 3, generator=Generator().manual_seed(0))
        x = (noise.cumsum(dim=1) > 0).long()
        model = cls((3,), "ab", width=16, heads=2, layers=1)
        return fitted(model, model.nll, x)


class CausalAttention(nn.Module):
    r"""Each place looks at itself and at those before it, and takes what it finds.

    With queries, keys and values `q_i`, `k_i`, `v_i` of w numbers for each place,

    `a_ij = softmax over j <= i of (q_i . k_j / sqrt(w))`, and
    `out_i = sum over j <= i of a_ij v_j`.

    Args:
        width: Numbers that stand for one place.
        heads: How many such sums, over width / heads numbers each, side by side.

    Source: Vaswani and others (2017), section 3.2, https://arxiv.org/abs/1706.03762
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.read, self.write = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, h: Tensor) -> Tensor:
        """Turn (n, length, width) into as much."""
        n, length, width = h.shape
        parts = self.read(h).view(n, length, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # each (n, heads, length, w)
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])
        later = torch.ones(length, length, dtype=torch.bool).triu(1)
        a = scores.masked_fill(later, -math.inf).softmax(dim=3)
        out: Tensor = self.write((a @ v).transpose(1, 2).reshape(h.shape))
        return out


class _Layer(nn.Module):
    """Attention, then a dense layer for each place; both add to what was there."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.LayerNorm(width), CausalAttention(width, heads), nn.Dropout(dropout)
        )
        self.dense = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, h: Tensor) -> Tensor:
        h = h + self.attention(h)
        out: Tensor = h + self.dense(h)
        return out


def coins(logits: Tensor, x: Tensor) -> Tensor:
    """Return the log probability of each zero or one in x, in nats, shaped as x."""
    return logsigmoid((2 * x - 1) * logits)


def toss(logits: Tensor, generator: Generator | None) -> Tensor:
    """Draw a zero or a one for each logit, of the same shape."""
    return torch.bernoulli(logits.sigmoid(), generator=generator)
