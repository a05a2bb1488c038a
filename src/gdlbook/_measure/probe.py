"""The linear probe: what a linear classifier can read off a code."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gdlbook._measure.inputs import alike, labels, observations

PENALTY = 1e-4
STEPS = 100


def linear_probe(z: Tensor, y: Tensor, z_test: Tensor, y_test: Tensor) -> float:
    r"""Return how often a linear classifier names the right label, given the code.

    The classifier is fitted on the first part, by minimizing

    $$-\frac{1}{n} \sum_{i=1}^{n} \log \mathrm{softmax}(z_i W + b)_{y_i}
    + c \, \lVert W \rVert^2$$

    over $W$ and $b$, with $c = 10^{-4}$ and every number of $z$ brought to mean 0 and
    variance 1. The loss has one minimum, so there is no seed. What is returned is
    measured on the second part.

    Args:
        z: Codes, (n, ...), floating.
        y: Their labels, (n,), whole numbers from 0.
        z_test: Codes of other observations, (m, ...).
        y_test: Their labels, (m,).

    Returns:
        The share of right names among `y_test`, from 0 to 1.

    Raises:
        TypeError: Codes are not floating tensors, or labels not whole numbers.
        ValueError: Shapes do not fit each other, codes hold NaN, y has one kind of
            label only, or y_test has one that y has not.

    Source: Alain and Bengio (2016), "Understanding intermediate layers using linear
    classifier probes", https://arxiv.org/abs/1610.01644.
    """
    train, test = observations("z", z), observations("z_test", z_test, least=1)
    alike(("z_test", "z"), z_test, z)
    y, y_test = labels("y", y, z), labels("y_test", y_test, z_test)
    kinds = sorted(set(y.tolist()))
    if len(kinds) < 2:
        raise ValueError(f"y holds the label {kinds[0]} only; expected two or more")
    unknown = sorted(set(y_test.tolist()) - set(kinds))
    if unknown:
        raise ValueError(f"y_test holds the labels {unknown}, of which y has none")
    middle, scale = train.mean(dim=0), train.std(dim=0)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    w, b = _logistic((train - middle) / scale, y)
    says = ((test - middle) / scale @ w + b).argmax(dim=1)
    return float((says == y_test).double().mean())


def _logistic(z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weights (d, kinds) and biases (kinds,) that minimize the loss."""
    kinds = int(y.max()) + 1
    w = torch.zeros(z.shape[1], kinds, dtype=z.dtype, requires_grad=True)
    b = torch.zeros(kinds, dtype=z.dtype, requires_grad=True)
    lbfgs = torch.optim.LBFGS([w, b], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        lbfgs.zero_grad()
        value = cross_entropy(z @ w + b, y) + PENALTY * w.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value.detach()

    with torch.enable_grad():
        lbfgs.step(loss)  # type: ignore[no-untyped-call]
    return w.detach(), b.detach()
