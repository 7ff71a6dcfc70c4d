"""DeepLift's rules for a network written with functions, so that contributions add up.

A batch of patients and baselines goes in, multipliers by input come out; nothing fails.

Captum's DeepLift knows activations that are modules used once. CA-MLIF calls ``relu``, ``softmax``,
``sigmoid`` and ``layer_norm`` as functions, multiplies activations (attention, gates, low-rank
fusion) and runs one fusion module twice; left to Captum alone, all of these would take the plain
gradient and contributions would not sum to the difference. Here every such call is replaced by one
with the same value whose derivative is the finite difference between patient and baseline:

- function of one number: (f(x) - f(b)) / (x - b), the rescale rule;
- product: each factor's difference times the other's mean over patient and baseline;
- softmax and layer norm: composed of the two.

A function without a rule keeps its gradient, which then shows as a completeness gap.

The batch is Captum's: the first half patients, the second half their baselines.

References
----------
Shrikumar et al., "Learning important features through propagating activation differences", ICML
2017; the product rule is the Shapley value of a product of two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from camlif.explain.explained import EnsembleRisk
from camlif.networks.interface import Inputs

MIN_DIFFERENCE = 1e-5
"""Below it a finite difference in float32 is rounding noise, and the derivative is taken."""

Function = Callable[[Tensor], Tensor]


class RescaledRisk(nn.Module):
    """The ensemble's risk as a module with DeepLift's derivative: (2n, ...) by tensor -> (2n,)."""

    def __init__(self, risk: EnsembleRisk) -> None:
        super().__init__()
        self.risk = risk

    def forward(self, *tensors: Tensor) -> Tensor:
        """Return mean risks of patients and baselines."""
        raw = self.risk.inputs(*tensors)
        # Imputing, clipping and scaling act on single numbers, too, with members in front.
        straight = self.risk.ensemble.standardise(raw)
        inputs = Inputs(
            tables={m: _secant(raw.tables[m], y, 1) for m, y in straight.tables.items()},
            masks=straight.masks,
            presence=straight.presence,
            clinical=_secant(raw.clinical, straight.clinical, 1),
        )
        with DeepLiftRules():
            return self.risk.of_standardised(inputs)


class DeepLiftRules(TorchFunctionMode):
    """Replace non-linear functions of a batch of patients and baselines while active."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Dispatch by the function's name."""
        rule = RULES.get(getattr(func, "__name__", ""))
        if rule is None:
            return func(*args, **(kwargs or {}))
        return rule(func, *args, **(kwargs or {}))


def _halves(x: Tensor) -> tuple[Tensor, Tensor]:
    patient, baseline = x.chunk(2)
    return patient, baseline


def _secant(x: Tensor, y: Tensor, batch: int) -> Tensor:
    """Values y of a function of x whose derivative is the finite difference (0 where x = b).

    ``batch`` is the axis of patients in y; x lacks the axes before it.
    """
    x, y = torch.nan_to_num(x), y.detach()
    here, there = x.chunk(2, batch - 1)
    y_here, y_there = y.chunk(2, batch)
    change = (here - there).detach()
    slope = torch.where(
        change == 0, 0.0, (y_here - y_there) / torch.where(change == 0, 1.0, change)
    )
    return torch.cat([y_here + slope * (here - here.detach()), y_there], dim=batch)


def _elementwise(x: Tensor, function: Function, derivative: Function) -> Tensor:
    here, there = _halves(x)
    y_here, y_there = _halves(function(x).detach())
    change = (here - there).detach()
    small = change.abs() < MIN_DIFFERENCE
    slope = torch.where(
        small,
        derivative(((here + there) / 2).detach()),
        (y_here - y_there) / torch.where(small, 1.0, change),
    )
    return torch.cat([y_here + slope * (here - here.detach()), y_there])


def _bilinear(product: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> Tensor:
    """Product of two activations: each factor moves against the mean of the other."""
    (a_here, a_there), (b_here, b_there) = _halves(a), _halves(b)
    values = product(a, b).detach()
    a_mean, b_mean = ((a_here + a_there) / 2).detach(), ((b_here + b_there) / 2).detach()
    moved = product(a_here - a_here.detach(), b_mean) + product(a_mean, b_here - b_here.detach())
    v_here, v_there = _halves(values)
    return torch.cat([v_here + moved, v_there])


def _is_batch(a: Any, b: Any) -> bool:
    """Whether both are activations: parameters differ from them in their number of axes."""
    return (
        isinstance(a, Tensor)
        and isinstance(b, Tensor)
        and a.ndim == b.ndim
        and a.ndim >= 2
        and a.shape[0] == b.shape[0]
        and a.shape[0] % 2 == 0
    )


def _multiply(func: Callable[..., Any], a: Any, b: Any) -> Any:
    if not _is_batch(a, b):
        return func(a, b)
    return _bilinear(func, a, b)


def _gate(func: Callable[..., Any], a: Tensor, b: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Bilinear layer of two activations; its bias is a constant."""
    return _bilinear(lambda x, y: func(x, y, weight), a, b) + bias


def _softmax(_: Callable[..., Any], x: Tensor, dim: int = -1, **__: Any) -> Tensor:
    # The same shift for patient and baseline keeps exp a function of one number.
    here, there = _halves(x.detach())
    top = torch.maximum(here.amax(dim, keepdim=True), there.amax(dim, keepdim=True))
    raised = _elementwise(x - torch.cat([top, top]), torch.exp, torch.exp)
    total = raised.sum(dim, keepdim=True)
    inverse = _elementwise(total, torch.reciprocal, lambda t: -(t**-2))
    return _bilinear(torch.mul, raised, inverse)


def _layer_norm(
    _: Callable[..., Any],
    x: Tensor,
    shape: tuple[int, ...],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    **__: Any,
) -> Tensor:
    axes = tuple(range(-len(shape), 0))
    centred = x - x.mean(axes, keepdim=True)
    variance = _elementwise(centred, torch.square, lambda t: 2 * t).mean(axes, keepdim=True)
    scale = _elementwise(variance + eps, torch.rsqrt, lambda t: -0.5 * t**-1.5)
    normed = _bilinear(torch.mul, centred, scale)
    if weight is not None:
        normed = normed * weight
    return normed if bias is None else normed + bias


def _relu(func: Callable[..., Any], x: Tensor, **_: Any) -> Tensor:
    return _elementwise(x, func, lambda t: (t > 0).to(t.dtype))


def _elu(func: Callable[..., Any], x: Tensor, alpha: float = 1.0, **_: Any) -> Tensor:
    return _elementwise(
        x,
        lambda t: func(t, alpha),
        lambda t: torch.where(t > 0, torch.ones_like(t), alpha * torch.exp(t)),
    )


def _sigmoid(func: Callable[..., Any], x: Tensor) -> Tensor:
    return _elementwise(x, func, lambda t: torch.sigmoid(t) * (1 - torch.sigmoid(t)))


def _tanh(func: Callable[..., Any], x: Tensor) -> Tensor:
    return _elementwise(x, func, lambda t: 1 - torch.tanh(t) ** 2)


RULES: Mapping[str, Callable[..., Any]] = {
    "relu": _relu,
    "elu": _elu,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "softmax": _softmax,
    "layer_norm": _layer_norm,
    "mul": _multiply,
    "matmul": _multiply,
    "bilinear": _gate,
}
