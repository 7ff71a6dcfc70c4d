"""Level 2 methods of Captum over the ensemble, one function each.

Every function takes a batch of n patients of the same members and returns one tensor by player:
shape (n, ...) like the values for features, (n, n_groups) for groups. Its docstring names the paper
that it follows. Raises `ConfigError` for an unknown method.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from camlif.exceptions import ConfigError
from camlif.explain.explained import Batch, EnsembleRisk, rows_at_once
from camlif.explain.integration import STEPS, integrated_gradients
from camlif.explain.results import Level
from camlif.wording import count

GRADIENT_SAMPLES = 128
PERMUTATIONS = 25
KERNEL_SAMPLES = 256

PerPlayer = tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Masks:
    """Which columns a perturbation moves together.

    Attributes
    ----------
    tensors : tuple of LongTensor, one per player, broadcastable to its values
        Ids, unique over all players.
    ids : tuple of LongTensor
        The ids of each player, in order.
    """

    tensors: tuple[Tensor, ...]
    ids: tuple[Tensor, ...]

    def __post_init__(self) -> None:
        seen: set[int] = set()
        for mask in self.tensors:
            ids = set(mask.flatten().tolist())
            if seen & ids:
                # Captum would move columns of two inputs as one, or credit neither.
                raise ConfigError("Feature masks of two modalities share an id.")
            seen |= ids
        if seen != set(range(len(seen))):
            raise ConfigError("Feature mask ids must be 0, 1, 2, ... without gaps.")

    @property
    def n(self) -> int:
        """Number of ids."""
        return sum(len(ids) for ids in self.ids)


def make_masks(groups: tuple[tuple[str, ...], ...], batch: Batch, level: Level) -> Masks:
    """Number columns, or the groups they belong to, over all players.

    Parameters
    ----------
    groups : by player, the group of each column
    batch : Batch
    level : {"feature", "group"}
    """
    if len(groups) != len(batch.values):
        raise ConfigError(f"{count(len(groups), 'mask')} for {count(len(batch.values), 'input')}.")
    tensors, ids, start = [], [], 0
    for names, x in zip(groups, batch.values, strict=True):
        keys = range(len(names)) if level == "feature" else names
        number = {key: start + i for i, key in enumerate(dict.fromkeys(keys))}
        mask = torch.tensor([number[key] for key in keys], dtype=torch.long, device=x.device)
        tensors.append(mask.view(*(1,) * (x.ndim - 1), -1))
        ids.append(torch.arange(start, start + len(number)))
        start += len(number)
    return Masks(tuple(tensors), tuple(ids))


@contextmanager
def fixed_seed(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global generators that Captum draws from, and put them back."""
    state = np.random.get_state()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            np.random.set_state(state)


def deeplift(batch: Batch) -> PerPlayer:
    """DeepLift with a rule for every operation of the network; see `camlif.explain.rescale`."""
    from captum.attr import DeepLift

    from camlif.explain.rescale import RescaledRisk

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Setting forward, backward hooks")
        attributed = DeepLift(RescaledRisk(batch.risk)).attribute(
            tuple(x.clone().requires_grad_() for x in batch.values),
            baselines=batch.baseline,
            additional_forward_args=batch.fixed,
        )
    return _detached(attributed)


def gradient_shap(batch: Batch, samples: int = GRADIENT_SAMPLES) -> PerPlayer:
    """Mean gradient at random points between the patient and random background rows.

    Players are laid side by side, because Captum draws the background of every input by itself and
    would mix the modalities of different patients.

    References
    ----------
    Lundberg and Lee, NeurIPS 2017; Erion et al., "Expected gradients", 2021.
    """
    from captum.attr import GradientShap

    shapes = [x.shape[1:] for x in batch.values]
    joined = _FlatRisk(batch.risk, shapes)
    flat = torch.cat([x.flatten(1) for x in batch.values], dim=1)
    background = torch.cat([x.flatten(1) for x in batch.background_points()], dim=1)
    attributed = GradientShap(joined).attribute(
        flat,
        baselines=background,
        n_samples=samples,
        stdevs=0.0,
        additional_forward_args=batch.fixed,
    )
    widths = [shape.numel() for shape in shapes]
    parts = attributed.detach().split(widths, dim=1)
    return tuple(part.reshape(len(part), *shape) for part, shape in zip(parts, shapes, strict=True))


def feature_ablation(batch: Batch, masks: Masks) -> PerPlayer:
    """Risk minus the risk with a column, or group, at the baseline. Does not add up in general."""
    from captum.attr import FeatureAblation

    attributed = FeatureAblation(batch.risk).attribute(
        batch.values,
        baselines=batch.baseline,
        additional_forward_args=batch.fixed,
        feature_mask=masks.tensors,
        perturbations_per_eval=_points(batch),
    )
    return _by_mask(attributed, masks)


def shapley_sampling(batch: Batch, masks: Masks, samples: int = PERMUTATIONS) -> PerPlayer:
    """Mean marginal risk over random orders of the groups.

    Parameters
    ----------
    batch : Batch
        n patients.
    masks : Masks
        Which columns make up a group.
    samples : int
        Random orders.

    References
    ----------
    Castro et al., "Polynomial calculation of the Shapley value based on sampling", 2009.
    """
    from captum.attr import ShapleyValueSampling

    attributed = ShapleyValueSampling(batch.risk).attribute(
        batch.values,
        baselines=batch.baseline,
        additional_forward_args=batch.fixed,
        feature_mask=masks.tensors,
        n_samples=samples,
        perturbations_per_eval=_points(batch),
    )
    return _by_mask(attributed, masks)


def kernel_shap(batch: Batch, masks: Masks, samples: int = KERNEL_SAMPLES) -> PerPlayer:
    """Shapley values of the groups by weighted least squares, a patient at a time.

    Groups that the risk cannot depend on take no part in the regression.

    Parameters
    ----------
    batch, masks
        As in `shapley_sampling`.
    samples : int
        Coalitions evaluated a patient.

    References
    ----------
    Lundberg and Lee, "A unified approach to interpreting model predictions", NeurIPS 2017.
    """
    weights = torch.zeros(len(batch), masks.n)
    for i in range(len(batch)):
        one = batch.take(slice(i, i + 1))
        active = sorted(
            {
                group
                for mask, inert in zip(masks.tensors, one.inert, strict=True)
                for group in mask.expand_as(inert)[~inert].tolist()
            }
        )
        weights[i, active] = _kernel_weights(one, masks, active, samples).cpu()
    return tuple(weights[:, ids] for ids in masks.ids)


def _kernel_weights(one: Batch, masks: Masks, active: list[int], samples: int) -> Tensor:
    """Shapley values of the active groups of one patient, shape (n_active,)."""
    from captum.attr import KernelShap

    if len(active) < 2:
        # Nothing to share: Captum's distribution over coalition sizes would be empty.
        return torch.as_tensor(one.log_risk() - one.base_value()).float()[: len(active)]
    # Values of the other groups stand at the baseline, so any id serves them.
    number = torch.zeros(masks.n, dtype=torch.long)
    number[active] = torch.arange(len(active))
    found = KernelShap(one.risk).attribute(
        one.values,
        baselines=one.baseline,
        additional_forward_args=one.fixed,
        feature_mask=tuple(number.to(mask.device)[mask] for mask in masks.tensors),
        n_samples=samples,
        perturbations_per_eval=min(samples, _points(one)),
        return_input_shape=False,
    )
    return cast(Tensor, found).detach().flatten()


class _FlatRisk:
    """The risk as a function of all players' values in one row."""

    def __init__(self, risk: EnsembleRisk, shapes: list[torch.Size]) -> None:
        self.risk = risk
        self.shapes = shapes

    def __call__(self, flat: Tensor, *fixed: Tensor) -> Tensor:
        widths = [shape.numel() for shape in self.shapes]
        parts = torch.split(flat, widths, dim=1)
        values = (part.reshape(len(flat), *s) for part, s in zip(parts, self.shapes, strict=True))
        return self.risk(*values, *fixed)


def _points(batch: Batch) -> int:
    """Perturbations of the whole batch that fit into one evaluation."""
    return rows_at_once(batch.risk, len(batch))


def _by_mask(attributed: Any, masks: Masks) -> PerPlayer:
    """One number per mask id: every element of a group carries the group's."""
    result = []
    for values, mask, ids in zip(attributed, masks.tensors, masks.ids, strict=True):
        column = mask.reshape(-1).tolist()
        first = [column.index(i) for i in ids.tolist()]
        instances = values.detach()[..., first]
        result.append(instances if instances.ndim == 2 else instances[:, 0])
    return tuple(result)


def _detached(attributed: Any) -> PerPlayer:
    return tuple(cast(Tensor, x).detach() for x in attributed)


@dataclass(frozen=True, slots=True)
class Method:
    """One way to spread a risk over features.

    Attributes
    ----------
    label, description : str
        For pages.
    levels : tuple of {"feature", "group"}
        What it can work on, the usual one first.
    adds_up : bool
        Whether contributions sum to log risk minus base value, so that a gap is an error of the
        method rather than its nature.
    points : int
        Evaluations a patient, for the size of a batch; 1 where a method packs them itself.
    steps : int
        First intervals of the integral, or samples.
    run : callable
        Of (batch, masks); for Integrated Gradients see `camlif.explain.integration`.
    takes_turns : bool
        Whether it changes what threads share, generators or warning filters.
    draws_background : bool
        Whether the base value is the mean risk of the background, not the risk at its mean.
    """

    label: str
    description: str
    levels: tuple[Level, ...]
    adds_up: bool
    points: int
    steps: int
    run: Callable[..., Any]
    takes_turns: bool = False
    draws_background: bool = False


IG = "ig"

METHODS: Mapping[str, Method] = {
    IG: Method(
        "Integrated Gradients",
        "Gradient averaged on the way from the baseline to the patient; contributions add up.",
        ("feature",),
        True,
        STEPS + 1,
        STEPS,
        integrated_gradients,
    ),
    "deeplift": Method(
        "DeepLift",
        "Differences from the baseline passed back through every operation; contributions add up.",
        ("feature",),
        True,
        2,
        1,
        lambda batch, _: deeplift(batch),
        takes_turns=True,
    ),
    "gradient_shap": Method(
        "GradientShap",
        "Gradient averaged over random points towards reference patients; adds up on average.",
        ("feature",),
        True,
        GRADIENT_SAMPLES,
        GRADIENT_SAMPLES,
        lambda batch, _: gradient_shap(batch),
        takes_turns=True,
        draws_background=True,
    ),
    "feature_ablation": Method(
        "Feature ablation",
        "Change of risk when one feature or group is set to the baseline; does not add up.",
        ("feature", "group"),
        False,
        64,
        1,
        feature_ablation,
    ),
    "shapley_sampling": Method(
        "Shapley sampling",
        "Shapley values of feature groups over random orders; contributions add up.",
        ("group",),
        True,
        PERMUTATIONS,
        PERMUTATIONS,
        shapley_sampling,
        takes_turns=True,
    ),
    "kernel_shap": Method(
        "KernelShap",
        "Shapley values of feature groups by regression on random coalitions; adds up.",
        ("group",),
        True,
        KERNEL_SAMPLES,
        KERNEL_SAMPLES,
        kernel_shap,
        takes_turns=True,
    ),
}
"""Level 2 methods by their key on the command line."""
