"""The state of a training run: weights, one Adam for each objective, the record."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from gdlbook._fit.history import History
from gdlbook._fit.inputs import Loss, Settings, Trainable, finite, objectives


class DivergedError(Exception):
    """A loss or a gradient that is not finite."""


class Objective:
    """One loss, the parameters that it trains, its Adam, and its value at each step."""

    def __init__(self, name: str, loss: Loss, parameters: list[Tensor]) -> None:
        self.name, self.loss, self.parameters = name, loss, parameters
        self.optimizer = torch.optim.Adam(parameters, fused=True)  # step sets its rate
        self.trace: list[float] = []
        self.validation: list[float] = []

    def step(self, batch: Sequence[Tensor], rate: float) -> None:
        """Descend the loss on one batch by one update at that learning rate."""
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad()
        loss = self.loss(*batch)
        value = self.value(loss)
        if not loss.requires_grad:
            raise ValueError(
                f"loss {self.name!r} does not depend on anything with a gradient: was "
                "it detached, or computed under no_grad?"
            )
        # Nobody else's .grad is touched: a generator's loss passes through the critic.
        loss.backward(inputs=self.parameters)  # type: ignore[no-untyped-call]
        self._check_gradient(value)
        self.optimizer.step()
        self.trace.append(value)

    def value(self, loss: Tensor) -> float:
        """Return a loss as a finite number, or raise."""
        if not isinstance(loss, Tensor) or loss.dim():
            kind = type(loss).__name__
            shape = f" of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else ""
            raise ValueError(
                f"loss {self.name!r} returned a {kind}{shape}; expected a scalar "
                "tensor, such as the mean over the batch"
            )
        value = float(loss.item())
        if not math.isfinite(value):
            raise DivergedError(f"loss {self.name!r} is {value}")
        return value

    def _check_gradient(self, value: float) -> None:
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        if not gradients:
            raise ValueError(
                f"loss {self.name!r} reaches none of its {len(self.parameters)} "
                "parameters: objectives() pairs it with the wrong ones"
            )
        if not all(map(finite, gradients)):
            bad = sum(int((~gradient.isfinite()).sum()) for gradient in gradients)
            raise DivergedError(
                f"loss {self.name!r} is {value:.6g}, but {bad:,} of "
                f"{sum(map(torch.numel, gradients)):,} entries of its gradient are NaN "
                "or infinite"
            )


class Run:
    """Everything that changes as a model is trained."""

    def __init__(self, model: Trainable, settings: Settings) -> None:
        self.objectives = [
            Objective(name, loss, parameters)
            for name, (loss, parameters) in objectives(model).items()
        ]
        names = [objective.name for objective in self.objectives]
        rates = settings.learning_rate
        if isinstance(rates, dict) and sorted(rates) != sorted(names):
            raise ValueError(
                f"learning_rate has rates for {list(rates)}; expected one for each of "
                f"the losses {names}"
            )
        if settings.patience is not None and len(self.objectives) > 1:
            raise ValueError(
                f"patience={settings.patience} with the losses {names}: one loss can "
                "tell which weights are best, several that play against each other "
                "cannot"
            )
        self.patience = settings.patience
        self.rate = settings.rate
        self.weights = _weights(model, self.objectives)
        # What a layer keeps of its batches (running means) is a vector for each layer;
        # larger buffers are masks and tables, which do not change.
        self.running = {
            name: tensor
            for name, tensor in self.weights.items()
            if not tensor.requires_grad and tensor.dim() < 2
        }
        self.decay = settings.average
        trained = {id(p) for o in self.objectives for p in o.parameters}
        self.average = {
            name: tensor.detach().clone()
            for name, tensor in self.weights.items()
            if self.decay and id(tensor) in trained
        }
        self.best: dict[str, Tensor] = {}
        self.steps: list[int] = []
        self.done = 0
        self.seconds = 0.0

    def step(self, batch: Sequence[Tensor]) -> None:
        """Give one batch to every objective in turn."""
        before = {name: tensor.clone() for name, tensor in self.running.items()}
        try:
            for objective in self.objectives:
                objective.step(batch, self.rate(objective.name, self.done))
        except DivergedError as what:
            copy(before, into=self.running)
            raise DivergedError(f"step {self.done + 1:,}: {what}") from None
        self.done += 1
        if self.average:
            # Held down at first, or the average would remember where it started.
            decay = min(self.decay, self.done / (self.done + 9))
            now = [self.weights[name] for name in self.average]
            update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
            update(list(self.average.values()), now, self.done)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Give the model its averaged weights within the block, if there are any."""
        now = {name: self.weights[name].detach().clone() for name in self.average}
        copy(self.average, into=self.weights)
        try:
            yield
        finally:
            copy(now, into=self.weights)

    def laid_out(self, data: Sequence[Tensor]) -> list[Tensor]:
        """Put pictures channels last in memory for a model with filters.

        Convolutions of color pictures run about 1.15 times as fast so. A model without
        filters, which has to flatten them, would be slower.
        """
        filters = any(weight.dim() == 4 for weight in self.weights.values())
        last = torch.channels_last
        return [
            x.contiguous(memory_format=last) if filters and x.dim() == 4 else x
            for x in data
        ]

    def validate(self, held: Sequence[Tensor], *, rows: int = 256) -> None:
        """Record the mean of every loss over the validation part."""
        batches = list(zip(*(torch.split(t, rows) for t in held), strict=True))
        for objective in self.objectives:
            try:
                total = sum(
                    objective.value(objective.loss(*batch)) * len(batch[0])
                    for batch in batches
                )
            except DivergedError as what:
                raise DivergedError(
                    f"validation after step {self.done:,}: {what}"
                ) from None
            objective.validation.append(total / len(held[0]))
        self.steps.append(self.done)
        if self.patience is not None and self.waited == 0:
            self.best = {name: t.detach().clone() for name, t in self.weights.items()}

    @property
    def waited(self) -> int:
        """Validations since the best one, by the first objective."""
        values = self.objectives[0].validation
        return len(values) - 1 - int(np.argmin(values)) if values else 0

    @property
    def out_of_patience(self) -> bool:
        """Whether so many validations were no better that training is to stop."""
        return self.patience is not None and self.waited >= self.patience

    def settle(self) -> None:
        """Give the model its averaged weights, or those of the best validation."""
        copy(self.average, into=self.weights)
        copy(self.best, into=self.weights)

    def last(self) -> str:
        """Return the losses of the last step, for the progress bar."""
        return ", ".join(f"{o.name} {o.trace[-1]:.4g}" for o in self.objectives)

    def history(self) -> History:
        """Return the record so far."""
        return History(
            loss={o.name: np.array(o.trace) for o in self.objectives},
            validation={o.name: np.array(o.validation) for o in self.objectives},
            steps=np.array(self.steps, dtype=np.int64),
            stopped_early=self.out_of_patience,
            seconds=self.seconds,
        )


def _weights(model: Trainable, trained: Sequence[Objective]) -> dict[str, Tensor]:
    """Name every tensor of the model: parameters, buffers, whatever else it trains."""
    named: dict[str, Tensor] = {}
    if isinstance(model, nn.Module):
        named = dict([*model.named_parameters(), *model.named_buffers()])
    known = {id(tensor) for tensor in named.values()}
    for objective in trained:
        for place, parameter in enumerate(objective.parameters):
            if id(parameter) not in known:
                named[f"{objective.name}.{place}"] = parameter
                known.add(id(parameter))
    return named


def copy(values: Mapping[str, Tensor], into: Mapping[str, Tensor]) -> None:
    """Write values into tensors of the same names, each in its own memory format."""
    with torch.no_grad():
        for name, value in values.items():
            into[name].copy_(value)
