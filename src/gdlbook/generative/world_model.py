"""World models: a model of names by counting, and one of a pendulum to act in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from string import ascii_lowercase
from typing import ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn.functional import normalize

from gdlbook._world.checks import (
    check_steps,
    functions,
    positive,
    shape_of,
    whole,
    words,
)
from gdlbook._world.dream import Dream
from gdlbook._world.pendulum import (
    FASTEST,
    TORQUE,
    Dynamics,
    Experience,
    Reward,
    pendulum,
    turns,
    upright,
)
from gdlbook._world.play import RandomAgent, play
from gdlbook._world.q_agent import QAgent
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

Array = NDArray[np.float64]


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
        self.order = whole("order", order, least=0)
        self.strength = positive("strength", strength)
        self.counts: dict[str, list[int]] = {}
        self._known: dict[str, Array] = {}
        for name in words(names):
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
        (prefix,) = words([prefix])
        p = self._smoothed(self._context(prefix))
        if positive("temperature", temperature) == 1:
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
                for name in words(names)
            ],
            dtype=torch.float64,
        )

    def perplexity(self, names: Iterable[str]) -> float:
        r"""Return exp of the mean negative log probability of a symbol.

        $$\exp\Bigl(-\frac{\sum_m \log p(x_m)}{\sum_m (|x_m| + 1)}\Bigr)$$

        A model that holds all symbols for equally probable has their number. Names,
        and errors, as for `log_prob`.
        """
        names = words(names)
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
        for _ in range(whole("n", n)):
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
        check_steps(*experience)
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
        check_steps(state, action)
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
        raise ValueError(f"actions has shape {shape_of(seen)}; expected (n, steps)")
    check_steps(state, actions[:, 0])
    states = [state]
    for action in actions.unbind(dim=1):
        states.append(dynamics(states[-1], action))
    path = torch.stack(states, dim=1)
    return Experience(path[:, :-1], actions, path[:, 1:])


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
        functions(dynamics=dynamics, reward=reward)
        self.dynamics, self.reward = dynamics, reward
        self.horizon = whole("horizon", horizon)
        self.candidates = whole("candidates", candidates, least=20)

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
