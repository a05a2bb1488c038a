"""The pendulum: its steps, its equations and two tasks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gdlbook._world.checks import check_steps

TORQUE = 2.0  # newton meters, the most that the motor of the pendulum can do
SECONDS = 0.05  # one step of the pendulum; an episode has 200 of them
STEPS = 200
FASTEST = 8.0  # radians a second, the bound that the environment declares

Dynamics = Callable[[Tensor, Tensor], Tensor]
Reward = Callable[[Tensor, Tensor, Tensor], Tensor]


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
    check_steps(state, action)
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
    check_steps(state, action, next_state)
    angle = torch.atan2(state[..., 1], state[..., 0])
    torque = action.clamp(-TORQUE, TORQUE)
    return -(angle**2 + 0.1 * state[..., 2] ** 2 + 0.001 * torque**2)


def turns(state: Tensor, action: Tensor, next_state: Tensor) -> Tensor:
    """Second task: turn around, always the same way. Counts full turns to the left.

    Args and errors as for `pendulum`. Returns turns in this step (...,).
    """
    check_steps(state, action, next_state)
    return next_state[..., 2] * SECONDS / (2 * math.pi)
