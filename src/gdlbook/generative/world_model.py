"""World models: a model of names by counting, and one of a pendulum to act in."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator
from string import ascii_lowercase
from typing import Any, ClassVar, NamedTuple, Protocol, cast

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn.functional import normalize

from gdlbook.generative.framework import Density
from gdlbook.networks.mlp import MLP

__all__ = [
    "CharModel",
    "Dream",
    "Experience",
    "Planner",
    "QAgent",
    "RandomAgent",
    "WorldModel",
    "imagine",
    "pendulum",
    "play",
    "turns",
    "upright",
]

START, END = "^", "$"
SYMBOLS = ascii_lowercase + END
TORQUE = 2.0  # newton meters, the most that the motor of the pendulum can do
SECONDS = 0.05  # one step of the pendulum; an episode has 200 of them
STEPS = 200
FASTEST = 8.0  # radians a second, the bound that the environment declares

Array = NDArray[np.float64]
Dynamics = Callable[[Tensor, Tensor], Tensor]
Reward = Callable[[Tensor, Tensor, Tensor], Tensor]


class CharModel:
    r"""A distribution over all strings that end, found by counting characters.

    The next character c after the context h, the last k characters, has

    $$P_k(c \mid h) = \frac{N(h c) + a \, P_{k-1}(c \mid h')}{N(h) + a}$$

    where N counts in the training names, h' is h without its oldest character, and
    below $P_0$ lies the uniform distribution over the 26 letters and the end. Names are
    strings and no tensors, and no gradient step is made: so this class has the verbs
    and the flag of a `GenerativeModel`, but is none.

    Args:
        names: Strings of the letters a to z, at least one.
        order: Characters that the model looks back, the start of a name included.
        strength: The weight a of the shorter context, in counts, above 0.

    Raises:
        TypeError: Names that are not strings, or settings that are not numbers.
        ValueError: No names, another character, or a setting out of range.

    Source: MacKay and Peto (1995), https://doi.org/10.1017/S1351324900000218.
    """

    density: ClassVar[Density] = Density.EXACT

    def __init__(
        self,
        names: Iterable[str],
        *,
        order: int = 5,
        strength: float = 10.0,
    ) -> None:
        self.order = _whole("order", order, least=0)
        self.strength = _positive("strength", strength)
        self.counts: dict[str, list[int]] = {}
        self._known: dict[str, Array] = {}
        for name in _names(names):
            for context, symbol in self._steps(name):
                for i in range(len(context) + 1):
                    row = self.counts.setdefault(context[i:], [0] * len(SYMBOLS))
                    row[symbol] += 1

    def probabilities(self, prefix: str, *, temperature: float = 1.0) -> Array:
        r"""Return what may follow a prefix of a name: a to z, and the end.

        At temperature T each probability is raised to the power 1/T, and all are
        divided by their sum: below 1 the likely become likelier.

        Args:
            prefix: What has been written so far, "" at the start.
            temperature: Above 0.

        Returns:
            float64 probabilities (27,) that sum to one, the end last.

        Raises:
            TypeError: prefix is not a string, or temperature not a number.
            ValueError: An unknown character, or a temperature that is not above 0.
        """
        (prefix,) = _names([prefix])
        p = self._smoothed(self._context(prefix))
        if _positive("temperature", temperature) == 1:
            return p.copy()
        logits = np.log(p) / temperature
        powers = np.exp(logits - logits.max())  # no overflow, however cold
        return cast(Array, powers / powers.sum())

    def log_prob(self, names: Iterable[str]) -> Tensor:
        """Return the exact log probability of each name, its end included.

        Returns:
            float64 (n,), in nats.

        Raises:
            TypeError: Names that are not strings.
            ValueError: No names, or an unknown character.
        """
        return torch.tensor(
            [
                sum(math.log(self._smoothed(c)[s]) for c, s in self._steps(name))
                for name in _names(names)
            ],
            dtype=torch.float64,
        )

    def perplexity(self, names: Iterable[str]) -> float:
        r"""Return exp of the mean negative log probability of a symbol.

        $$\exp\Bigl(-\frac{\sum_m \log p(x_m)}{\sum_m (|x_m| + 1)}\Bigr)$$

        A model that holds all symbols for equally probable has their number. Names,
        and errors, as for `log_prob`.
        """
        names = _names(names)
        symbols = sum(len(name) + 1 for name in names)
        return math.exp(-float(self.log_prob(names).sum()) / symbols)

    def sample(
        self,
        n: int,
        *,
        temperature: float = 1.0,
        generator: Generator | None = None,
    ) -> list[str]:
        """Invent n names, character by character.

        Raises:
            TypeError: n is not a whole number, or temperature not a number.
            ValueError: n below 1, a temperature that is not above 0, or one so low
                that a name goes around in a circle and does not end.
        """
        names = []
        for _ in range(_whole("n", n)):
            name = ""
            while not name.endswith(END):
                p = self.probabilities(name, temperature=temperature)
                u = torch.rand((), generator=generator, dtype=torch.float64).item()
                place = int(np.searchsorted(p.cumsum(), u, side="right"))
                name += SYMBOLS[min(place, len(SYMBOLS) - 1)]
                if len(name) > 1000:
                    raise ValueError(
                        f"a name has not ended after 1,000 characters: "
                        f"{name[:20]}...; temperature is {temperature}, raise it"
                    )
            names.append(name.removesuffix(END))
        return names

    def _context(self, prefix: str) -> str:
        return (START + prefix)[-self.order :] if self.order else ""

    def _steps(self, name: str) -> Iterator[tuple[str, int]]:
        """Yield each context of a name and the place of the symbol that follows."""
        for i, symbol in enumerate(name + END):
            yield self._context(name[:i]), SYMBOLS.index(symbol)

    def _smoothed(self, context: str) -> Array:
        """Return P_k by the recursion over ever shorter contexts; kept once found."""
        if context not in self._known:
            shorter = np.full(len(SYMBOLS), 1 / len(SYMBOLS))
            if context:
                shorter = self._smoothed(context[1:])
            counts = np.array(self.counts.get(context, [0] * len(SYMBOLS)))
            p = (counts + self.strength * shorter) / (counts.sum() + self.strength)
            self._known[context] = p
        return self._known[context]


class Experience(NamedTuple):
    """What happened, step by step; also what a reward takes.

    Attributes:
        state: (..., 3) float32: cosine and sine of the angle from upright, and the
            angular velocity in radians a second.
        action: (...,) float32, the torque in newton meters.
        next_state: (..., 3), one step later.
    """

    state: Tensor
    action: Tensor
    next_state: Tensor

    def rows(self) -> Experience:
        """Return all steps of all episodes in one row each, (n, 3), (n,), (n, 3)."""
        return Experience(
            self.state.reshape(-1, 3),
            self.action.reshape(-1),
            self.next_state.reshape(-1, 3),
        )


def pendulum(state: Tensor, action: Tensor) -> Tensor:
    r"""The real equations, one step of 0.05 s, as `Pendulum-v1` of Gymnasium has them.

    $$\dot\theta' = \dot\theta + (15 \sin\theta + 3u)\,\Delta t, \qquad
    \theta' = \theta + \dot\theta' \Delta t$$

    with the angle $\theta$ from upright, the torque $u$ held within 2 newton meters
    and the velocity within 8 radians a second.

    Args:
        state: (..., 3), as in `Experience`.
        action: (...,), newton meters.

    Returns:
        The next state (..., 3).

    Raises:
        TypeError: Not floating tensors.
        ValueError: Shapes that do not fit.

    Source: https://gymnasium.farama.org/environments/classic_control/pendulum/
    """
    _check(state, action)
    cosine, sine, speed = state.unbind(-1)
    push = 15 * sine + 3 * action.clamp(-TORQUE, TORQUE)
    speed = (speed + push * SECONDS).clamp(-FASTEST, FASTEST)
    angle = torch.atan2(sine, cosine) + speed * SECONDS
    return torch.stack([angle.cos(), angle.sin(), speed], dim=-1)


def upright(state: Tensor, action: Tensor, next_state: Tensor) -> Tensor:
    r"""First task, Gymnasium's own: stand up, hold still, and save torque.

    $$-(\theta^2 + 0.1\,\dot\theta^2 + 0.001\,u^2)$$

    Args and errors as for `pendulum`. Returns rewards (...,), at most 0.
    """
    _check(state, action, next_state)
    angle = torch.atan2(state[..., 1], state[..., 0])
    torque = action.clamp(-TORQUE, TORQUE)
    return -(angle**2 + 0.1 * state[..., 2] ** 2 + 0.001 * torque**2)


def turns(state: Tensor, action: Tensor, next_state: Tensor) -> Tensor:
    """Second task: turn around, always the same way. Counts full turns to the left.

    Args and errors as for `pendulum`. Returns turns in this step (...,).
    """
    _check(state, action, next_state)
    return next_state[..., 2] * SECONDS / (2 * math.pi)


class WorldModel(nn.Module):
    r"""A network that learned from experience what happens next.

    $$s' = s + \sigma \odot f_\theta(s, u)$$

    where $f_\theta$ reads state and torque in units of their spread, and $\sigma$ is
    the spread of the changes in the experience. Its loss is the mean squared error in
    those units: up to a constant the negative log-likelihood, in nats and times 2, of a
    Gaussian around the prediction. Where the world leaves nothing to chance, one
    prediction is the whole distribution.

    Args:
        experience: What it is to learn from; here only its spread is taken.
        seed: Of the weights.

    Raises:
        TypeError: Not floating tensors.
        ValueError: Shapes that do not fit, or fewer than two steps.

    Source: Chua and others (2018), https://arxiv.org/abs/1805.12114.
    """

    mean: Tensor
    spread: Tensor
    change: Tensor

    def __init__(self, experience: Experience, *, seed: int = 0) -> None:
        super().__init__()
        _check(*experience)
        state, action, next_state = experience.rows()
        if len(state) < 2:
            raise ValueError(f"experience holds {len(state)} steps; expected 2 or more")
        read = torch.cat([state, action[:, None]], dim=1)
        self.register_buffer("mean", read.mean(dim=0))
        self.register_buffer("spread", read.std(dim=0).clamp(min=1e-6))
        self.register_buffer("change", (next_state - state).std(dim=0).clamp(min=1e-6))
        self.network = MLP((4,), (32, 32), 3, activation=nn.SiLU, seed=seed)

    def forward(self, state: Tensor, action: Tensor) -> Tensor:
        """Return the next state (..., 3) of states (..., 3) and torques (...,).

        It keeps what is known of every state: cosine and sine lie on the unit circle,
        and the speed within the bounds that the environment declares.
        """
        s = self._predict(state, action)
        point = normalize(s[..., :2], dim=-1)
        return torch.cat([point, s[..., 2:].clamp(-FASTEST, FASTEST)], dim=-1)

    def _predict(self, state: Tensor, action: Tensor) -> Tensor:
        """Return what the network alone says, which may be no possible state."""
        _check(state, action)
        read = (torch.cat([state, action[..., None]], dim=-1) - self.mean) / self.spread
        step: Tensor = self.network(read.reshape(-1, 4)).reshape(state.shape)
        return state + self.change * step

    def objectives(self) -> dict[str, tuple[Callable[..., Tensor], list[Tensor]]]:
        """Return the squared error of one step, and what it trains, for `fit`."""

        def loss(state: Tensor, action: Tensor, next_state: Tensor) -> Tensor:
            error = (self._predict(state, action) - next_state) / self.change
            return error.square().mean()

        return {"squared_error": (loss, list(self.network.parameters()))}


@torch.no_grad()
def imagine(dynamics: Dynamics, state: Tensor, actions: Tensor) -> Experience:
    """Follow sequences of torques through a model, without touching the world.

    Args:
        dynamics: From states (n, 3) and torques (n,) to next states: a `WorldModel`,
            or the true `pendulum`.
        state: Where to begin, (n, 3).
        actions: (n, steps), newton meters.

    Returns:
        Experience of shapes (n, steps, 3), (n, steps), (n, steps, 3).

    Raises:
        TypeError: Not floating tensors.
        ValueError: Shapes that do not fit, or no step.
    """
    if not isinstance(actions, Tensor) or actions.dim() != 2 or not actions.numel():
        seen = getattr(actions, "shape", None)
        raise ValueError(f"actions has shape {_shape(seen)}; expected (n, steps)")
    _check(state, actions[:, 0])
    states = [state]
    for action in actions.unbind(dim=1):
        states.append(dynamics(states[-1], action))
    path = torch.stack(states, dim=1)
    return Experience(path[:, :-1], actions, path[:, 1:])


class Agent(Protocol):
    """Whatever can play."""

    def reset(self, episodes: int, seed: int) -> None:
        """Forget the episodes before, and begin so many at once."""
        ...

    def act(self, state: Tensor) -> Tensor:
        """Return torques (episodes,) for states (episodes, 3)."""
        ...


class RandomAgent:
    """Any torque, each as probable as the other."""

    def reset(self, episodes: int, seed: int) -> None:
        """Begin anew."""
        self._generator = Generator().manual_seed(seed)

    def act(self, state: Tensor) -> Tensor:
        """Return torques (episodes,), whatever the states (episodes, 3) are."""
        u = torch.rand(len(state), generator=self._generator)
        return TORQUE * (2 * u - 1)


class Planner:
    """Acts by trying out, in a model, what it could do: it learns nothing of its own.

    At each step it draws candidate sequences of torques, imagines where they lead,
    keeps the best, draws anew around them, and does the first torque of their mean
    (the cross-entropy method, in a receding horizon).

    Args:
        dynamics: What it imagines in, as for `imagine`.
        reward: The task.
        horizon: Steps that it looks ahead.
        candidates: Sequences in each of the two rounds; the best tenth is kept.

    Raises:
        TypeError: dynamics or reward cannot be called.
        ValueError: A number below 1, or fewer than 20 candidates.

    Source: Chua and others (2018), section 5, https://arxiv.org/abs/1805.12114.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        reward: Reward,
        *,
        horizon: int = 20,
        candidates: int = 50,
    ) -> None:
        _functions(dynamics=dynamics, reward=reward)
        self.dynamics, self.reward = dynamics, reward
        self.horizon = _whole("horizon", horizon)
        self.candidates = _whole("candidates", candidates, least=20)

    def reset(self, episodes: int, seed: int) -> None:
        """Begin anew, with no plan."""
        self._plan = torch.zeros(episodes, self.horizon)
        self._generator = Generator().manual_seed(seed)

    def act(self, state: Tensor) -> Tensor:
        """Return torques (episodes,) for states (episodes, 3)."""
        mean, std = self._plan, torch.full_like(self._plan, TORQUE)
        for _ in range(2):
            shape = (len(state), self.candidates, self.horizon)
            noise = torch.randn(shape, generator=self._generator)
            tried = (mean[:, None] + std[:, None] * noise).clamp(-TORQUE, TORQUE)
            best = self._best(state, tried)
            mean, std = best.mean(dim=1), best.std(dim=1)
        # What remains of the plan is where the next one starts.
        self._plan = torch.cat([mean[:, 1:], torch.zeros(len(mean), 1)], dim=1)
        return mean[:, 0]

    def _best(self, state: Tensor, tried: Tensor) -> Tensor:
        """Return the tenth of the sequences (episodes, ., horizon) with most reward."""
        start = state.repeat_interleave(self.candidates, dim=0)
        imagined = imagine(self.dynamics, start, tried.flatten(0, 1))
        total = self.reward(*imagined).sum(dim=1).reshape(tried.shape[:2])
        best = total.topk(self.candidates // 10, dim=1).indices
        return tried.gather(1, best[..., None].expand(-1, -1, self.horizon))


def play(agent: Agent, *, episodes: int, seed: int) -> Experience:
    """Let an agent act in the real environment, Gymnasium's `Pendulum-v1`.

    Args:
        agent: Has `reset(episodes, seed)` and `act(state)`.
        episodes: Played side by side, 200 steps each.
        seed: Of where they begin, and of what the agent draws.

    Returns:
        Experience of shapes (episodes, 200, 3), (episodes, 200), (episodes, 200, 3). A
            return is `upright(*experience).sum(dim=1)`, (episodes,).

    Raises:
        TypeError: agent cannot act, or a number is not whole.
        ValueError: No episode, or a negative seed.
    """
    if not callable(getattr(agent, "act", None)):
        raise TypeError(f"agent is {agent!r}; expected one with reset and act")
    episodes, seed = _whole("episodes", episodes), _whole("seed", seed, least=0)
    world = gymnasium.make_vec("Pendulum-v1", episodes, vectorization_mode="sync")
    state = torch.tensor(world.reset(seed=seed)[0])
    agent.reset(episodes, seed)
    steps = []
    for _ in range(STEPS):
        action = agent.act(state)
        seen = torch.tensor(world.step(action.numpy()[:, None])[0])
        steps.append((state, action, seen))
        state = seen
    world.close()
    return Experience(*(torch.stack(part, dim=1) for part in zip(*steps, strict=True)))


class Dream(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """An environment that exists in a model only, with the interface of a real one.

    Args:
        dynamics: What it steps by, as for `imagine`.
        reward: The task.
        starts: States (n, 3) to begin at, as they were met in the world.

    Raises:
        TypeError: dynamics or reward cannot be called, or starts is no tensor.
        ValueError: starts has another shape, or holds nothing.

    Source: Ha and Schmidhuber (2018), https://arxiv.org/abs/1803.10122.
    """

    def __init__(self, dynamics: Dynamics, reward: Reward, starts: Tensor) -> None:
        _functions(dynamics=dynamics, reward=reward)
        if not isinstance(starts, Tensor):
            raise TypeError(f"starts is a {type(starts).__name__}; expected a tensor")
        if starts.dim() != 2 or starts.shape[1] != 3 or not len(starts):
            raise ValueError(
                f"starts has shape {_shape(starts.shape)}; expected (n, 3), n >= 1"
            )
        self.dynamics, self.reward, self.starts = dynamics, reward, starts
        box = gymnasium.spaces.Box
        self.observation_space = box(-np.inf, np.inf, (3,), np.float32)
        self.action_space = box(-TORQUE, TORQUE, (1,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode at one of the starts."""
        super().reset(seed=seed)
        place = int(self.np_random.integers(len(self.starts)))
        self._state, self._steps = self.starts[place : place + 1], 0
        return self._state[0].numpy().copy(), {}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Imagine one step; an episode is cut after 200, as in the world."""
        imagined = imagine(
            self.dynamics, self._state, torch.tensor(action).reshape(1, 1)
        )
        reward = float(self.reward(*imagined))
        self._state, self._steps = imagined.next_state[:, 0], self._steps + 1
        seen = self._state[0].numpy().copy()
        return seen, reward, False, self._steps >= STEPS, {}


class QAgent:
    r"""Learns, without a model, how much reward each torque will bring.

    $$Q(s, u) \leftarrow (1 - \gamma)\, r + \gamma \max_{u'} Q(s', u')$$

    for five torques, by a network, over steps remembered and drawn at random. Q is in
    units of reward: a mean over the future, in which near steps count more.

    Args:
        seed: Of the weights and of all that it draws.

    Raises:
        TypeError: seed is not a whole number.
        ValueError: seed is negative.

    Source: Mnih and others (2015), https://doi.org/10.1038/nature14236, with the
    double estimate of van Hasselt and others, https://arxiv.org/abs/1509.06461.
    """

    torques = torch.linspace(-TORQUE, TORQUE, 5)
    unit = torch.tensor([1.0, 1.0, 8.0])
    discount, batch = 0.97, 64

    def __init__(self, *, seed: int = 0) -> None:
        self._draws = Generator().manual_seed(_whole("seed", seed, least=0))
        self.network, self._slow = (MLP((3,), (64, 64), 5, seed=seed) for _ in "12")
        self._adam = torch.optim.Adam(self.network.parameters(), lr=1e-3, fused=True)
        # Columns: state, number of the torque, reward, next state.
        self._memory, self._filled = torch.empty(0, 8), 0

    def reset(self, episodes: int, seed: int) -> None:
        """Nothing to forget: while it plays, it neither draws nor learns."""

    @torch.no_grad()
    def act(self, state: Tensor) -> Tensor:
        """Return the torques (episodes,) of the highest Q at states (episodes, 3)."""
        return self.torques[self.network(state / self.unit).argmax(dim=1)]

    def learn(self, env: Any, *, steps: int, updates: int = 4) -> None:
        """Act, remember and update, in a Gymnasium environment; may be called again.

        Args:
            env: `gymnasium.make("Pendulum-v1")`, or a `Dream`.
            steps: How many to take.
            updates: Of the network, for each step.

        Raises:
            TypeError: env is no environment, or a number is not whole.
            ValueError: A number below 1.
        """
        if not isinstance(env, gymnasium.Env):
            raise TypeError(f"env is {env!r}; expected a Gymnasium environment")
        steps, updates = _whole("steps", steps), _whole("updates", updates)
        self._memory = torch.cat([self._memory, torch.empty(steps, 8)])
        done = True
        for _ in range(steps):
            if done:
                seed = int(torch.randint(2**31, (), generator=self._draws))
                state, _ = env.reset(seed=seed)
            choice = self._explore(torch.tensor(state))
            torque = self.torques[choice].numpy()[None]
            seen, reward, ended, cut, _ = env.step(torque)
            step = np.array([*state, choice, reward, *seen], np.float32)
            self._memory[self._filled] = torch.from_numpy(step)
            state, done, self._filled = seen, ended or cut, self._filled + 1
            for _ in range(updates):
                self._update()
            if self._filled % 50 == 0:
                self._slow.load_state_dict(self.network.state_dict())

    def _explore(self, state: Tensor) -> int:
        """Choose a torque: at random at first, later mostly the best."""
        random = max(0.1, 1 - self._filled / 500)
        if float(torch.rand((), generator=self._draws)) < random:
            return int(torch.randint(5, (), generator=self._draws))
        with torch.no_grad():
            return int(self.network(state[None] / self.unit).argmax())

    def _update(self) -> None:
        """Move Q of remembered steps toward what the rule says."""
        rows = torch.randint(self._filled, (self.batch,), generator=self._draws)
        drawn, seen = self._memory[rows], self._memory[rows, 5:] / self.unit
        choice, reward = drawn[:, 3:4].long(), drawn[:, 4:5]
        both = self.network(torch.cat([drawn[:, :3] / self.unit, seen]))
        q = both[: self.batch].gather(1, choice)
        with torch.no_grad():
            best = both[self.batch :].argmax(dim=1, keepdim=True)
            future = self._slow(seen).gather(1, best)
            target = (1 - self.discount) * reward + self.discount * future
        self._adam.zero_grad()
        torch.autograd.backward((q - target).square().mean())
        self._adam.step()


def _check(state: Tensor, action: Tensor, *next_state: Tensor) -> None:
    """Raise unless these are steps: (..., 3) and (...,), and (..., 3) again."""
    parts = {"action": action, "state": state}
    if next_state:
        parts["next_state"] = next_state[0]
    for name, part in parts.items():
        if not isinstance(part, Tensor) or not part.is_floating_point():
            kind = part.dtype if isinstance(part, Tensor) else type(part).__name__
            raise TypeError(f"{name} is {kind}; expected a floating tensor")
        least = () if name == "action" else (3,)
        if part.shape != (*action.shape, *least):
            raise ValueError(
                f"{name} has shape {_shape(part.shape)} and action "
                f"{_shape(action.shape)}; expected (..., 3) and (...,)"
            )


def _shape(shape: Any) -> Any:
    return None if shape is None else tuple(shape)


def _whole(name: str, value: Any, *, least: int = 1) -> int:
    """Return a whole number of at least `least`, or raise."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} is {value!r}; expected a whole number")
    if operator.index(value) < least:
        raise ValueError(f"{name} is {value}; expected at least {least}")
    return operator.index(value)


def _positive(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}; expected a number above 0")
    if not 0 < value < math.inf:
        raise ValueError(f"{name} is {value}; expected a number above 0, and finite")
    return float(value)


def _names(names: Iterable[str]) -> list[str]:
    """Return names as a list, or raise."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"names is {names!r}; expected a list of strings")
    checked = list(names)
    if not checked:
        raise ValueError("names is empty; expected at least one string")
    for name in checked:
        if not isinstance(name, str):
            raise TypeError(f"{name!r} is a {type(name).__name__}; expected a string")
        if unknown := sorted(set(name) - set(ascii_lowercase)):
            raise ValueError(f"{name!r} holds {unknown}; expected letters a to z")
    return checked


def _functions(**given: Any) -> None:
    for name, function in given.items():
        if not callable(function):
            raise TypeError(f"{name} is {function!r}; expected a function")
