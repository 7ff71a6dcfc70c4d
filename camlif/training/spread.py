"""Members spread over processes, each with the numbers it has in one stack of all.

Counts of members and processes go in, parts come out. Dropout is the only thing that members draw
together: one stream fills the masks of the whole stack. A process that trains some of the members
draws these masks and takes its own part of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

MIN_MEMBERS = 4
"""A process trains no fewer: the stack is what makes it fast."""

SELU_SATURATION = -1.7580993408473766
"""The value that SELU tends to below, which `nn.AlphaDropout` puts in place of what it drops."""


@dataclass(frozen=True, slots=True)
class Part:
    """Members ``first`` to ``stop - 1`` of ``total``."""

    first: int
    stop: int
    total: int

    def __len__(self) -> int:
        return self.stop - self.first

    @property
    def whole(self) -> bool:
        """Whether these are all members."""
        return len(self) == self.total


def split_members(total: int, processes: int) -> list[Part]:
    """Divide members among processes, as evenly as can be and the larger parts first."""
    n_parts = max(1, min(processes, total // MIN_MEMBERS))
    sizes = [len(part) for part in np.array_split(np.arange(total), n_parts)]
    stops = np.cumsum(sizes)
    return [
        Part(int(stop) - size, int(stop), total) for size, stop in zip(sizes, stops, strict=True)
    ]


def plan_waves(left: Sequence[int], total: int, processes: int) -> list[list[Part]]:
    """Divide the members that are left among processes, each of which finishes some after others.

    Parameters
    ----------
    left : sequence of int
        Numbers of the members to train, ascending.
    total : int
        Members of the whole ensemble.
    processes : int
        At least 1.

    Returns
    -------
    list of list of Part
        By process, in the order of training; as many waves for each as can be.
    """
    runs = np.split(np.asarray(left, dtype=int), np.flatnonzero(np.diff(left) > 1) + 1)
    waves = []
    for run in runs:
        n = max(1, len(run) // MIN_MEMBERS)
        if n > processes:
            n = -(-n // processes) * processes
        waves += [Part(int(w[0]), int(w[-1]) + 1, total) for w in np.array_split(run, n) if len(w)]
    queues = [waves[i::processes] for i in range(processes)]
    return [queue for queue in queues if queue]


def share_masks(network: nn.Module, part: Part) -> None:
    """Let every dropout of a network, which is run stacked, draw the masks of all members."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Dropout | nn.AlphaDropout):
                setattr(module, name, _SharedDropout(child, part))


class _SharedDropout(nn.Module):
    """Dropout or alpha dropout of some of the members: same numbers, same formula as torch."""

    def __init__(self, like: nn.Dropout | nn.AlphaDropout, part: Part) -> None:
        super().__init__()
        self.p = like.p
        self.alpha = isinstance(like, nn.AlphaDropout)
        self.part = part

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        factor, shift = _Noise.apply(x, self)  # type: ignore[no-untyped-call]
        kept: Tensor = x * factor
        return kept + shift if self.alpha else kept

    def draw(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return what values (e, ...) of the part are multiplied by, and what is added to them."""
        part = self.part
        every = x.new_empty((part.total, *x.shape[1:])).bernoulli_(1 - self.p)
        mask = every[part.first : part.stop]
        if not self.alpha:
            return mask.div_(1 - self.p), None
        a = 1 / math.sqrt((SELU_SATURATION**2 * self.p + 1) * (1 - self.p))
        shift = mask.sub(1).mul_(-SELU_SATURATION * a).add_(-SELU_SATURATION * a * self.p)
        return mask.mul_(a), shift


class _Noise(torch.autograd.Function):
    """Draw noise for a stack, x of shape (e, ...), within `vmap` or without; it has no gradient."""

    @staticmethod
    def forward(x: Tensor, layer: _SharedDropout) -> tuple[Tensor, Tensor | None]:
        return layer.draw(x)

    @staticmethod
    def setup_context(*_: Any) -> None:
        """Nothing is kept."""

    @staticmethod
    def vmap(
        _: Any, in_dims: tuple[int, None], x: Tensor, layer: _SharedDropout
    ) -> tuple[tuple[Tensor, Tensor | None], tuple[int, int | None]]:
        factor, shift = layer.draw(x.movedim(in_dims[0], 0).detach())
        return (factor, shift), (0, None if shift is None else 0)
