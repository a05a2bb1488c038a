"""Who plays, and the real environment to play in."""

from typing import Protocol

import gymnasium
import torch
from torch import Generator, Tensor

from gdlbook._world.checks import whole
from gdlbook._world.pendulum import STEPS, TORQUE, Experience


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
    episodes, seed = whole("episodes", episodes), whole("seed", seed, least=0)
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
