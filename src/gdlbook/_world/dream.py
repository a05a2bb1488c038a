"""A model of a world in the clothes of an environment."""

from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gdlbook._world.checks import functions, shape_of
from gdlbook._world.pendulum import STEPS, TORQUE, Dynamics, Reward


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
        functions(dynamics=dynamics, reward=reward)
        if not isinstance(starts, Tensor):
            raise TypeError(f"starts is a {type(starts).__name__}; expected a tensor")
        if starts.dim() != 2 or starts.shape[1] != 3 or not len(starts):
            raise ValueError(
                f"starts has shape {shape_of(starts.shape)}; expected (n, 3), n >= 1"
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
        torque = torch.tensor(action).reshape(1)
        with torch.no_grad():
            seen = self.dynamics(self._state, torque)
            reward = float(self.reward(self._state, torque, seen))
        self._state, self._steps = seen, self._steps + 1
        return seen[0].numpy().copy(), reward, False, self._steps >= STEPS, {}
