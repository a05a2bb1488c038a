"""What `fit` accepts, and the sentences for what it does not."""

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Protocol

import torch

Loss = Callable[..., torch.Tensor]
Data = torch.Tensor | Sequence[torch.Tensor]


class Trainable(Protocol):
    """What `fit` can train: whatever declares its objectives."""

    def objectives(self) -> Mapping[str, tuple[Loss, Iterable[torch.Tensor]]]:
        """Name each loss, a function of a batch, and the parameters that it trains."""
        ...


@dataclass(frozen=True)
class Settings:
    """What was asked of `fit`, checked."""

    data: tuple[torch.Tensor, ...]
    validation: tuple[torch.Tensor, ...]  # () if there is none
    steps: int
    seed: int
    batch_size: int
    learning_rate: float | dict[str, float]  # one for all losses, or one for each
    anneal: bool
    average: float
    every: int
    patience: int | None

    def rate(self, loss: str, step: int) -> float:
        """Return the learning rate of a loss in a step, counted from 0."""
        rate = self.learning_rate
        first = rate if isinstance(rate, float) else rate[loss]
        if not self.anneal:
            return first
        return first * (1 + math.cos(math.pi * step / self.steps)) / 2


def check(
    data: Data,
    validation: Data | None,
    steps: int,
    seed: int,
    batch_size: int,
    learning_rate: float | Mapping[str, float],
    anneal: bool,
    average: float,
    every: int | None,
    patience: int | None,
) -> Settings:
    """Return the settings of a run, or raise with a sentence that says what is off."""
    rows = _tensors("data", data)
    held = () if validation is None else _held_out(validation, rows)
    steps, batch_size = _whole("steps", steps), _whole("batch_size", batch_size)
    if not isinstance(anneal, bool):
        raise TypeError(f"anneal is {anneal!r}; expected True or False")
    if not isinstance(average, Real) or not 0 <= average < 1:
        raise ValueError(
            f"average is {average!r}; expected a number from 0 to below 1, as 0.999"
        )
    if patience is not None and not held:
        raise ValueError(
            f"patience={patience!r} without validation: a part of the data has to be "
            "held out to tell when to stop"
        )
    epoch = math.ceil(len(rows[0]) / batch_size)
    every = min(steps, epoch) if every is None else _whole("every", every)
    if held and every > steps:
        raise ValueError(
            f"every={every} is more than steps={steps}: validation is never measured"
        )
    return Settings(
        data=rows,
        validation=held,
        steps=steps,
        seed=_whole("seed", seed, least=0),
        batch_size=batch_size,
        learning_rate=_rates(learning_rate),
        anneal=anneal,
        average=float(average),
        every=every,
        patience=None if patience is None else _whole("patience", patience),
    )


def likely_causes(settings: Settings) -> str:
    """Say what most often makes a loss infinite, with the numbers of this run."""
    ranges = [
        f"{float(part.min()):.4g} to {float(part.max()):.4g}"
        for part in settings.data
        if part.is_floating_point()
    ]
    scale = f" (they run from {' and from '.join(ranges)})" if ranges else ""
    return (
        f"Likely causes: a learning rate that is too large ({settings.learning_rate} "
        "here), the logarithm of zero, a division by zero or the exponential of a "
        f"large number in the loss, or data that were not scaled{scale}. The weights "
        "are those of the last update that was finite."
    )


def finite(tensor: torch.Tensor) -> bool:
    """Whether no entry is NaN or infinite."""
    # A NaN stays in the sum, and summing is many times as fast as looking at each. A
    # sum may overflow where no entry does, so only a suspicion is looked into.
    return math.isfinite(float(tensor.sum())) or bool(tensor.isfinite().all())


def _rates(learning_rate: float | Mapping[str, float]) -> float | dict[str, float]:
    """Return one rate, or one for each loss, or raise."""
    if isinstance(learning_rate, Mapping):
        return {name: _rate(rate) for name, rate in learning_rate.items()}
    return _rate(learning_rate)


def _rate(learning_rate: float) -> float:
    if not isinstance(learning_rate, Real) or not 0 < learning_rate < math.inf:
        raise ValueError(
            f"learning_rate is {learning_rate!r}; expected a number above 0, as 0.001, "
            "or one for each loss"
        )
    return float(learning_rate)


def _whole(name: str, value: int, *, least: int = 1) -> int:
    """Return `value` as an int of at least `least`, or raise."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or number < least:
        raise ValueError(
            f"{name} is {value!r}; expected a whole number of at least {least}"
        )
    return number


def _tensors(name: str, data: Data) -> tuple[torch.Tensor, ...]:
    """Return the data as a tuple of finite tensors of one length, or raise."""
    parts = (data,) if isinstance(data, torch.Tensor) else data
    if not isinstance(parts, tuple | list) or not all(
        isinstance(part, torch.Tensor) for part in parts
    ):
        seen = type(data).__name__
        if isinstance(data, tuple | list):
            seen += f" of {', '.join(type(part).__name__ for part in data)}"
        raise TypeError(
            f"{name} is a {seen}; expected a tensor or a tuple of tensors, as "
            "torch.from_numpy or gdlbook.to_tensor make of arrays"
        )
    shapes = [tuple(part.shape) for part in parts]
    if not shapes or any(not shape or shape[0] == 0 for shape in shapes):
        raise ValueError(f"{name} holds no rows: shapes {shapes}")
    if len({shape[0] for shape in shapes}) > 1:
        raise ValueError(f"{name} holds tensors of different lengths: shapes {shapes}")
    for place, part in enumerate(parts):
        if not finite(part):
            bad = int((~part.isfinite()).sum())
            raise ValueError(
                f"{name}: {bad:,} of {part.numel():,} values of tensor {place}, shape "
                f"{shapes[place]}, are NaN or infinite; expected finite numbers"
            )
    return tuple(part.detach() for part in parts)


def _held_out(
    validation: Data, data: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, ...]:
    """Return the validation part, or raise if its rows are unlike those of the data."""
    held = _tensors("validation", validation)
    theirs, ours = ([tuple(t.shape[1:]) for t in part] for part in (held, data))
    if theirs != ours:
        raise ValueError(
            f"a row of validation has shapes {theirs}, a row of data {ours}; "
            "expected the same"
        )
    return held


def objectives(model: Trainable) -> dict[str, tuple[Loss, list[torch.Tensor]]]:
    """Return what the model declares, each loss with a list of its parameters."""
    if not callable(getattr(model, "objectives", None)):
        raise TypeError(
            f"{type(model).__name__} has no objectives(); fit needs it to return, for "
            "each loss, its name, a function of the batch and the parameters to train"
        )
    declared = model.objectives()
    if not isinstance(declared, Mapping) or not declared:
        raise ValueError(
            f"{type(model).__name__}.objectives() returned {declared!r}; expected a "
            "dict of at least one name to (loss, parameters)"
        )
    checked = {}
    for name, pair in declared.items():
        if not (isinstance(pair, tuple) and len(pair) == 2 and callable(pair[0])):
            raise TypeError(
                f"objective {name!r} is {pair!r}; expected (loss, parameters), where "
                "loss is a function of the batch"
            )
        checked[name] = (pair[0], _trained(name, pair[1]))
    return checked


def _trained(name: str, parameters: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    """Return the parameters of one objective that are to be trained."""
    every = list(parameters)
    for parameter in every:
        if not isinstance(parameter, torch.Tensor) or not parameter.is_leaf:
            raise TypeError(
                f"objective {name!r} lists a {type(parameter).__name__} that is no "
                "parameter; expected leaf tensors, as parameters() returns"
            )
    free = [parameter for parameter in every if parameter.requires_grad]
    if not free:
        raise ValueError(
            f"objective {name!r} has nothing to train: {len(every)} parameters, none "
            "of them with requires_grad"
        )
    return free
