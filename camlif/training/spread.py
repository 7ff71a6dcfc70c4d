"""Members spread over processes, each with the numbers it has in one stack of all.

Dropout is the only thing that members draw together: one stream fills the masks of the whole stack.
A process that trains some of the members draws these masks and takes its own part of them.
"""

from __future__ import annotations

import math
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
        noise: Tensor = _Masks.apply(x, 1 - self.p, self.part)  # type: ignore[no-untyped-call]
        if not self.alpha:
            return x * (noise / (1 - self.p))
        a = 1 / math.sqrt((SELU_SATURATION**2 * self.p + 1) * (1 - self.p))
        shift = (noise - 1) * (-SELU_SATURATION * a) - SELU_SATURATION * a * self.p
        return x * (noise * a) + shift


class _Masks(torch.autograd.Function):
    """Draw 0 and 1 like ``x`` for the stack of all members, and return those of a part."""

    @staticmethod
    def forward(x: Tensor, keep: float, part: Part) -> Tensor:
        raise NotImplementedError("Members are trained in a stack.")

    @staticmethod
    def setup_context(*_: Any) -> None:
        """Nothing is kept: masks have no gradient."""

    @staticmethod
    def vmap(
        _: Any, in_dims: tuple[int, None, None], x: Tensor, keep: float, part: Part
    ) -> tuple[Tensor, int]:
        shape = x.movedim(in_dims[0], 0).shape[1:]
        drawn = x.new_empty((part.total, *shape)).bernoulli_(keep)
        return drawn[part.first : part.stop], 0
