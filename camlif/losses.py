"""Training losses: Cox partial likelihood, discrete-time likelihood and the alignment of eq 6.

Risks and outcomes go in, one scalar a problem comes out. Raise `ConfigError` for unknown ties or
reductions and `DataError` for shapes. After Breslow (1974), Efron (1977), Zadeh and Schmid (2020).

They take any number of leading dimensions, each index an independent problem, so that stacked
members cost one call. None reads a value back from another device than the CPU.

Shapes: n patients, d width, t intervals. Eq 6 is that of An et al., AAAI 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from camlif.config import Ties
from camlif.exceptions import ConfigError, DataError

Reduction = Literal["events", "batch", "sum"]

LONG = 4096
"""From so many patients on, a CPU gains by NumPy's sort and by sums outside log space."""

CELLS = 20_000_000
"""Pairs of patients looked at together where some enter late."""

SAFE_SPREAD = 600.0
"""Log risks this far apart keep their digits when exponentiated in float64."""


def cox_partial_likelihood(
    log_risk: Tensor,
    event: Tensor,
    duration: Tensor,
    *,
    entry: Tensor | None = None,
    ties: Ties = "breslow",
    reduction: Reduction = "events",
) -> Tensor:
    """Compute the negative log partial likelihood of Cox's model.

    Parameters
    ----------
    log_risk : Tensor, shape (..., n)
        Log hazard ratios, higher is worse. Leading dimensions are independent risk sets.
    event : Tensor of bool (or 0 and 1), shape (..., n) or broadcastable to it
        True where the event was observed.
    duration : Tensor, shape (..., n) or broadcastable to it
        Follow-up in any unit, finite; only its order counts. A row with duration -inf and no event
        is padding: it belongs to no risk set and to no count.
    entry : Tensor, shape (..., n) or broadcastable to it, optional
        When each patient came under observation (delayed entry), before ``duration``: in the risk
        sets of later events only. Zero, or less, is from the start.
    ties : {"breslow", "efron"}
        How events at the same time share their risk set.
    reduction : {"events", "batch", "sum"}
        Divide by the number of events, by the number of rows that are no padding, or not at all.

    Returns
    -------
    Tensor, shape (...,)
        A true zero with zero gradients where there is no event.

    Raises
    ------
    ConfigError
        For an unknown ``ties`` or ``reduction``.
    DataError
        If the shapes do not fit each other.

    Notes
    -----
    Patients whose duration equals an event's time are in its risk set, whatever their row and
    whether or not they had the event. Sorting and ``logcumsumexp`` cost O(n log n) time and O(n)
    memory; nothing is exponentiated that could overflow or vanish, so |log_risk| of 1e3 is safe in
    float32. With ``entry`` every event looks at every patient: O(n^2) of both.

    References
    ----------
    Breslow, Biometrics 1974; Efron, JASA 1977.

    Examples
    --------
    >>> risk, duration = torch.zeros(4), torch.tensor([1.0, 2.0, 3.0, 4.0])
    >>> event = torch.ones(4, dtype=torch.bool)
    >>> round(float(cox_partial_likelihood(risk, event, duration)), 6)  # ln(4!) / 4
    0.794513
    """
    if ties not in ("breslow", "efron"):
        raise ConfigError(f"ties must be 'breslow' or 'efron', not {ties!r}.")
    if reduction not in ("events", "batch", "sum"):
        raise ConfigError(f"reduction must be 'events', 'batch' or 'sum', not {reduction!r}.")
    event, duration = _matched(log_risk, event.bool(), duration)

    # Ascending order of the negated duration: the risk set of a row is every row up to the last one
    # of its time.
    time, order = _sorted(-duration)
    time = time.contiguous()
    log_risk, event = log_risk.gather(-1, order), event.gather(-1, order)
    if entry is None:
        last = torch.searchsorted(time, time, right=True) - 1
        log_total = _log_cumulative_sum(log_risk).gather(-1, last)
    else:
        log_total = _log_total_present(log_risk, -time, entry.expand_as(order).gather(-1, order))
    if ties == "efron":
        log_total = log_total + _efron_correction(log_risk, event, time, log_total)
    loss = torch.where(event, log_total - log_risk, 0.0).sum(-1)

    if reduction == "sum":
        return loss
    counted = event if reduction == "events" else time < torch.inf
    return loss / counted.sum(-1).clamp(min=1)


def _log_total_present(log_risk: Tensor, duration: Tensor, entry: Tensor) -> Tensor:
    """Log of the total over those under observation at each row's time, (..., n) -> (..., n)."""
    n = log_risk.shape[-1]
    rows = max(1, CELLS // max(1, log_risk.numel()))
    itself = torch.eye(n, dtype=torch.bool, device=log_risk.device)
    parts = []
    for start in range(0, n, rows):
        block = slice(start, start + rows)
        time = duration[..., block].unsqueeze(-1)
        there = (entry.unsqueeze(-2) < time) | (entry.unsqueeze(-2) <= 0)
        there &= duration.unsqueeze(-2) >= time
        # A row is in its own risk set; padding, which is in none, then has no empty sum.
        there |= itself[block]
        masked = torch.where(there, log_risk.unsqueeze(-2), -torch.inf)
        parts.append(torch.logsumexp(masked, dim=-1))
    return torch.cat(parts, dim=-1)


def _long_on_cpu(x: Tensor) -> bool:
    return x.is_cpu and x.shape[-1] >= LONG


def _sorted(time: Tensor) -> tuple[Tensor, Tensor]:
    """Sort along the last dimension; equal times stand in any order."""
    if not _long_on_cpu(time):
        return torch.sort(time, dim=-1)
    order = torch.from_numpy(np.argsort(time.detach().numpy(), axis=-1))
    return time.gather(-1, order), order


def _log_cumulative_sum(x: Tensor) -> Tensor:
    """``logcumsumexp`` along the last dimension."""
    if not _long_on_cpu(x):
        return torch.logcumsumexp(x, dim=-1)
    low, high = torch.aminmax(x.detach(), dim=-1, keepdim=True)
    if not bool(((high - low) < SAFE_SPREAD).all()):
        return torch.logcumsumexp(x, dim=-1)
    return (x - high).double().exp().cumsum(-1).log().to(x.dtype) + high


def _matched(log_risk: Tensor, event: Tensor, duration: Tensor) -> tuple[Tensor, Tensor]:
    """Expand event and duration to the shape of log_risk."""
    shape = log_risk.shape
    if event.shape == shape == duration.shape and log_risk.ndim:
        return event, duration
    try:
        if not log_risk.ndim:
            raise RuntimeError
        return event.expand(shape), duration.expand(shape)
    except RuntimeError as error:
        raise DataError(
            "log_risk, event and duration do not hold one value per patient in the last dimension.",
            found=f"shapes {tuple(shape)}, {tuple(event.shape)} and {tuple(duration.shape)}",
            expected="one shape (..., n)",
        ) from error


def _efron_correction(log_risk: Tensor, event: Tensor, time: Tensor, log_total: Tensor) -> Tensor:
    """Return what to add to the log risk-set total of each event, rows sorted by time.

    The s-th of m events at a time (s from 0) sees log(A - s/m * B) with A the total over the risk
    set and B the total over the m events.
    """
    first = torch.searchsorted(time, time)  # names the group of equal times
    count = event.cumsum(-1) - event.long()  # events before this row
    rank = count - count.gather(-1, first)
    tied = torch.zeros_like(count).scatter_add(-1, first, event.long()).gather(-1, first)

    peak = torch.full_like(log_risk, -torch.inf).scatter_reduce(
        -1, first, log_risk.detach().masked_fill(~event, -torch.inf), "amax"
    )
    peak = peak.gather(-1, first).masked_fill(~event, 0.0)
    share = torch.where(event, log_risk - peak, -torch.inf).exp()
    sums = torch.zeros_like(share).scatter_add(-1, first, share).gather(-1, first)
    log_events = torch.where(event, sums, 1.0).log() + peak  # at least 1 in any row with an event

    gap = log_events - log_total
    gap = gap - gap.detach().clamp(min=0)  # rounding may lift it above 0; keep its gradient
    # Below 1 in every row: log1p(-1) would give the rows without an event a gradient of NaN, which
    # the backward pass of logcumsumexp turns into a wrong finite one. Integers divide in float32.
    taken = torch.where(event, rank.to(log_risk.dtype) / tied.clamp(min=1), 0.0)
    return torch.where(event, torch.log1p(-taken * gap.exp()), 0.0)


def discrete_time_nll(
    logits: Tensor, interval: Tensor, event: Tensor, *, event_weight: float = 0.0
) -> Tensor:
    """Compute the negative log-likelihood of discrete-time hazards.

    Parameters
    ----------
    logits : Tensor, shape (..., n, t)
        Hazard h_j = sigmoid(logit_j) of each interval, given survival up to it.
    interval : LongTensor, shape (..., n)
        Interval of the follow-up's end, from 0 to t - 1; -1 marks padding.
    event : Tensor of bool, shape (..., n)
        True where the event was observed; otherwise the patient survived the interval.
    event_weight : float
        In [0, 1): (1 - event_weight) times the loss plus event_weight times the terms of patients
        with an event.

    Returns
    -------
    Tensor, shape (...,)
        Mean over the patients that are no padding; a true zero without any.

    Raises
    ------
    DataError
        If the shapes do not fit each other.

    Notes
    -----
    ``L_i = sum_{j<y} softplus(l_j) + softplus(-l_y if event else l_y)``, y the interval. Nothing is
    clamped, so hazards near 0 and 1 keep their gradients.

    References
    ----------
    Zadeh and Schmid, IEEE TPAMI 2020.

    Examples
    --------
    >>> loss = discrete_time_nll(torch.zeros(1, 4), torch.tensor([2]), torch.tensor([True]))
    >>> round(float(loss), 6)  # 3 ln 2
    2.079442
    """
    if not logits.ndim >= 2 or not logits.shape[:-1] == interval.shape == event.shape:
        raise DataError(
            "logits, interval and event do not hold one row per patient.",
            found=f"shapes {tuple(logits.shape)}, {tuple(interval.shape)}, {tuple(event.shape)}",
            expected="(..., n, t), (..., n) and (..., n)",
        )
    real, event = interval >= 0, event.bool()
    last = interval.clamp(min=0).unsqueeze(-1)
    before = torch.arange(logits.shape[-1], device=logits.device) < last
    survived = torch.where(before, F.softplus(logits), 0.0).sum(-1)
    at_end = logits.gather(-1, last).squeeze(-1)
    each = survived + F.softplus(torch.where(event, -at_end, at_end))
    each = torch.where(event, each, (1 - event_weight) * each)
    return torch.where(real, each, 0.0).sum(-1) / real.sum(-1).clamp(min=1)


def alignment_loss(
    original: Sequence[Tensor],
    enhanced: Sequence[Tensor],
    *,
    weight: Sequence[Tensor] | None = None,
    detach: bool = True,
) -> Tensor:
    """Compute L_sim: how far each enhanced class vector is from its own original (eq 6).

    Parameters
    ----------
    original, enhanced : sequence of Tensor, one per modality, each shape (..., n, d)
        Encoder class vectors (P, C) and decoder class vectors (P_hat, C_hat).
    weight : sequence of Tensor, one per modality, each shape (..., n), optional
        1 (True) where the patient counts for the modality, 0 where it is absent or padding.
    detach : bool
        Stop the gradient at ``original``, so that only the decoder side is pulled.

    Returns
    -------
    Tensor, shape (...,)
        Sum over modalities of the mean over counted patients of the mean absolute difference over
        d. A modality that nobody has adds a true zero.

    Raises
    ------
    DataError
        If the numbers or shapes of the tensors differ, or a bare tensor is given.

    Notes
    -----
    Eq 6 shows no stop-gradient; without one both sides can shrink to a common uninformative point.
    A modality is compared with its own reconstruction, never with another modality.

    References
    ----------
    An et al., AAAI 2025, eq. 6.
    """
    _check_pairs(original, enhanced, weight)
    target = torch.stack(tuple(original))
    difference = (target.detach() if detach else target) - torch.stack(tuple(enhanced))
    distance = difference.abs().mean(-1)  # (modalities, ..., n)
    if weight is None:
        return distance.mean(-1).sum(0)
    counts = torch.stack(tuple(weight)).bool()
    total = torch.where(counts, distance, 0.0).sum(-1)
    return (total / counts.sum(-1).clamp(min=1)).sum(0)


def _check_pairs(
    original: Sequence[Tensor], enhanced: Sequence[Tensor], weight: Sequence[Tensor] | None
) -> None:
    if isinstance(original, Tensor) or isinstance(enhanced, Tensor):
        raise DataError("Give a sequence with one tensor per modality, not a bare tensor.")
    shapes = [tuple(t.shape) for t in (*original, *enhanced)]
    fits = len(original) == len(enhanced) > 0 and len(set(shapes)) == 1 and len(shapes[0]) >= 2
    if fits and weight is not None:
        fits = [tuple(w.shape) for w in weight] == [shapes[0][:-1]] * len(original)
    if not fits:
        found = f"shapes {shapes}"
        if weight is not None:
            found += f", weights {[tuple(w.shape) for w in weight]}"
        raise DataError(
            "Original and enhanced class vectors do not pair up.",
            found=found,
            expected="one (..., n, d) pair per modality, weights (..., n)",
        )
