"""What a patient has of one modality, judged: the one record of page, PDF and files.

In go shares and distances of one patient, out comes a frozen `ModalityCheck`. Nothing fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from camlif.model.training_range import (
    MAX_SHARE_OUTSIDE,
    UNLIKE_PERCENT,
    UNUSUAL_PERCENT,
    far_words,
    is_unlike,
)
from camlif.wording import count

RangeVerdict = Literal["absent", "in range", "unusual", "outside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityCheck:
    """What a patient has of one modality, and whether it is like the training data.

    Attributes
    ----------
    name, label : str
        In the model's schema, and as people know it.
    present : bool
    status : str
        How complete it is: ``absent``, ``complete``, ``without cd3, 7% imputed``.
    imputed : float or None
        Share of the model's columns without a value, which take the training median; None where
        the modality is absent, as for the numbers below.
    without : str
        Feature groups that the patient lacks altogether, which are masked: ``cd3, cd8``.
    far : int
        Values beyond anything in the training data, see `TrainingRange.times_reach`.
    farthest : str
        Column of the farthest of these; empty where there is none.
    outside : float or None
        Share of the values outside the training range.
    distance_percent : int or None
        Training patients of 100 that lie nearer the middle; None also where the model stored none.
    range : {"absent", "in range", "unusual", "outside"}
        Outside: beyond the 99th percentile of distance, too many values outside the training
        range, or one beyond anything in it. Unusual: beyond the 95th percentile.
    reasons : tuple of str
        Why it is outside; empty where it is not.
    """

    name: str
    label: str
    present: bool
    status: str
    imputed: float | None
    without: str
    far: int
    farthest: str
    outside: float | None
    distance_percent: int | None
    range: RangeVerdict
    reasons: tuple[str, ...]


def check_modality(
    name: str,
    *,
    label: str,
    present: bool,
    imputed: float | None,
    without: str,
    far: int,
    farthest: str,
    outside: float | None,
    distance_percent: int | None,
) -> ModalityCheck:
    """Judge what a patient has of a modality; for the arguments see `ModalityCheck`.

    Parameters
    ----------
    name, label, present, imputed, without, far, farthest, outside, distance_percent
        As the attributes of `ModalityCheck`.
    """
    verdict: RangeVerdict = "absent"
    reasons = []
    if present:
        unusual = (distance_percent or 0) >= UNUSUAL_PERCENT
        verdict = "unusual" if unusual else "in range"
        if is_unlike(outside or 0, distance_percent or 0, far):
            verdict = "outside"
        if far:
            reasons.append(far_words(far, farthest))
        if outside is not None and outside > MAX_SHARE_OUTSIDE:
            reasons.append(f"{100 * outside:.0f}% of values outside the training range")
        if distance_percent is not None and distance_percent >= UNLIKE_PERCENT:
            reasons.append(f"beyond the {UNLIKE_PERCENT}th percentile")
    return ModalityCheck(
        name=name,
        label=label,
        present=present,
        status=_status(imputed, without, far),
        imputed=imputed,
        without=without,
        far=far,
        farthest=farthest,
        outside=outside,
        distance_percent=distance_percent,
        range=verdict,
        reasons=tuple(reasons),
    )


def _status(imputed: float | None, without: str, far: int) -> str:
    if imputed is None:
        return "absent"
    parts = [f"without {without}"] if without else []
    if far:
        parts.append(f"{count(far, 'value')} out of range")
    if imputed > 0:
        share = "under 1%" if imputed < 0.01 else f"{100 * imputed:.0f}%"
        parts.append(f"{share} imputed")
    return ", ".join(parts) or "complete"
