"""Dense layers: weighted sums, stacked with a bend between, and their gradients."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["dense", "dense_backward", "initialize", "perceptron", "perceptron_backward"]

Array = NDArray[Any]
Layer = tuple[ArrayLike, ArrayLike]  # weights (in, out), bias (out,)


def dense(x: ArrayLike, weights: ArrayLike, bias: ArrayLike) -> Array:
    r"""Return the outputs of a dense layer: one weighted sum for each unit.

    $$y_{mj} = b_j + \sum_i x_{mi} W_{ij}, \qquad Y = X W + b$$

    Args:
        x: Inputs, shape (n, in).
        weights: W (in, out); column j holds the weights of unit j.
        bias: b (out,).

    Returns:
        Shape (n, out).

    Raises:
        TypeError: If an array does not hold real numbers.
        ValueError: If shapes do not fit each other.

    Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.1,
    https://www.deeplearningbook.org/contents/mlp.html.
    """
    x, weights, bias = _layer(x, weights, bias)
    y: Array = x @ weights + bias
    return y


def dense_backward(
    x: ArrayLike, weights: ArrayLike, gradient: ArrayLike
) -> tuple[Array, Array, Array]:
    r"""Return the gradients of a loss at the inputs, weights, and bias of a layer.

    With $G = \partial L / \partial Y$, the gradient that arrives from above:

    $$\frac{\partial L}{\partial X} = G W^\top, \qquad
      \frac{\partial L}{\partial W} = X^\top G, \qquad
      \frac{\partial L}{\partial b_j} = \sum_m G_{mj}$$

    Args:
        x: The inputs that the layer was given, shape (n, in).
        weights: W (in, out).
        gradient: G (n, out).

    Returns:
        Shapes (n, in), (in, out), and (out,).

    Raises:
        TypeError: If an array does not hold real numbers.
        ValueError: If shapes do not fit each other.

    Source: Rumelhart, Hinton and Williams, 1986, https://doi.org/10.1038/323533a0.
    """
    x, weights, _ = _layer(x, weights, np.zeros(np.shape(weights)[-1:]))
    gradient = _real("gradient", gradient, ("n", "out"))
    if gradient.shape != (len(x), weights.shape[1]):
        raise ValueError(
            f"gradient has shape {gradient.shape}; expected that of the outputs, "
            f"{(len(x), weights.shape[1])}"
        )
    return gradient @ weights.T, x.T @ gradient, gradient.sum(axis=0)


def initialize(
    sizes: Sequence[int], rng: np.random.Generator
) -> list[tuple[Array, Array]]:
    r"""Return first weights and biases for layers of these sizes.

    Weights are normal with mean 0 and variance $2 / \text{in}$; biases are 0.

    Args:
        sizes: Units from the input to the output, as (784, 64, 10).
        rng: Where the randomness comes from.

    Raises:
        TypeError: If rng is not a NumPy generator.
        ValueError: If there are fewer than two sizes, or one is below 1.

    Source: He and others, 2015, https://arxiv.org/abs/1502.01852.
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng is {rng!r}; expected numpy.random.default_rng(seed)")
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes are {tuple(sizes)}; expected two or more, from 1 up")
    return [
        (rng.standard_normal((read, made)) * np.sqrt(2 / read), np.zeros(made))
        for read, made in pairwise(sizes)
    ]


def perceptron(x: ArrayLike, layers: Sequence[Layer]) -> list[Array]:
    r"""Send x up through dense layers, with a ReLU after each but the last.

    $$h_0 = x, \qquad h_l = \max(h_{l-1} W_l + b_l, 0), \qquad
      y = h_{L-1} W_L + b_L$$

    Args:
        x: Inputs, shape (n, in).
        layers: (weights, bias) of each of the L layers, from the first to the last.

    Returns:
        $h_0, \dots, h_{L-1}, y$: what each layer was given, and the outputs.

    Raises:
        TypeError: If an array does not hold real numbers.
        ValueError: If there is no layer, or shapes do not fit each other.
    """
    if not len(layers):
        raise ValueError("layers are empty; expected one (weights, bias) or more")
    outputs = [_real("x", x, ("n", "in"))]
    for i, (weights, bias) in enumerate(layers, start=1):
        y = dense(outputs[-1], weights, bias)
        outputs.append(y if i == len(layers) else np.maximum(y, 0))
    return outputs


def perceptron_backward(
    outputs: Sequence[Array], layers: Sequence[Layer], gradient: ArrayLike
) -> list[tuple[Array, Array]]:
    r"""Send a gradient back down, and return that of every weight and bias.

    A ReLU that gave zero lets nothing through.

    Args:
        outputs: What `perceptron` returned for these layers.
        layers: (weights, bias) of each layer.
        gradient: That of the loss at the last outputs, shape (n, out).

    Returns:
        (gradient of weights, gradient of bias) for each layer, in the same order.

    Raises:
        TypeError: If an array does not hold real numbers.
        ValueError: If shapes or the number of outputs do not fit the layers.

    Source: Rumelhart, Hinton and Williams, 1986, https://doi.org/10.1038/323533a0.
    """
    if len(outputs) != len(layers) + 1:
        raise ValueError(
            f"{len(outputs)} outputs for {len(layers)} layers; expected "
            f"{len(layers) + 1}, as perceptron returns them"
        )
    gradients = []
    for i in reversed(range(len(layers))):
        down, weights, bias = dense_backward(outputs[i], layers[i][0], gradient)
        gradients.append((weights, bias))
        gradient = down * (outputs[i] > 0)
    return gradients[::-1]


def _layer(
    x: ArrayLike, weights: ArrayLike, bias: ArrayLike
) -> tuple[Array, Array, Array]:
    """Return the three as arrays whose shapes fit each other, or raise."""
    x, weights = _real("x", x, ("n", "in")), _real("weights", weights, ("in", "out"))
    bias = _real("bias", bias, ("out",))
    if x.shape[1] != len(weights) or bias.shape != weights.shape[1:]:
        raise ValueError(
            f"x has shape {x.shape}, weights {weights.shape} and bias {bias.shape}; "
            "expected (n, in), (in, out) and (out,)"
        )
    return x, weights, bias


def _real(name: str, value: ArrayLike, axes: tuple[str, ...]) -> Array:
    """Return value as an array of real numbers with the named axes, or raise."""
    array = np.asarray(value)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} holds {array.dtype}; expected real numbers")
    if array.ndim != len(axes):
        raise ValueError(
            f"{name} has shape {array.shape}; expected ({', '.join(axes)})"
        )
    return array
