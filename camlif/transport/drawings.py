"""Figures of a validation, as SVG with texts drawn as paths, so that every reader shows them alike.

Measures go in, the text of a drawing comes out; the same measures give the same drawing.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from camlif.wording import period

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from camlif.transport.validation import AtHorizon, Validation

MODEL, OBSERVED, MUTED = "#0B5CAD", "#1F2933", "#6B7785"
STRATA = ("#0B5CAD", "#8A6D00", "#A4262C")
LEAST_AT_RISK = 5
"""Patients at risk at which a curve ends."""
WIDTH = 7.2
"""Inches: a page's text."""
SETTINGS: Any = {
    "svg.fonttype": "path",
    "svg.hashsalt": "camlif",
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "legend.frameon": False,
}


def calibration_svg(horizons: Sequence[AtHorizon]) -> str:
    """Draw predicted against observed risk at each horizon, smooth and in bins.

    Parameters
    ----------
    horizons : sequence of AtHorizon
    """
    with mpl.rc_context(SETTINGS):
        figure, places = _panels(horizons)
        for place, at in zip(places, horizons, strict=True):
            place.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle="--")
            if at.curve.size:
                place.plot(*at.curve, color=MODEL, linewidth=1.6)
            for found in at.calibration.bins if at.calibration else ():
                if found.observed is None:
                    continue
                low, high = found.low, found.high
                if low is not None and high is not None:
                    risk = 1 - found.predicted
                    place.plot([risk, risk], [1 - high, 1 - low], color=OBSERVED, linewidth=0.8)
                place.plot(1 - found.predicted, 1 - found.observed, "o", color=OBSERVED, ms=3.5)
            place.set(xlim=(0, 1), ylim=(0, 1), xlabel="predicted risk", aspect="equal")
        places[0].set_ylabel("observed risk")
        return _svg(figure)


def discrimination_svg(found: Validation) -> str:
    """Draw the AUC at each time, and observed beside mean predicted survival of each risk group."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 2.5), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(2, 3))
        _draw_auc(left, found)
        _draw_curves(right, found)
        return _svg(figure)


def _draw_auc(place: Axes, found: Validation) -> None:
    place.axhline(0.5, color=MUTED, linewidth=0.8, linestyle="--")
    for at in found.over_time.horizons:
        if at.auc is None:
            continue
        if at.low is not None and at.high is not None:
            place.plot([at.horizon] * 2, [at.low, at.high], color=MODEL, linewidth=1.2)
        place.plot(at.horizon, at.auc, "o", color=MODEL, ms=4)
    place.set(ylim=(0.3, 1), xlabel="months", ylabel="AUC")
    place.set_xticks([at.horizon for at in found.over_time.horizons])


def _draw_curves(place: Axes, found: Validation) -> None:
    """Steps are observed, as far as enough are at risk; dashed lines are predicted."""
    for (name, curve), color in zip(found.observed.items(), _colors(found), strict=True):
        enough = curve.at_risk_at(found.months) >= LEAST_AT_RISK
        shown = found.months[enough]
        place.step(shown, curve.at(shown), where="post", color=color, linewidth=1.4)
        place.plot(shown, found.predicted[name][enough], color=color, linewidth=1, linestyle="--")
        place.plot([], [], color=color, label=f"{name} (n = {found.sizes[name]:,})")
    place.plot([], [], color=OBSERVED, linewidth=1.4, label="observed")
    place.plot([], [], color=OBSERVED, linewidth=1, linestyle="--", label="predicted")
    place.set(ylim=(0, 1), xlim=(0, None), xlabel="months", ylabel="event-free")
    place.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def decision_svg(horizons: Sequence[AtHorizon]) -> str:
    """Draw the net benefit of flagging by the model, everyone and nobody at each horizon.

    Parameters
    ----------
    horizons : sequence of AtHorizon
    """
    with mpl.rc_context(SETTINGS):
        figure, places = _panels(horizons)
        for place, at in zip(places, horizons, strict=True):
            place.axhline(0, color=MUTED, linewidth=0.8)
            if at.decision is not None:
                best = float(np.nanmax([0.01, *at.decision.model, *at.decision.everyone]))
                place.plot(at.decision.thresholds, at.decision.everyone, color=MUTED, linewidth=1)
                place.plot(at.decision.thresholds, at.decision.model, color=MODEL, linewidth=1.4)
                place.set(ylim=(-0.25 * best, 1.1 * best))
            place.set(xlim=(0, 1), xlabel="flagged from a risk of")
        places[0].set_ylabel("net benefit")
        return _svg(figure)


def _colors(found: Validation) -> list[str]:
    """One colour per risk group, from low to high."""
    n = len(found.observed)
    return [STRATA[round(i * (len(STRATA) - 1) / max(n - 1, 1))] for i in range(n)]


def _panels(horizons: Sequence[AtHorizon]) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH, 2.5), layout="constrained")
    places = list(figure.subplots(1, len(horizons), squeeze=False)[0])
    for place, at in zip(places, horizons, strict=True):
        place.set_title(period(at.gate.horizon), fontsize=8)
    return figure, places


def _svg(figure: Figure) -> str:
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    return text[text.index("<svg") :]
