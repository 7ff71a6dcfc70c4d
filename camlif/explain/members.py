"""Explanations of every member by itself, from which those of any resampled ensemble follow.

A bundle and patients go in; prepared pairs of a patient and a member come out. Raises `ConfigError`
for an empty selection, `EstimationError` where no patient is scored. The ensemble's log risk is the
mean over the members that did not see a patient, and so are its contributions. Shapes: n patients,
e members, q pairs of a patient and a member that counts for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import Float64Array
from camlif.data.cohort import Cohort
from camlif.explain.explained import Explained, group_by_members, prepare

if TYPE_CHECKING:
    from camlif.model.bundle import Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPairs:
    """Pairs of a scored patient and a member that did not see it.

    Attributes
    ----------
    explained : Explained
        One row per pair, (q,); each batch holds the patients of one member.
    patients, members : int array, shape (q,)
        Of each pair: the patient's position among the scored ones, and the member's number.
    """

    explained: Explained
    patients: NDArray[np.int_]
    members: NDArray[np.int_]

    @property
    def n_patients(self) -> int:
        """Patients that are scored."""
        return int(self.patients.max()) + 1

    @property
    def n_members(self) -> int:
        """Members that count for any of the patients."""
        return len(np.unique(self.members))

    def mean(self, values: Float64Array, weights: Float64Array | None = None) -> Float64Array:
        """Average pairs over members: (q, ...) -> (n, ...).

        ``weights`` (e,) counts each member of `members` as often as it says; NaN for a patient of
        whom no member is left.
        """
        weight = np.zeros((self.n_patients, len(self.patients)))
        weight[self.patients, np.arange(len(self.patients))] = (
            1.0 if weights is None else weights[self.members]
        )
        total = weight.sum(axis=1, keepdims=True)
        weight = np.divide(weight, total, out=np.full_like(weight, np.nan), where=total > 0)
        mean: Float64Array = np.tensordot(weight, values, axes=1)
        return mean


def member_pairs(
    bundle: Bundle,
    cohort: Cohort,
    rows: Sequence[int] | NDArray[np.int_],
    *,
    missing: tuple[str, ...] = (),
) -> MemberPairs:
    """Prepare each patient once for every member that counts for it, against training medians.

    Parameters
    ----------
    bundle, cohort, rows, missing
        As in `camlif.explain.features.explain_features`.

    Raises
    ------
    ConfigError
        With an empty selection.
    EstimationError
        If none of the patients is scored.
    """
    explained = prepare(bundle, cohort, rows, missing=missing)
    scored = np.flatnonzero([reason is None for reason in explained.reasons])
    patients, members = np.nonzero(~explained.seen[scored])
    seen = np.ones((len(patients), explained.seen.shape[1]), dtype=bool)
    seen[np.arange(len(patients)), members] = False
    raw = explained.raw.take(scored[patients])
    reasons = (None,) * len(patients)
    pairs = Explained(
        schema=explained.schema,
        players=explained.players,
        background=explained.background,
        raw=raw,
        seen=seen,
        reasons=reasons,
        batches=group_by_members(
            bundle.ensemble, explained.players, raw, seen, reasons, explained.background
        ),
    )
    return MemberPairs(explained=pairs, patients=patients, members=members)
