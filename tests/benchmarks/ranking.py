"""C-index and Cox loss at sizes from a batch to a register, beside the libraries that have them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from camlif.losses import cox_partial_likelihood
from camlif.statistics import concordance_index
from tests.benchmarks.harness import Line, measure

MILLION = 10**6
REPEATS = 5
LOSS_SIZES = {16: "<= 1.5x the best peer", 100_000: "no slower than pycox", MILLION: "< 0.6 s"}
C_INDEX_PEER_SIZE = 100_000
"""The peer takes its own O(n log n), in Python."""


def run(device: str, *, full: bool) -> Iterator[Line]:
    """C-index on the CPU, where it is always computed; the loss on the device."""
    if device == "cpu":
        yield from _c_index(full=full)
    for n, target in LOSS_SIZES.items():
        yield from _loss(n, target, device)


def _c_index(*, full: bool) -> Iterator[Line]:
    from lifelines.utils import concordance_index as by_lifelines

    size = MILLION if full else C_INDEX_PEER_SIZE
    for n in sorted({size, MILLION}):
        risk, event, duration = _patients(n)
        jobs: list[Callable[[], float]] = [lambda p=(risk, event, duration): concordance_index(*p)]
        if n == size:
            jobs.append(lambda p=(duration, -risk, event): by_lifelines(*p))
            note = f"difference {abs(jobs[0]() - jobs[1]()):.0e}"
        timings = measure(*jobs, repeats=3, warm=n != size)
        yield Line(
            f"C-index, ties, n = {n:,}",
            timings[0],
            "< 1.5 s" if n == MILLION else ">= 15x",
            "lifelines" if n == size else "",
            timings[1] if n == size else None,
            note if n == size else "",
        )


def _patients(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Risk of single precision, event and follow-up in tenths of a month."""
    rng = np.random.default_rng(0)
    risk = rng.standard_normal(n).astype(np.float32).astype(np.float64)
    return risk, rng.random(n) < 0.4, rng.exponential(60, n).round(1)


def _loss(n: int, target: str, device: str) -> Iterator[Line]:
    risk, event, duration = (torch.as_tensor(x, device=device) for x in _patients(n))
    risk, duration = risk.float().requires_grad_(), duration.float()
    peers: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
        "torchsurv": _torchsurv(),
        "pycox's formula, ties ignored": pycox_formula,
    }

    def step(loss: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[[], object]:
        calls = 200 if n <= 16 else 1

        def forward_and_backward() -> None:
            for _ in range(calls):
                risk.grad = None
                loss(risk, event, duration).backward()

        return forward_and_backward

    jobs = [step(cox_partial_likelihood), *(step(peer) for peer in peers.values())]
    ours, *theirs = measure(*jobs, repeats=REPEATS, device=device)
    calls = " x 200" if n <= 16 else ""
    for name, timing in zip(peers, theirs, strict=True):
        yield Line(f"Cox loss and gradient, n = {n:,}{calls}", ours, target, name, timing)


def _torchsurv() -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from torchsurv.loss.cox import neg_partial_log_likelihood

    def loss(risk: Tensor, event: Tensor, duration: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that times are tied
            return neg_partial_log_likelihood(risk, event, duration, ties_method="breslow")

    return loss


def pycox_formula(risk: Tensor, event: Tensor, duration: Tensor) -> Tensor:
    """The loss of pycox 0.3, which takes equal times in the order of the sort."""
    order = duration.sort(descending=True)[1]
    risk, events = risk[order], event[order].float()
    peak = risk.max()
    log_total = risk.sub(peak).exp().cumsum(0).add(1e-7).log().add(peak)
    return -(risk - log_total).mul(events).sum().div(events.sum())
