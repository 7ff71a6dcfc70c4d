"""Splits by patient: event-stratified, seeded, and kept in a file all models read.

Identifiers and events go in; out comes who is tested in which split, by the scheme ``covering``
(each patient equally often) or ``monte_carlo`` (independent draws, An et al., AAAI 2025). Raises
`ConfigError` for counts that a scheme cannot make, `AlignmentError` for a file that does not fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlif.arrays import BoolArray
from camlif.config import FOLDS, SplitScheme, require_scheme
from camlif.exceptions import AlignmentError, ConfigError
from camlif.files import write_text
from camlif.wording import count


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """Train/test partitions of the same patients.

    Attributes
    ----------
    patient_ids : ndarray of str, shape (n,)
    test : ndarray of bool, shape (s, n)
        True where the patient is in the test part of the split; train is the complement.
    scheme : {"covering", "monte_carlo"}
    seed : int
    """

    patient_ids: NDArray[np.str_]
    test: BoolArray
    scheme: SplitScheme
    seed: int

    def __post_init__(self) -> None:
        if len(set(self.patient_ids.tolist())) != len(self.patient_ids):
            # A patient in two rows could be trained on and tested in the same split.
            raise AlignmentError("Patient identifiers are not unique.", column="patient_id")
        if self.test.ndim != 2 or self.test.shape[1] != len(self.patient_ids):
            raise AlignmentError(
                "Splits do not hold one column per patient.",
                found=f"shape {self.test.shape}",
                expected=f"(s, {len(self.patient_ids)})",
            )

    def __len__(self) -> int:
        return len(self.test)

    def train_rows(self, split: int) -> NDArray[np.int_]:
        """Row numbers of the training part."""
        return np.flatnonzero(~self.test[split])

    def test_rows(self, split: int) -> NDArray[np.int_]:
        """Row numbers of the test part."""
        return np.flatnonzero(self.test[split])

    @property
    def n_never_tested(self) -> int:
        """Patients that no split tests, so that have no held-out risk."""
        return int((~self.test.any(axis=0)).sum())

    def write(self, path: Path) -> None:
        """Write a CSV: one row per patient, one column per split, Train or Test."""
        cells = np.where(self.test.T, "Test", "Train")
        table = pd.DataFrame(cells, columns=[f"split_{i}" for i in range(len(self))])
        table.insert(0, "patient_id", self.patient_ids)
        write_text(path, table.to_csv(index=False))

    @classmethod
    def read(cls, path: Path, *, scheme: SplitScheme, seed: int) -> Splits:
        """Read a file of `write`.

        Parameters
        ----------
        path : Path
            CSV with a column patient_id and one column of Train and Test per split.
        scheme : SplitScheme
            Scheme that the file was drawn by, which it does not hold.
        seed : int
            Seed that it was drawn with.

        Raises
        ------
        AlignmentError
            If the file has no patient_id, repeats one, or holds other words than Train and Test.
        """
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        if "patient_id" not in table:
            raise AlignmentError("Splits need a column patient_id.", file=path.name)
        cells = table.drop(columns="patient_id").to_numpy()
        if not np.isin(cells, ("Train", "Test")).all():
            raise AlignmentError("Splits hold other words than Train and Test.", file=path.name)
        return cls(
            patient_ids=table["patient_id"].to_numpy(dtype=str),
            test=(cells == "Test").T,
            scheme=scheme,
            seed=seed,
        )


def make_splits(
    patient_ids: NDArray[np.str_],
    event: BoolArray,
    *,
    n_splits: int = 15,
    scheme: SplitScheme = "covering",
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Splits:
    """Draw event-stratified splits of patients.

    ``covering`` draws n_splits / 5 independent random 5-fold partitions, so that every patient is
    tested equally often. ``monte_carlo`` draws independent test parts (the paper), so about 4 of
    100 patients are never tested in 15 splits.

    Parameters
    ----------
    patient_ids : ndarray of str, shape (n,)
        One row per patient.
    event : ndarray of bool, shape (n,)
    n_splits : int
        At least 2; of ``covering`` a multiple of 5.
    scheme : {"covering", "monte_carlo"}
    test_fraction : float
        Share of the patients in a test part, in (0, 1).
    seed : int

    Raises
    ------
    ConfigError
        With fewer patients than a split needs, or for covering splits whose number is no multiple
        of 5 or whose test fraction is not 0.2.
    """
    require_scheme(n_splits, scheme, test_fraction)
    n = len(patient_ids)
    if n < 2 * FOLDS or event.sum() < FOLDS:
        raise ConfigError(
            f"{count(n, 'patient')} with {count(int(event.sum()), 'event')} cannot be split; "
            f"at least {2 * FOLDS} patients and {FOLDS} events are needed."
        )
    rng = np.random.default_rng(seed)
    if scheme == "covering":
        parts = [_partition(event, rng) for _ in range(n_splits // FOLDS)]
        test = np.concatenate([part == np.arange(FOLDS)[:, None] for part in parts])
    else:
        test = np.stack([_draw(event, test_fraction, rng) for _ in range(n_splits)])
    return Splits(patient_ids=patient_ids, test=test, scheme=scheme, seed=seed)


def partition_size(test: BoolArray) -> int:
    """Return how many splits in a row test every patient once: `FOLDS`, or 1 where none do.

    Parameters
    ----------
    test : bool, shape (s, n)
    """
    s, n = test.shape
    if s % FOLDS:
        return 1
    once = (test.reshape(s // FOLDS, FOLDS, n).sum(axis=1) == 1).all()
    return FOLDS if once else 1


def _partition(event: BoolArray, rng: np.random.Generator) -> NDArray[np.int_]:
    """Random fold number of each patient, sizes equal within events and within the others."""
    shuffled = rng.permutation(len(event))
    ordered = np.concatenate([shuffled[event[shuffled]], shuffled[~event[shuffled]]])
    fold = np.empty(len(event), dtype=int)
    fold[ordered] = np.arange(len(event)) % FOLDS
    return fold


def _draw(event: BoolArray, fraction: float, rng: np.random.Generator) -> BoolArray:
    test = np.zeros(len(event), dtype=bool)
    for stratum in (event, ~event):
        rows = np.flatnonzero(stratum)
        test[rng.permutation(rows)[: round(fraction * len(rows))]] = True
    return test
