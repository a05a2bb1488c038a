"""One training loop for every chapter; it knows nothing of the model."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice

import torch
from torch import Tensor, nn
from tqdm import tqdm

from gdlbook._fit.checkpoint import Checkpoint
from gdlbook._fit.history import History
from gdlbook._fit.inputs import Data, Settings, Trainable, check, likely_causes
from gdlbook._fit.run import DivergedError, Run

__all__ = ["History", "Trainable", "fit", "one_thread"]


def fit(
    model: Trainable,
    data: Data,
    *,
    steps: int,
    seed: int = 0,
    batch_size: int = 32,
    learning_rate: float | Mapping[str, float] = 1e-3,
    anneal: bool = False,
    average: float = 0.0,
    validation: Data | None = None,
    every: int | None = None,
    patience: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> History:
    """Train a model by Adam on batches drawn from memory.

    An epoch visits every row once, in an order of its own; its last batch may be
    smaller. Each step takes one batch to every objective in turn: the loss on it, the
    gradient with respect to the parameters of that objective alone, one update by an
    Adam of its own (https://arxiv.org/abs/1412.6980). All of it runs on one thread and
    in a random state forked from the caller's, so the same seed gives the same weights
    to the last bit, whatever ran before. The mode of each module, the number of
    threads and the random state are afterwards what they were before.

    Args:
        model: Anything with `objectives()`, which returns `{name: (loss, parameters)}`
            where `loss(*batch)` is a scalar tensor, a mean over the batch. A module is
            in training mode while it learns and in evaluation mode while it is
            validated; of any other object only the parameters are looked after.
        data: A tensor (n, ...), or a tuple of tensors of n rows each, as `(x, y)`.
        steps: Updates to make, those of an interrupted run included.
        seed: Of the order of the rows, and of whatever the losses draw.
        batch_size: Rows in a batch.
        learning_rate: Of Adam; or `{name: rate}` with one for each loss.
        anneal: Let the learning rate fall to zero along half a cosine by the last step
            (https://arxiv.org/abs/1608.03983); what a constant rate leaves unsettled
            comes to rest.
        average: Decay d of an exponential moving average a of the trained weights w,
            as 0.999: after step t, `a = d_t * a + (1 - d_t) * w` with
            `d_t = min(d, t / (t + 9))`, so that a short run forgets its start.
            Validation measures a, and the model ends with it. 0 is none
            (https://arxiv.org/abs/1806.04498).
        validation: Rows held out, shaped as the data: each loss is measured on them
            without gradients, with the same draws each time. Never the test part.
        every: Steps from one validation, or checkpoint, to the next; an epoch if not
            given, or all the steps if there are fewer.
        patience: Stop after so many validations in a row without a new best, and in
            any case end with the weights of the best one.
        checkpoint: A file, written every `every` steps and at the end. If it is there
            already, the run that wrote it goes on from it, and ends as if nothing had
            come between. Only `steps` may then differ, and with `anneal` not even that.
        progress: Show a bar with loss and rate, if stderr is a terminal.

    Returns:
        The losses of every step and of every validation.

    Raises:
        FloatingPointError: A loss or its gradient is not finite. The model keeps the
            weights of the update before, which are.
        TypeError: The model or the data are of a kind that cannot be trained.
        ValueError: A number, a shape, a loss or the checkpoint does not fit.
    """
    settings = check(
        data,
        validation,
        steps,
        seed,
        batch_size,
        learning_rate,
        anneal,
        average,
        every,
        patience,
    )
    run = Run(model, settings)
    store = None if checkpoint is None else Checkpoint(checkpoint, settings)
    with one_thread(), _training(model), _random_numbers(seed):
        if store is not None:
            store.resume(run)
        try:
            _train(model, run, settings, store, progress)
        except DivergedError as what:
            raise FloatingPointError(f"{what}. {likely_causes(settings)}") from None
    run.settle()
    return run.history()


def _train(
    model: Trainable,
    run: Run,
    settings: Settings,
    store: Checkpoint | None,
    progress: bool,
) -> None:
    """Step through the batches; at the end of each period validate and save."""
    data, every = run.laid_out(settings.data), settings.every
    batches = islice(_batches(settings), run.done, settings.steps)
    start = time.perf_counter() - run.seconds
    with tqdm(
        total=settings.steps,
        initial=run.done,
        unit=" steps",
        mininterval=0.25,
        disable=None if progress else True,  # None: off unless stderr is a terminal
    ) as bar:
        while run.done < settings.steps and not run.out_of_patience:
            for rows in islice(batches, every - run.done % every):
                run.step([tensor[rows] for tensor in data])
                if bar.update():
                    bar.set_postfix_str(run.last(), refresh=False)
            if settings.validation and run.done % every == 0:
                with _evaluation(model, settings.seed), run.averaged():
                    run.validate(settings.validation)
            run.seconds = time.perf_counter() - start
            if store is not None:
                store.save(run)
        bar.set_postfix_str(run.last(), refresh=False)


def _batches(settings: Settings) -> Iterator[Tensor]:
    """Yield the row numbers of each batch, epoch after epoch, without end."""
    order = torch.Generator().manual_seed(settings.seed)
    while True:
        epoch = torch.randperm(len(settings.data[0]), generator=order)
        yield from torch.split(epoch, settings.batch_size)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread within the block, then on as many as before.

    Networks as small as the book's lose more by sharing a sum than they gain, and the
    order of the sum, so its last bits, would depend on the machine.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _random_numbers(seed: int) -> Iterator[None]:
    """Draw from `seed` within the block, and leave the caller's random state alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


@contextmanager
def _training(model: Trainable) -> Iterator[None]:
    """Hold a module in training mode, then give each part its own mode back."""
    if not isinstance(model, nn.Module):
        yield
        return
    modes = {module: module.training for module in model.modules()}
    model.train()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def _evaluation(model: Trainable, seed: int) -> Iterator[None]:
    """Measure without gradients, in evaluation mode, with the same draws each time."""
    with torch.no_grad(), _random_numbers(seed):
        if not isinstance(model, nn.Module):
            yield
            return
        model.eval()
        yield
        model.train()
