"""How sure a risk group is: one of three states, the same on pages, in files and in tables.

A bundle and its score result go in; states of all patients, or the `Certainty` of one with its
reason, come out. Nothing fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from numpy.typing import NDArray

from camlif.model import sentences
from camlif.wording import listed

if TYPE_CHECKING:
    from camlif.model.bundle import Bundle
    from camlif.model.scoring import ScoreResult

State = Literal["consistent", "borderline", "can't say"]


@dataclass(frozen=True, slots=True)
class Certainty:
    """A state with its reason, which is a clause without a capital and a full stop."""

    state: State
    reason: str

    @property
    def sentence(self) -> str:
        """State and reason in one line."""
        return f"{self.state.capitalize()}: {self.reason}."


def certainty_states(bundle: Bundle, result: ScoreResult) -> NDArray[np.str_]:
    """Return the state of each patient, shape (n,).

    Nothing can be said of a patient without a score, unlike the training data, or scored from
    modalities that rank little better than chance. Otherwise the interval of z decides: within
    one risk group it is consistent, else borderline.

    Parameters
    ----------
    bundle : Bundle
        The one that made ``result``.
    result : ScoreResult
    """
    low, high = (result.table[name].to_numpy("float64") for name in ("z_low", "z_high"))
    across = np.searchsorted(bundle.strata.cutoffs, high, side="right") > np.searchsorted(
        bundle.strata.cutoffs, low, side="right"
    )
    unsayable = ~result.scored | result.unlike
    for found, rows in bundle.reference.by_set(result.presence):
        unsayable[rows] |= found.validation.weak and not result.presence[rows].all()
    states = np.where(across, "borderline", "consistent")
    return np.where(unsayable, "can't say", states)


def case_certainty(
    bundle: Bundle, result: ScoreResult, row: int, *, modality: Callable[[str], str] = str
) -> Certainty:
    """Return the state of one patient with what speaks for it.

    Parameters
    ----------
    bundle : Bundle
    result : ScoreResult
    row : int
        The patient.
    modality : callable
        Says what people call a modality of the schema.
    """
    state = cast(State, str(certainty_states(bundle, result)[row]))
    record = result.table.iloc[row]
    if state == "borderline":
        groups = bundle.strata.between(float(record["z_low"]), float(record["z_high"]))
        return Certainty(state, f"the model's interval reaches from {groups[0]} to {groups[-1]}")
    if state == "consistent":
        return Certainty(state, f"the model's interval stays within {result.stratum[row]}")
    if not result.scored[row]:
        return Certainty(state, "there is no score")
    if result.unlike[row]:
        return Certainty(state, sentences.UNLIKE_REASON)
    pairs = zip(bundle.schema.names, result.presence[row], strict=True)
    absent = listed([modality(name) for name, there in pairs if not there])
    return Certainty(state, f"without {absent} the model ranks little better than chance")
