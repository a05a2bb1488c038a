"""fit: right to the last bit, the same every time, and clear about what it refuses."""

import io
import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim.swa_utils import AveragedModel

from gdlbook.train import History, fit, one_thread

N, BATCH, STEPS = 50, 8, 30  # 7 batches an epoch, the last one smaller


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(N, 5, generator=generator)
    return x, (x[:, 0] * x[:, 1] > 0).long()


class Net(nn.Module):
    """Everything that has a state: weights, running means, random numbers."""

    def __init__(self, *, width: int = 6) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.net = nn.Sequential(
                nn.Linear(5, width),
                nn.BatchNorm1d(width),
                nn.ReLU(),
                nn.Dropout(0.3),
                nn.Linear(width, 2),
            )
        self.register_buffer("mask", torch.ones(2, 2))

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        return nn.functional.cross_entropy(self.net(x), y)

    def objectives(self) -> Any:
        return {"loss": (self.loss, self.parameters())}


class Pictures(nn.Module):
    """A convolution whose weights lie in memory channels last."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            layer = nn.Conv2d(3, 4, 3)
        self.layer = layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def objectives(self) -> Any:
        return {"loss": (lambda x: self.layer(x).square().mean(), self.parameters())}


class Game:
    """Two players that share a graph, and no module: a tiny GAN on a line."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.g = torch.randn(2, generator=generator).requires_grad_()
        self.d = torch.randn(2, generator=generator).requires_grad_()

    def fake(self, n: int) -> Tensor:
        return self.g[0] * torch.randn(n) + self.g[1]

    def critic(self, x: Tensor) -> Tensor:
        # The fake is not detached: it is for fit to keep the players apart.
        real, fake = (
            self.d[0] * x + self.d[1],
            self.d[0] * self.fake(len(x)) + self.d[1],
        )
        return softplus(-real).mean() + softplus(fake).mean()

    def generator(self, x: Tensor) -> Tensor:
        return softplus(-self.d[0] * self.fake(len(x)) - self.d[1]).mean()

    def objectives(self) -> Any:
        return {
            "critic": (self.critic, [self.d]),
            "generator": (self.generator, [self.g]),
        }


class Line:
    """The least that can be trained; `loss` may be anything."""

    def __init__(self, loss: Callable[..., Any] | None = None) -> None:
        self.w = torch.ones(5).requires_grad_()
        self.loss = loss or (lambda x: (x @ self.w).square().mean())

    def objectives(self) -> Any:
        return {"loss": (self.loss, [self.w])}


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def train(model: Any, **changes: Any) -> History:
    settings: dict[str, Any] = {"steps": STEPS, "batch_size": BATCH, "seed": 3}
    return fit(model, data(), **settings | {"learning_rate": 0.01} | changes)


def batches(n: int, size: int, seed: int, steps: int) -> list[Tensor]:
    """The order of the rows as the page describes it, written out plainly."""
    generator, order = torch.Generator().manual_seed(seed), list[Tensor]()
    while len(order) < steps:
        epoch = torch.randperm(n, generator=generator)
        order += [epoch[start : start + size] for start in range(0, n, size)]
    return order[:steps]


# What is learned


def test_equals_a_loop_written_by_hand() -> None:
    model, other = Net(), Net()
    history = train(model)
    x, y = data()
    losses = []
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        optimizer = torch.optim.Adam(other.parameters(), lr=0.01, fused=True)
        for rows in batches(N, BATCH, 3, STEPS):
            optimizer.zero_grad()
            loss = other.loss(x[rows], y[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.item())
    assert_same(weights(model), weights(other))
    assert history.loss["loss"].tolist() == losses


def test_is_adam_as_torch_has_it_by_default() -> None:
    model, other = Line(), Line()
    train_line = {"steps": STEPS, "batch_size": BATCH, "seed": 3, "learning_rate": 0.01}
    fit(model, data()[0], **train_line)  # type: ignore[arg-type]
    optimizer = torch.optim.Adam([other.w], lr=0.01)
    for rows in batches(N, BATCH, 3, STEPS):
        (other.w.grad,) = torch.autograd.grad(other.loss(data()[0][rows]), [other.w])
        optimizer.step()
    torch.testing.assert_close(model.w, other.w)


def test_a_falling_rate_is_the_cosine_of_torch() -> None:
    model, other = Line(), Line()
    train_line = {"steps": STEPS, "batch_size": BATCH, "seed": 3, "learning_rate": 0.05}
    fit(model, data()[0], anneal=True, **train_line)  # type: ignore[arg-type]
    optimizer = torch.optim.Adam([other.w], lr=0.05)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for rows in batches(N, BATCH, 3, STEPS):
        (other.w.grad,) = torch.autograd.grad(other.loss(data()[0][rows]), [other.w])
        optimizer.step()
        falling.step()
    torch.testing.assert_close(model.w, other.w)


def test_the_average_is_that_of_torch_and_changes_nothing_of_what_is_learned() -> None:
    model, other, x = Line(), Line(), data()[0]
    line: dict[str, Any] = {"steps": STEPS, "batch_size": BATCH, "seed": 3}
    line |= {"learning_rate": 0.05}
    history = fit(model, x, average=0.8, **line)
    average = AveragedModel(
        nn.ParameterList([other.w]),
        avg_fn=lambda kept, now, n: now + min(0.8, (n + 1) / (n + 10)) * (kept - now),
    )
    optimizer = torch.optim.Adam([other.w], lr=0.05, fused=True)
    for step, rows in enumerate(batches(N, BATCH, 3, STEPS)):
        (other.w.grad,) = torch.autograd.grad(other.loss(x[rows]), [other.w])
        optimizer.step()
        average.update_parameters(nn.ParameterList([other.w]))
        if step == 0:  # its first update copies, that of fit has a tenth of the start
            with torch.no_grad():
                average.module[0].copy_(0.1 * torch.ones(5) + 0.9 * other.w)
    torch.testing.assert_close(model.w, average.module[0].detach(), check_stride=False)
    assert not torch.allclose(model.w, other.w, atol=1e-3)
    plain = fit(Line(), x, **line)
    assert history == plain


def test_a_weight_that_rests_is_its_own_average_after_few_steps() -> None:
    model = Line(lambda x: (model.w - 3).square().mean() + 0 * x.mean())
    fit(model, data()[0], steps=60, learning_rate=0.5, anneal=True, average=0.999)
    assert (model.w - 3).abs().max() < 0.3  # without the start's release: 1.9 away


def test_validation_and_patience_look_at_the_average() -> None:
    model = Line()
    settings: dict[str, Any] = {"steps": 12, "every": 3, "learning_rate": 0.2}
    settings |= {"validation": data()[0], "average": 0.9}
    history = fit(model, data()[0], **settings)
    assert model.loss(data()[0]).item() == history.validation["loss"][-1]
    drifting = Drift()
    history = drift(drifting, average=0.5)
    assert history.stopped_early
    assert drifting.w.square().item() == history.validation["loss"].min()


def test_color_pictures_lie_channels_last_for_a_model_with_filters() -> None:
    seen = []

    class Filters(nn.Module):
        def __init__(self, parameter: Tensor) -> None:
            super().__init__()
            self.w = nn.Parameter(parameter)

        def objectives(self) -> Any:
            return {"loss": (self.loss, [self.w])}

        def loss(self, x: Tensor) -> Tensor:
            seen.append(x.stride()[1] == 1)
            return self.w.sum() * x.mean()

    x = torch.randn(20, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    for parameter in (torch.ones(2, 3, 2, 2), torch.ones(2, 108)):
        fit(Filters(parameter), x, steps=1)
    assert seen == [True, False]
    assert x.is_contiguous()


def played_apart(game: Game, x: Tensor, rates: dict[str, float]) -> None:
    """Train both players by a loop that keeps them apart, written out plainly."""
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        players = [
            (loss, parameters, torch.optim.Adam(parameters, lr=rates[name], fused=True))
            for name, (loss, parameters) in game.objectives().items()
        ]
        for rows in batches(N, BATCH, 2, STEPS):
            for loss, parameters, optimizer in players:
                gradients = torch.autograd.grad(loss(x[rows]), parameters)
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    parameter.grad = gradient
                optimizer.step()


EQUAL, UNEQUAL = (
    {"critic": rate, "generator": other} for rate, other in ((0.05, 0.05), (0.04, 0.01))
)


@pytest.mark.parametrize(
    ("asked", "rates"), [(0.05, EQUAL), (UNEQUAL, UNEQUAL)], ids=["one", "each"]
)
def test_two_objectives_equal_a_loop_that_keeps_them_apart(
    asked: Any, rates: dict[str, float]
) -> None:
    game, other, x = Game(), Game(), data()[0][:, 0]
    settings: dict[str, Any] = {"steps": STEPS, "batch_size": BATCH, "seed": 2}
    history = fit(game, x, learning_rate=asked, **settings)
    played_apart(other, x, rates)
    assert torch.equal(game.g, other.g)
    assert torch.equal(game.d, other.d)
    assert list(history.loss) == ["critic", "generator"]


def test_a_loss_leaves_the_gradients_of_other_parameters_alone() -> None:
    game, seen = Game(), []
    objectives = game.objectives()

    def generator(x: Tensor) -> Tensor:
        seen.append((game.g.grad, game.d.grad.clone()))  # type: ignore[union-attr]
        return game.generator(x)

    game.objectives = lambda: objectives | {"generator": (generator, [game.g])}  # type: ignore[method-assign]
    fit(game, data()[0][:, 0], steps=1)
    assert seen[0][0] is None
    assert game.d.grad is not None
    assert torch.equal(game.d.grad, seen[0][1])


def test_an_epoch_visits_every_row_once() -> None:
    seen: list[int] = []

    def loss(x: Tensor) -> Tensor:
        seen.extend(x[:, 0].long().tolist())
        return (x @ model.w).square().mean()

    model = Line(loss)
    rows = torch.arange(N).float()[:, None].expand(N, 5)
    fit(model, rows, steps=14, batch_size=BATCH)
    first, second = seen[:N], seen[N:]
    assert sorted(first) == sorted(second) == list(range(N))
    assert first != second
    assert first != sorted(first)


def test_what_is_frozen_stays() -> None:
    model = Net()
    model.net[0].weight.requires_grad_(False)
    before = weights(model)
    train(model)
    changed = {n for n, t in weights(model).items() if not torch.equal(t, before[n])}
    assert "net.0.weight" not in changed
    assert "net.0.bias" in changed


# The same every time, and nothing left behind


def test_same_seed_same_result_whatever_ran_before() -> None:
    model, other = Net(), Net()
    history = train(model)
    torch.rand(17)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert train(other) == history
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert_same(weights(model), weights(other))
    assert train(Net(), seed=4) != history


def test_runs_on_one_thread() -> None:
    seen = []

    def loss(x: Tensor) -> Tensor:
        seen.append(torch.get_num_threads())
        return (x @ model.w).square().mean()

    model, threads = Line(loss), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        fit(model, data()[0], steps=1)
    finally:
        torch.set_num_threads(threads)
    assert seen == [1]


def test_leaves_the_random_state_and_the_modes_alone() -> None:
    model = Net()
    model.eval()
    model.net[1].train()
    before = torch.get_rng_state()
    train(model, validation=data(), every=10)
    assert torch.equal(torch.get_rng_state(), before)
    assert [m.training for m in model.net] == [False, True, False, False, False]
    assert not model.training


def test_learns_in_training_mode_whatever_the_mode_before() -> None:
    model, other = Net(), Net()
    other.eval()
    assert train(model) == train(other)


def test_one_thread_gives_back_the_number_after_an_error() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyError), one_thread():
            dict[str, int]()["an error"]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


# Validation


def test_validation_is_the_mean_over_its_rows_in_evaluation_mode() -> None:
    x, y = torch.randn(300, 5), torch.zeros(300, dtype=torch.long)  # 256 and 44 rows
    model = Net()
    history = train(model, validation=(x, y), every=10)
    assert history.steps.tolist() == [10, 20, 30]
    model.eval()
    expected = model.loss(x, y).item()
    assert history.validation["loss"][-1] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("average", [0, 0.9])
def test_validation_changes_nothing_of_what_is_learned(average: float) -> None:
    model, other = Net(), Net()
    expected = train(model, average=average).loss["loss"]
    history = train(other, validation=data(), every=4, average=average)
    assert np.array_equal(history.loss["loss"], expected)
    assert_same(weights(model), weights(other))


def test_validation_draws_the_same_numbers_each_time_and_needs_no_gradient() -> None:
    seen = []

    def loss(x: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            seen.append(torch.rand(()).item())
        return (x @ model.w).square().mean()

    model = Line(loss)
    fit(model, data()[0], steps=4, validation=data()[0], every=2)
    assert len(seen) == 2
    assert seen[0] == seen[1]


def test_validation_comes_once_an_epoch_by_default() -> None:
    assert train(Net(), validation=data()).steps.tolist() == [7, 14, 21, 28]
    assert train(Net(), validation=data(), steps=5).steps.tolist() == [5]


class Drift:
    """Walks through the best weight, 0 at the validation part, and away from it."""

    def __init__(self) -> None:
        self.w = torch.tensor([1.0], requires_grad=True)

    def loss(self, x: Tensor) -> Tensor:
        # Trained toward -10; validated, without gradients, by the distance from 0.
        return ((self.w + 10 if torch.is_grad_enabled() else self.w) ** 2).mean()

    def objectives(self) -> Any:
        return {"loss": (self.loss, [self.w])}


def drift(model: Drift, **changes: Any) -> History:
    settings: dict[str, Any] = {"steps": 100, "every": 1, "patience": 3}
    x = torch.zeros(4, 1)
    settings |= {"validation": x, "learning_rate": 0.1} | changes
    return fit(model, x, **settings)


def test_patience_stops_early_with_the_best_weights() -> None:
    model = Drift()
    history = drift(model)
    values = history.validation["loss"]
    best = int(values.argmin())
    assert history.stopped_early
    assert len(values) == best + 1 + 3
    assert len(history.loss["loss"]) == len(values) < 100
    assert model.w.square().item() == values[best] < values[-1]


def test_the_best_weights_come_back_also_when_the_steps_run_out() -> None:
    model = Drift()
    history = drift(model, steps=14, patience=50)
    assert not history.stopped_early
    assert len(history.loss["loss"]) == 14
    assert model.w.square().item() == history.validation["loss"].min()
    assert history.validation["loss"].argmin() < 13


# Checkpoints


def interrupted(model: Any, at: int, run: Callable[[], object]) -> None:
    """Run until the loss is asked for the given time, then press Ctrl-C."""
    objectives, calls = model.objectives(), 0

    def wrap(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def wrapped(*batch: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            if calls == at:
                raise KeyboardInterrupt
            return loss(*batch)

        return wrapped

    declared = {k: (wrap(loss), list(p)) for k, (loss, p) in objectives.items()}
    model.objectives = lambda: declared
    try:
        with pytest.raises(KeyboardInterrupt):
            run()
    finally:
        del model.objectives


@pytest.mark.parametrize("at", [1, 5, 11, 12, 19, 33])
@pytest.mark.parametrize("fresh", [True, False])
def test_interrupted_work_goes_on_to_the_same_bits(
    at: int, fresh: bool, tmp_path: Path
) -> None:
    model, file = Net(), tmp_path / "run.safetensors"
    settings: dict[str, Any] = {"validation": data(), "every": 10}
    expected = train(model, **settings)
    other = Net()
    interrupted(other, at, lambda: train(other, checkpoint=file, **settings))
    assert file.exists() == (at > 11)  # ten steps and one validation
    if fresh or at <= 11:  # before the first checkpoint there is only the start
        other = Net()
    assert train(other, checkpoint=file, **settings) == expected
    assert_same(weights(model), weights(other))
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_an_interrupted_run_goes_on_at_the_rate_it_had_fallen_to(
    tmp_path: Path,
) -> None:
    model, other, file = Net(), Net(), tmp_path / "run"
    expected = train(model, anneal=True)
    settings: dict[str, Any] = {"anneal": True, "every": 10, "checkpoint": file}
    interrupted(other, 16, lambda: train(other, **settings))
    other = Net()
    assert train(other, **settings).loss["loss"].tolist() == (
        expected.loss["loss"].tolist()
    )
    assert_same(weights(model), weights(other))


@pytest.mark.parametrize("at", [4, 9, 16, 21, 26])
def test_interrupted_early_stopping_goes_on_to_the_same_bits(
    at: int, tmp_path: Path
) -> None:
    model, file = Drift(), tmp_path / "run"
    expected = drift(model)
    assert expected.stopped_early
    other = Drift()
    interrupted(other, at, lambda: drift(other, checkpoint=file))
    other = Drift()
    assert drift(other, checkpoint=file) == expected
    assert torch.equal(model.w, other.w)
    other = Drift()  # stopped is stopped: nothing more is learned
    assert drift(other, checkpoint=file, steps=200) == expected
    assert torch.equal(model.w, other.w)


def test_interrupted_game_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    def play(game: Game, **more: Any) -> History:
        return fit(game, data()[0][:, 0], steps=20, every=6, **more)

    game, other, file = Game(), Game(), tmp_path / "run"
    expected = play(game)
    interrupted(other, 30, lambda: play(other, checkpoint=file))
    other = Game()
    assert play(other, checkpoint=file) == expected
    assert torch.equal(game.g, other.g)
    assert torch.equal(game.d, other.d)


def test_an_interrupted_average_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    model, file = Net(), tmp_path / "run"
    settings: dict[str, Any] = {"validation": data(), "every": 10, "average": 0.9}
    expected = train(model, **settings)
    other = Net()
    interrupted(other, 19, lambda: train(other, checkpoint=file, **settings))
    other = Net()
    assert train(other, checkpoint=file, **settings) == expected
    assert_same(weights(model), weights(other))


def test_channels_last_weights_go_on_to_the_same_bits(tmp_path: Path) -> None:
    x = torch.randn(20, 3, 6, 6).contiguous(memory_format=torch.channels_last)
    model, other, third = Pictures(), Pictures(), Pictures()
    fit(model, x, steps=20)
    fit(other, x, steps=10, checkpoint=tmp_path / "run", every=10)
    fit(third, x, steps=20, checkpoint=tmp_path / "run", every=10)
    assert_same(weights(model), weights(third))
    plain = Pictures()
    plain.layer.to(memory_format=torch.contiguous_format)
    fit(plain, x, steps=20)
    torch.testing.assert_close(weights(plain), weights(model), rtol=1e-4, atol=1e-5)


KILLED = """
import os, sys
from test_train import Line, data
from gdlbook import fit

def loss(x):
    global calls
    calls += 1
    if calls == 24:
        os._exit(9)
    return (x @ model.w).square().mean()

calls, model = 0, Line(loss)
fit(model, data()[0], steps=40, every=5, checkpoint=sys.argv[1])
"""


def test_a_killed_process_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    file = tmp_path / "run"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, file], cwd=Path(__file__).parent, check=False
    )
    assert killed.returncode == 9
    model, other = Line(), Line()
    expected = fit(model, data()[0], steps=40, every=5)
    calls: list[Tensor] = []
    line = other.loss

    def loss(x: Tensor) -> Any:
        calls.append(x)
        return line(x)

    other.loss = loss
    assert fit(other, data()[0], steps=40, every=5, checkpoint=file) == expected
    assert torch.equal(model.w, other.w)
    assert len(calls) == 20  # twenty were on disk


def test_steps_may_be_extended(tmp_path: Path) -> None:
    model, other, file = Net(), Net(), tmp_path / "run"
    settings: dict[str, Any] = {"validation": data(), "every": 10}
    expected = train(model, **settings)
    train(Net(), steps=13, checkpoint=file, **settings)
    history = train(other, checkpoint=file, **settings)
    assert history == expected
    assert_same(weights(model), weights(other))
    again = Net()
    assert train(again, checkpoint=file, **settings) == expected
    assert_same(weights(again), weights(other))
    with pytest.raises(ValueError, match=r"after step 30 already, and steps is 20"):
        train(again, checkpoint=file, **settings | {"steps": 20})


def test_seconds_add_up_over_interruptions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count()
    monkeypatch.setattr("time.perf_counter", lambda: float(next(ticks)))
    file = tmp_path / "run"
    spent = [
        train(Net(), steps=steps, checkpoint=file, every=10).seconds
        for steps in (10, 20, 20)
    ]
    assert spent == [1, 2, 2]  # one tick of the clock for each ten steps


def test_a_write_that_fails_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run"
    train(Net(), steps=10, checkpoint=file, every=10)
    old = file.read_bytes()

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        train(Net(), steps=20, checkpoint=file, every=10)
    assert file.read_bytes() == old


def test_the_file_holds_plain_tensors(tmp_path: Path) -> None:
    train(Net(), checkpoint=tmp_path / "run")
    with safe_open(tmp_path / "run", framework="pt") as file:
        names = set(file.keys())
    assert {"weights/net.0.weight", "adam/loss/0/exp_avg", "loss/loss"} <= names


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seed": 5}, "with seed 3, this run has seed 5"),
        ({"batch_size": 9}, "with batch_size 8, this run has batch_size 9"),
        ({"learning_rate": 0.1}, r"learning_rate 0\.01, .* learning_rate 0\.1:"),
        ({"average": 0.9}, r"with average 0\.0, this run has average 0\.9"),
        ({"every": 5}, "with every 10, this run has every 5"),
        ({"anneal": True}, "with anneal none, this run has anneal over 30"),
        ({"patience": 5, "validation": "data"}, "with validation none, this run has"),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(
    change: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    train(Net(), checkpoint=tmp_path / "run", every=10)
    if "validation" in change:
        change = change | {"validation": data()}
    with pytest.raises(ValueError, match=sentence):
        train(Net(), checkpoint=tmp_path / "run", **{"every": 10} | change)


def test_a_checkpoint_of_other_data_or_another_model_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "run"
    train(Net(), checkpoint=file)
    x, y = data()
    again: dict[str, Any] = {"batch_size": BATCH, "seed": 3, "learning_rate": 0.01}
    again |= {"steps": STEPS, "checkpoint": file}
    with pytest.raises(ValueError, match=r"data float32 \(50, 5\) .* \(50, 5\) with"):
        fit(Net(), (x * 2, y), **again)
    with pytest.raises(ValueError, match=r"\(50, 5\) .* float32 \(49, 5\)"):
        fit(Net(), (x[1:], y[1:]), **again)
    before = Net(width=7)
    other = Net(width=7)
    with pytest.raises(ValueError, match=r"net\.0\.weight \(6, 5\), .* \(7, 5\)"):
        fit(other, (x, y), **again)
    assert_same(weights(before), weights(other))


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "run"
    file.write_bytes(b"")
    with pytest.raises(ValueError, match="is not a checkpoint of fit"):
        train(Net(), checkpoint=file)
    save_file({"x": torch.ones(2)}, file)
    with pytest.raises(ValueError, match="is not a checkpoint of fit"):
        train(Net(), checkpoint=file)
    with pytest.raises(ValueError, match="is a folder"):
        train(Net(), checkpoint=tmp_path)
    with pytest.raises(ValueError, match="folder that does not exist"):
        train(Net(), checkpoint=tmp_path / "no" / "run")


# Losses that are not finite


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_not_finite_stops_at_once(value: float) -> None:
    calls = []

    def loss(x: Tensor) -> Tensor:
        calls.append(model.w.detach().clone())
        return (x @ model.w).square().mean() * (value if len(calls) == 6 else 1)

    model = Line(loss)
    sentence = rf"^step 6: loss 'loss' is {value}\. Likely .*learning rate.*\(0\.1 here"
    with pytest.raises(FloatingPointError, match=sentence):
        fit(model, data()[0], steps=STEPS, learning_rate=0.1)
    assert len(calls) == 6
    assert torch.equal(model.w.detach(), calls[-1])
    assert bool(model.w.isfinite().all())


def test_a_gradient_that_is_not_finite_stops_before_the_weights_are_lost() -> None:
    calls = []

    def loss(x: Tensor) -> Tensor:
        calls.append(0)
        root = (model.w * (len(calls) < 4)).abs().sum().sqrt()  # slope infinite at zero
        return (x @ model.w).square().mean() + root

    model = Line(loss)
    with pytest.raises(FloatingPointError, match=r"step 4: .* but 5 of 5 entries of"):
        fit(model, data()[0], steps=STEPS)
    assert len(calls) == 4
    assert bool(model.w.isfinite().all())


def test_a_gradient_whose_sum_overflows_is_still_finite() -> None:
    model = Line(lambda x: (model.w * 2e38).sum())
    model.w.data.zero_()
    fit(model, data()[0], steps=1)
    assert bool(model.w.isfinite().all())


def test_running_means_stay_finite_too() -> None:
    model, (x, y) = Net(), data()
    x = x.clone()
    x[batches(N, BATCH, 0, 3)[2], 0] = 3e38  # the third batch overflows the variance
    with pytest.raises(FloatingPointError, match=r"^step 3: .*to 3e\+38"):
        fit(model, (x, y), steps=STEPS, batch_size=BATCH)
    assert all(bool(tensor.isfinite().all()) for tensor in weights(model).values())
    assert weights(model)["net.1.num_batches_tracked"].item() == 2


def test_validation_that_is_not_finite_stops_too() -> None:
    other = Line(lambda x: (x @ other.w).square().mean() + (len(x) == 50) * 1e39)
    with pytest.raises(FloatingPointError, match=r"validation after step 2: .* is inf"):
        fit(other, data()[0], steps=2, validation=data()[0])


# The progress bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_shows_loss_and_rate_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for stream, progress, shown in [
        (Terminal(), True, True),
        (Terminal(), False, False),
        (io.StringIO(), True, False),
    ]:
        monkeypatch.setattr(sys, "stderr", stream)
        train(Net(), progress=progress)
        text = stream.getvalue()
        assert ("30/30" in text) == ("loss 0." in text) == ("steps/s" in text) == shown
        assert bool(text) == shown
    assert capsys.readouterr().out == ""


# The record


def test_the_history_tells_its_story() -> None:
    history = History(
        loss={"loss": np.array([2.0, 1.0, 0.5])},
        validation={"loss": np.array([0.7, 0.8])},
        steps=np.array([1, 2]),
        stopped_early=True,
        seconds=1.0,
    )
    assert repr(history) == (
        "History(3 steps, stopped early; loss 2 -> 0.5, validation 0.8 "
        "(best 0.7 after step 1))"
    )
    assert "validation" not in repr(train(Net()))
    assert train(Net()).seconds > 0


def test_histories_compare_their_numbers_but_not_their_seconds() -> None:
    def history(**changes: Any) -> History:
        record: dict[str, Any] = {
            "loss": {"loss": np.array([2.0, 1.0])},
            "validation": {"loss": np.array([0.7])},
            "steps": np.array([1]),
            "stopped_early": False,
            "seconds": 1.0,
        }
        return History(**record | changes)

    assert history() == history(seconds=2.0)
    assert history() != history(loss={"loss": np.array([2.0, 1.5])})
    assert history() != history(loss={"other": np.array([2.0, 1.0])})
    assert history() != history(validation={"loss": np.array([0.8])})
    assert history() != history(steps=np.array([2]))
    assert history() != history(stopped_early=True)
    assert history() != "history"


# Bad input


X = torch.ones(10, 5)
NAN = X.clone()
NAN[3, 2] = float("nan")


@pytest.mark.parametrize(
    ("bad", "changes", "sentence"),
    [
        (
            X.numpy(),
            {},
            r"data is a ndarray; expected a tensor or a tuple .*to_tensor",
        ),
        ((X, [1] * 10), {}, "data is a tuple of Tensor, list; expected"),
        ((), {}, r"data holds no rows: shapes \[\]"),
        (X[:0], {}, r"data holds no rows: shapes \[\(0, 5\)\]"),
        (torch.tensor(1.0), {}, r"data holds no rows: shapes \[\(\)\]"),
        ((X, X[:9]), {}, r"different lengths: shapes \[\(10, 5\), \(9, 5\)\]"),
        ((X, NAN), {}, r"1 of 50 values of tensor 1, shape \(10, 5\), are NaN"),
        (X / 0, {}, "50 of 50 values of tensor 0"),
        (X, {"steps": 0}, "steps is 0; expected a whole number of at least 1"),
        (X, {"steps": -3}, "steps is -3; expected"),
        (X, {"steps": 2.5}, r"steps is 2\.5; expected"),
        (X, {"steps": True}, "steps is True; expected"),
        (X, {"seed": -1}, "seed is -1; expected a whole number of at least 0"),
        (X, {"seed": "a"}, "seed is 'a'; expected"),
        (X, {"batch_size": 0}, "batch_size is 0; expected"),
        (X, {"learning_rate": 0}, "learning_rate is 0; expected a number above 0"),
        (X, {"learning_rate": float("nan")}, "learning_rate is nan; expected"),
        (X, {"learning_rate": "fast"}, "learning_rate is 'fast'; expected"),
        (X, {"anneal": 0.1}, r"anneal is 0\.1; expected True or False"),
        (X, {"average": 1}, "average is 1; expected a number from 0 to below 1"),
        (X, {"average": -0.1}, r"average is -0\.1; expected"),
        (X, {"average": "much"}, "average is 'much'; expected"),
        (X, {"learning_rate": {"loss": 0}}, "learning_rate is 0; expected a number"),
        (
            X,
            {"learning_rate": {"lost": 0.1}},
            r"rates for \['lost'\]; expected one for each of the losses \['loss'\]",
        ),
        (X, {"every": 0}, "every is 0; expected"),
        (X, {"every": 3, "validation": X}, "every=3 is more than steps=2"),
        (X, {"patience": 2}, "patience=2 without validation"),
        (X, {"patience": 0, "validation": X}, "patience is 0; expected"),
        (X, {"validation": X[:, :4]}, r"shapes \[\(4,\)\], a row of data \[\(5,\)\]"),
        (X, {"validation": (X, X)}, r"a row of validation has shapes .* the same"),
        (X, {"validation": NAN}, "validation: 1 of 50 values"),
        (X, {"validation": X[:0]}, "validation holds no rows"),
    ],
)
def test_bad_input_gets_its_sentence(
    bad: Any, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=sentence):
        fit(Line(), bad, **{"steps": 2} | changes)


class Declares:
    def __init__(self, objectives: Any) -> None:
        self.objectives = lambda: objectives


W = torch.ones(5, requires_grad=True)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (nn.Linear(5, 1), r"Linear has no objectives\(\); fit needs it to return"),
        (Declares({}), r"Declares.objectives\(\) returned \{\}; expected a dict"),
        (Declares([1]), r"returned \[1\]; expected a dict"),
        (
            Declares({"a": X.mean}),
            r"objective 'a' is .*; expected \(loss, parameters\)",
        ),
        (Declares({"a": (1.0, [W])}), r"objective 'a' is \(1\.0"),
        (Declares({"a": (X.mean, [])}), "'a' has nothing to train: 0 parameters"),
        (Declares({"a": (X.mean, [X])}), "'a' has nothing to train: 1 parameters"),
        (Declares({"a": (X.mean, [W * 2])}), "lists a Tensor that is no parameter"),
        (Declares({"a": (X.mean, ["w"])}), "lists a str that is no parameter"),
        (Line(lambda x: x @ W), r"loss 'loss' returned a Tensor of shape \(10,\); exp"),
        (Line(lambda x: 1.0), "loss 'loss' returned a float; expected a scalar"),
        (Line(lambda x: x.mean()), "'loss' does not depend on anything with a grad"),
        (Line(lambda x: W.sum()), "'loss' reaches none of its 1 parameters"),
    ],
)
def test_bad_models_get_their_sentence(model: Any, sentence: str) -> None:
    with pytest.raises((TypeError, ValueError), match=sentence):
        fit(model, X, steps=2)


def test_patience_needs_one_loss() -> None:
    with pytest.raises(
        ValueError, match=r"patience=2 with the losses \['critic', 'gen"
    ):
        fit(Game(), X[:, 0], steps=2, validation=X[:, 0], patience=2)
