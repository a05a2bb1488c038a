"""The comparison: one model of every family, one world, one budget, one table."""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Any

import torch
from safetensors.torch import load
from torch import Generator, Tensor

import gdlbook.families
from gdlbook._compare.worlds import WORLDS, World
from gdlbook._model import checks
from gdlbook.families.energy import EnergyModel, Normalized
from gdlbook.families.flow import RealNVP
from gdlbook.generative.framework import (
    Density,
    Estimate,
    GenerativeModel,
    scorecard,
)
from gdlbook.train import History, fit, one_thread

FOLDER = files("gdlbook").joinpath("measured")


@dataclass(frozen=True)
class Entry:
    """What one family sends: a model, and how `fit` trains it.

    Attributes:
        kind: Name of the class, in `gdlbook.families`.
        model: What the class is made with.
        batch_size, learning_rate, average: Of `fit`; the rate anneals to zero.
    """

    kind: str
    model: dict[str, Any]
    batch_size: int
    learning_rate: float | dict[str, float]
    average: float = 0.0

    def new(self, seed: int = 0) -> GenerativeModel:
        """Return the model, untrained."""
        made = getattr(gdlbook.families, self.kind)(**self.model, seed=seed)
        assert isinstance(made, GenerativeModel)
        return made

    def train(
        self, model: GenerativeModel, x: Tensor, steps: int, seed: int = 0
    ) -> History:
        """Train the model on observations x (n, ...), for so many steps of `fit`."""
        return fit(
            model,
            x,
            steps=steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            anneal=True,
            average=self.average,
            seed=seed,
            progress=False,
        )


def world(name: str) -> World:
    """Return what all entries of one table learn, and what they are judged on.

    Raises:
        ValueError: There is no world of that name.
    """
    return WORLDS[_known(name)]()


def _known(name: str) -> str:
    if name not in WORLDS:
        there = ", ".join(map(repr, WORLDS))
        raise ValueError(f"no world {name!r}; there are {there}")
    return name


def steps_within(seconds: float, entry: Entry, x: Tensor) -> int:
    """Return how many steps an entry makes in so many seconds of processor time.

    A model that is thrown away makes twice as many steps each time, until they take a
    twentieth of the budget; the rest is the rule of three. The number differs from
    machine to machine.

    Args:
        seconds: The budget, of one thread.
        entry: Who trains.
        x: What it is trained on, (n, ...).

    Raises:
        ValueError: seconds is not above 0.
    """
    checks.positive("seconds", seconds)
    steps, spent = 5, 0.0
    entry.train(entry.new(), x, steps)  # the first steps of a process are slower
    while spent < seconds / 20:
        steps *= 2
        spent = _spent(partial(entry.train, entry.new(), x, steps))
    return max(1, int(steps * seconds / spent))


def _spent(work: Callable[[], object]) -> float:
    """Return the processor seconds that some work takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


@dataclass(frozen=True)
class Row:
    """What came of one entry: a line of a table.

    Attributes:
        kind: Name of the class.
        seed: Of weights and training.
        size: Numbers in an observation.
        parameters: Numbers that were trained.
        steps: Updates made.
        training: Processor seconds that they took.
        says: What it says of a density: "exact", "bound", "constant" (up to one), or
            "nothing"; "summed up" where the constant was found by adding cells.
        held_out: Mean of what it says over the test part, in nats.
        distance: Mean of log P_data minus that, in nats.
        told: Share of samples and observations that a classifier names rightly.
        sampling: Processor seconds for 64 samples.
        spread, copying, probe: As in `Scorecard`.
        modes: How many modes get a fifth of their share; only where there are some.
    """

    kind: str
    seed: int
    size: int
    parameters: int
    steps: int
    training: float
    says: str
    held_out: Estimate | None
    distance: Estimate | None
    told: float
    sampling: float
    spread: float
    copying: float
    probe: float | None
    modes: int | None


def compete(
    entry: Entry, arena: World, steps: int, seed: int = 0
) -> tuple[Row, GenerativeModel]:
    """Train an entry in a world; return its line of the table, and the model.

    Args:
        entry: Who trains, as its chapter does.
        arena: What it learns, and what judges it.
        steps: Updates to make, as `steps_within` counts them.
        seed: Of the first weights and of the training.

    Raises:
        TypeError, ValueError: steps is no whole number from 1.
    """
    checks.whole("steps", steps)
    model = entry.new(seed)
    training = _spent(lambda: entry.train(model, arena.learned, steps, seed))
    asked = as_asked(model.eval(), arena)
    with one_thread():
        card = scorecard(
            asked, arena.train, arena.test, world=arena.truth, labels=arena.labels
        )
    row = Row(
        kind=entry.kind,
        seed=seed,
        size=arena.test[0].numel(),
        parameters=sum(p.numel() for p in model.parameters()),
        steps=steps,
        training=training,
        says="summed up" if isinstance(asked, _SummedUp) else _SAYS[asked.density],
        held_out=card.held_out,
        distance=card.distance,
        told=card.two_sample.accuracy,
        sampling=card.seconds,
        spread=card.spread,
        copying=card.copying,
        probe=card.probe,
        modes=None if arena.modes is None else modes_found(model, arena.modes),
    )
    return row, model


_SAYS = {
    Density.EXACT: "exact",
    Density.BOUND: "bound",
    Density.UNNORMALIZED: "constant",
    Density.IMPLICIT: "nothing",
}


def as_asked(model: GenerativeModel, arena: World) -> GenerativeModel:
    r"""Return the model, or one around it that speaks the scale of its table.

    Where observations are gray levels, every model is asked about whole levels and
    draws whole levels. A flow answers with the bound

    $$\log P(x) \ge \E_u \log p\Bigl(\frac{255 x + u}{256}\Bigr) - d \log 256,$$

    of $d$ numbers and even noise $u$ from 0 to 1. On the plane a model that knows its
    density up to a constant is given the constant, by adding up cells.
    """
    if arena.levels:
        return _InLevels(model)
    if arena.truth is not None and isinstance(model, EnergyModel):
        return _SummedUp(model)
    return model


class _InLevels(GenerativeModel):
    """A model of pictures of levels k / 255, asked about them and drawing them.

    A flow knows a density of noisy levels; the others speak of whole ones already.
    """

    def __init__(self, model: GenerativeModel) -> None:
        super().__init__()
        self.model = model
        self.flow = model if isinstance(model, RealNVP) else None
        self.density = Density.BOUND if self.flow else model.density  # type: ignore[misc]

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        x = self.model.sample(n, generator=generator)
        level = (256 * x).floor() if self.flow else (255 * x).round()
        return level.clamp(0, 255) / 255

    def elbo(self, x: Tensor) -> Tensor:
        if self.flow is None:
            return self.model.elbo(x)
        per_level = x[0].numel() * math.log(256)
        return self.flow.log_prob(self.flow.dequantize(x)) - per_level

    def encode(self, x: Tensor) -> Tensor:
        return self.model.encode(self.flow.dequantize(x) if self.flow else x)


class _SummedUp(GenerativeModel):
    """A model on the plane that knows an energy, given the constant as well."""

    density = Density.EXACT

    def __init__(self, model: EnergyModel) -> None:
        super().__init__()
        self.model = model
        self.known = Normalized(model, model.log_constant((-12, 12, -12, 12)))

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        return self.model.sample(n, generator=generator)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.known.log_prob(x)


def modes_found(model: GenerativeModel, means: Tensor, *, std: float = 0.1) -> int:
    """Count the modes that get a fifth or more of their share of 10,000 samples.

    The samples are drawn from seed 0, so the count is the same each time.

    Args:
        model: A model on the plane.
        means: Centers of the modes, (k, 2), each with the same share.
        std: Standard deviation of a mode; what lies within four belongs to it.
    """
    x = model.sample(10_000, generator=Generator().manual_seed(0))
    distance, mode = torch.cdist(x, means).min(dim=1)
    counts = mode[distance < 4 * std].bincount(minlength=len(means))
    return int((counts >= 0.2 * len(x) / len(means)).sum())


Cell = Callable[[Sequence[Row]], str]


def table(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Return rows as text: a line for each kind, with the range over its seeds.

    A dash stands where a model has no answer, and "<" before what is a bound.

    Args:
        rows: Lines of one world.
        columns: Names from `COLUMNS`, as "told apart".

    Raises:
        ValueError: There are no rows, or there is no column of a name.
    """
    if not rows:
        raise ValueError("rows is empty; expected one row or more")
    if unknown := [name for name in columns if name not in COLUMNS]:
        raise ValueError(f"no column {unknown[0]!r}; there are {', '.join(COLUMNS)}")
    lines = [["", *columns]]
    for kind in dict.fromkeys(row.kind for row in rows):
        same = [row for row in rows if row.kind == kind]
        lines.append([kind, *(COLUMNS[name](same) for name in columns)])
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return "\n".join("  ".join(_aligned(cells, widths)).rstrip() for cells in lines)


def _aligned(cells: list[str], widths: list[int]) -> list[str]:
    """Return the first cell flush left, the others flush right."""
    numbers = zip(cells[1:], widths[1:], strict=True)
    return [cells[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in numbers)]


def _range(value: Callable[[Row], float | None], form: str) -> Cell:
    """Return a column of numbers: lowest to highest over the seeds, or a dash."""

    def cell(rows: Sequence[Row]) -> str:
        found = [v for row in rows if (v := value(row)) is not None]
        if not found:
            return "-"
        low, high = form.format(min(found)), form.format(max(found))
        return low if low == high else f"{low}-{high}"

    return cell


def _judged(value: Callable[[Row], float | None], form: str) -> Cell:
    """Return a column of costs, marked where the model has only a bound."""
    plain = _range(value, form)

    def cell(rows: Sequence[Row]) -> str:
        said = plain(rows)
        bound = rows[0].says == "bound" and said != "-"
        return f"< {said}" if bound else said

    return cell


def _cost(row: Row) -> float | None:
    return None if row.held_out is None else -row.held_out.value


def _bits(row: Row) -> float | None:
    nats = _cost(row)
    return None if nats is None else nats / row.size / math.log(2)


def _distance(row: Row) -> float | None:
    return None if row.distance is None else row.distance.value


COLUMNS: dict[str, Cell] = {
    "says": lambda rows: rows[0].says,
    "from the truth": _judged(_distance, "{:.3f}"),
    "nats": _judged(_cost, "{:.1f}"),
    "bits": _judged(_bits, "{:.2f}"),
    "told apart": _range(lambda row: row.told, "{:.2f}"),
    "modes": _range(lambda row: row.modes, "{:.0f}"),
    "spread": _range(lambda row: row.spread, "{:.2f}"),
    "copying": _range(lambda row: row.copying, "{:.2f}"),
    "probe": _range(lambda row: row.probe, "{:.2f}"),
    "ms for 64": _range(lambda row: 1000 * row.sampling, "{:,.1f}"),
    "parameters": _range(lambda row: row.parameters, "{:,}"),
    "steps": _range(lambda row: row.steps, "{:,}"),
    "seconds": _range(lambda row: row.training, "{:.0f}"),
}


PLANE, GRAY, COLOR, SHAPES = [2], [1, 28, 28], [3, 32, 32], [1, 32, 32]
_MADE = {"shape": PLANE, "hidden": [64, 64], "components": 20}
_VAE = {"shape": PLANE, "latent": 2, "hidden": [64, 64]}
_COINS = {
    "latent": 32,
    "likelihood": "bernoulli",
    "components": 100,
    "hidden": [128],
    "activation": "silu",
}
_LEVELS = {"latent": 32, "likelihood": "levels", "hidden": [128]}
_TWO_RATES = {"discriminator": 4e-3, "generator": 1e-3}
_GAN = {"penalty": 1}
_WALKS = {"chains": 512, "fresh": 0.02, "magnitude": 0.1}

# Settings of each chapter: batch size, learning rate, average.
ENTRIES: dict[str, tuple[Entry, ...]] = {
    "moons": (
        Entry("MADE", _MADE, 256, 1e-2),
        Entry("RealNVP", {"shape": PLANE, "couplings": 8, "hidden": 64}, 256, 4e-3),
        Entry("VAE", _VAE | {"components": 32}, 512, 3e-3),
        Entry("EnergyModel", {"shape": PLANE}, 256, 3e-3),
        Entry("DDPM", {"shape": PLANE}, 256, 1e-2),
        Entry("GAN", {"shape": PLANE}, 256, _TWO_RATES, 0.999),
    ),
    "mixture": (
        Entry("MADE", _MADE, 256, 1e-2),
        Entry("RealNVP", {"shape": PLANE, "couplings": 12}, 256, 2e-3),
        Entry("VAE", _VAE | {"components": 50}, 512, 5e-3),
        Entry("EnergyModel", {"shape": PLANE}, 256, 5e-3),
        Entry("DDPM", {"shape": PLANE}, 512, 1e-2),
        Entry("GAN", {"shape": PLANE, "latent_size": 2}, 256, _TWO_RATES, 0.999),
    ),
    "clothing, black and white": (
        Entry("MADE", {"shape": GRAY, "hidden": [1000]}, 128, 3e-3),
        Entry("PixelCNN", {"shape": GRAY, "channels": 32, "layers": 2}, 16, 5e-3),
        Entry("VAE", _COINS | {"shape": GRAY}, 256, 4e-3),
    ),
    "clothing, gray": (
        Entry("RealNVP", {"shape": GRAY}, 64, 6e-3),
        Entry("VAE", _LEVELS | {"shape": GRAY}, 64, 2e-3),
        Entry("EnergyModel", _WALKS | {"shape": GRAY, "hidden": [176, 128]}, 64, 1e-3),
        Entry("DDPM", {"shape": GRAY}, 64, 2e-3),
        Entry("GAN", _GAN | {"shape": GRAY}, 64, 1e-3, 0.999),
    ),
    "emoji, silhouettes": (
        Entry("MADE", {"shape": SHAPES, "hidden": [1000]}, 128, 3e-3),
        Entry("PixelCNN", {"shape": SHAPES, "channels": 32, "layers": 2}, 16, 5e-3),
        Entry("VAE", _COINS | {"shape": SHAPES}, 256, 4e-3),
    ),
    "emoji, color": (
        Entry("RealNVP", {"shape": COLOR, "hidden": 40}, 64, 4e-3),
        Entry("VAE", _LEVELS | {"shape": COLOR}, 64, 2e-3),
        Entry("EnergyModel", _WALKS | {"shape": COLOR, "hidden": [44, 128]}, 64, 1e-3),
        Entry("DDPM", {"shape": COLOR}, 64, 2e-3),
        Entry("GAN", _GAN | {"shape": COLOR, "latent_size": 20}, 64, 1e-3, 0.999),
    ),
}


def record(name: str) -> list[Row]:
    """Return the rows that were measured in a world, and ship with the book.

    `make retrain MODEL=comparison` measures them anew; that takes about half an hour.

    Raises:
        ValueError: There is no world of that name.
    """
    text = FOLDER.joinpath(f"{stem(name)}.json").read_text("utf-8")
    return [_row(told) for told in json.loads(text)["rows"]]


def drawn(name: str) -> dict[str, Tensor]:
    """Return samples of the models of `record`, by kind: whole gray levels, uint8."""
    found = load(FOLDER.joinpath(f"{stem(name)}.safetensors").read_bytes())
    return {entry.kind: found[entry.kind] for entry in ENTRIES[name]}


def stem(name: str) -> str:
    """Return what the files of a world are called, without the ending."""
    return _known(name).replace(",", "").replace(" ", "-")


def _row(told: dict[str, Any]) -> Row:
    held, distance = (
        None if told[key] is None else Estimate(*told[key])
        for key in ("held_out", "distance")
    )
    return Row(**{**told, "held_out": held, "distance": distance})
