"""The yardstick: an agent that learns by Q-learning, without a model."""

from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor

from gdlbook._world.checks import whole
from gdlbook._world.network import Array, Network
from gdlbook._world.pendulum import TORQUE


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
    unit = np.array([1.0, 1.0, 8.0], np.float32)
    discount, batch = 0.97, 64

    def __init__(self, *, seed: int = 0) -> None:
        self._rng = np.random.default_rng(whole("seed", seed, least=0))
        sizes = (3, 64, 64, len(self.torques))
        self.network, self._slow = (Network(sizes, self._rng) for _ in "12")
        self._slow.weights[:] = self.network.weights
        # Columns: state in its units, number of the torque, reward, next state.
        self._memory, self._filled = np.empty((0, 8), np.float32), 0

    def reset(self, episodes: int, seed: int) -> None:
        """Nothing to forget: while it plays, it neither draws nor learns."""

    def act(self, state: Tensor) -> Tensor:
        """Return the torques (episodes,) of the highest Q at states (episodes, 3)."""
        q = self.network(state.numpy().astype(np.float32) / self.unit)
        return self.torques[torch.from_numpy(q.argmax(axis=1))]

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
        steps, updates = whole("steps", steps), whole("updates", updates)
        self._memory = np.concatenate([self._memory, np.empty((steps, 8), np.float32)])
        done = True
        for _ in range(steps):
            if done:
                state, _ = env.reset(seed=int(self._rng.integers(2**31)))
            choice = self._explore(state / self.unit)
            torque = self.torques[choice].numpy()[None]
            seen, reward, ended, cut, _ = env.step(torque)
            step = (*state / self.unit, choice, reward, *seen / self.unit)
            self._memory[self._filled] = step
            state, done, self._filled = seen, ended or cut, self._filled + 1
            for _ in range(updates):
                self._update()
            if self._filled % 50 == 0:
                self._slow.weights[:] = self.network.weights

    def _explore(self, state: Array) -> int:
        """Choose a torque: at random at first, later mostly the best."""
        if self._rng.random() < max(0.1, 1 - self._filled / 500):
            return int(self._rng.integers(len(self.torques)))
        return int(self.network(state[None]).argmax())

    def _update(self) -> None:
        """Move Q of remembered steps toward what the rule says."""
        rows = self._rng.integers(self._filled, size=self.batch)
        drawn, each = self._memory[rows], np.arange(self.batch)
        choice, reward, seen = drawn[:, 3].astype(int), drawn[:, 4], drawn[:, 5:]
        best = self.network(seen).argmax(axis=1)
        future = self._slow(seen)[each, best]
        target = (1 - self.discount) * reward + self.discount * future
        q = self.network(drawn[:, :3])
        slope = np.zeros_like(q)  # of the mean squared distance to the target
        slope[each, choice] = 2 * (q[each, choice] - target) / self.batch
        self.network.update(slope)
