"""What can be told of samples beside data: how far they spread, whether they copy."""

import torch
from torch import Tensor

from gdlbook._measure.inputs import alike, observations


def spread(samples: Tensor, x: Tensor) -> float:
    r"""Return how far samples lie from each other, relative to observations.

    $$\frac{\E \, \lVert s - s' \rVert}{\E \, \lVert x - x' \rVert}$$

    Here $s$ and $s'$ are two different samples, $x$ and $x'$ two different
    observations. A model that always draws the same has 0, a model that fits has 1,
    and one that spreads too wide has more.

    Args:
        samples: Samples of the model, (n, ...), floating, two or more.
        x: Observations, (m, ...), two or more that differ.

    Raises:
        TypeError: samples or x are not floating tensors.
        ValueError: They hold observations of different shapes, fewer than two, or
            NaN; or all of x are the same.
    """
    drawn, real = observations("samples", samples), observations("x", x)
    alike(("samples", "x"), samples, x)
    if (real == real[0]).all():
        raise ValueError(f"x holds {len(x)} times the same; expected a spread above 0")
    return _mean_distance(drawn) / _mean_distance(real)


def copying(samples: Tensor, train: Tensor, test: Tensor) -> float:
    r"""Return how often a sample lies nearer to the training data than a new one does.

    $$P\bigl(r(s) < r(x)\bigr) + \tfrac{1}{2} P\bigl(r(s) = r(x)\bigr),
    \qquad r(v) = \min_{t \in \text{train}} \lVert v - t \rVert$$

    Here $s$ is any sample and $x$ any observation of the test part. One half says that
    samples are as new as the test part is; 1 says that they are copies; less says that
    they lie further off than observations do.

    Args:
        samples: Samples of the model, (n, ...), floating.
        train: The observations that the model was trained on, (k, ...).
        test: Observations that it was not trained on, (m, ...).

    Raises:
        TypeError: One of them is not a floating tensor.
        ValueError: They hold observations of different shapes, none, or NaN.

    Source: Meehan, Chaudhuri and Dasgupta (2020), "A Non-Parametric Test to Detect
    Data-Copying in Generative Models", https://arxiv.org/abs/2004.05675.
    """
    rows = {"samples": samples, "train": train, "test": test}
    flat = {name: observations(name, x, least=1) for name, x in rows.items()}
    for name in ("samples", "test"):
        alike((name, "train"), rows[name], train)
    r_samples, r_test = (
        torch.cat(
            [_distances(p, flat["train"]).amin(1) for p in torch.split(flat[name], 500)]
        )
        for name in ("samples", "test")
    )
    r_test = r_test.sort().values
    above = len(r_test) - torch.searchsorted(r_test, r_samples, right=True)
    level = len(r_test) - torch.searchsorted(r_test, r_samples) - above
    return float((above + level.double() / 2).mean()) / len(r_test)


def _mean_distance(x: Tensor) -> float:
    """Return the mean distance between two different rows of x (n, d)."""
    rows = [_distances(piece, x).sum(dim=1) for piece in torch.split(x, 500)]
    return float(torch.cat(rows).sum()) / (len(x) * (len(x) - 1))


def _distances(x: Tensor, other: Tensor) -> Tensor:
    """Return the distances between rows (n, d) and rows (m, d), shape (n, m).

    On the plane it subtracts; with many numbers the square is multiplied out, which
    is far faster and off by about 1e-7 of the size of a row.
    """
    exact = x.shape[1] <= 8
    mode = "donot_use_mm_for_euclid_dist" if exact else "use_mm_for_euclid_dist"
    return torch.cdist(x, other, compute_mode=mode)
