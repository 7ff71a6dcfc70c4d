"""Verdicts on attribution methods, kept by digest: computed once per model and cohort.

A bundle and a cohort go in, verdicts of `camlif.explain.faithfulness` come out. Raises the errors
of `check_explanations`; a folder that cannot be written costs the next computation only.

Those on bundled cohorts are files in the home folder, which hold curves and counts and nothing of a
single patient; those on uploaded tables live as long as the session.
"""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from camlif.data.cohort import Cohort
from camlif.explain import METHODS, Faithfulness, check_explanations
from camlif.files import PRIVATE, write_text
from camlif.model.bundle import Bundle

N_PATIENTS = 50
FOLDER = "explanations"
VERSION = 1
"""Raised when the check itself changes, so that stored verdicts are computed anew."""

_VERDICT = TypeAdapter(Faithfulness)


def spread_by_risk(z: NDArray[np.float64], rows: NDArray[np.int_], n: int) -> NDArray[np.int_]:
    """At most ``n`` of the rows, evenly spaced by risk, so that all risk groups are among them.

    Parameters
    ----------
    z : float64, shape (n_patients,)
        Risks of all patients of the cohort.
    rows : int, shape (r,)
        Patients to choose from.
    n : int
        At least 1.
    """
    if len(rows) <= n:
        return rows
    ordered = rows[np.argsort(z[rows], kind="stable")]
    return np.sort(ordered[np.linspace(0, len(ordered) - 1, n).astype(int)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """The verdicts on one model with one cohort.

    Attributes
    ----------
    cohort_digest, model_digest : str
    missing : tuple of str
        Modalities treated as missing.
    folder : Path or None
        Where verdicts are stored; None keeps them in ``memory`` only.
    memory : mutable mapping
        Verdicts of this session.
    """

    cohort_digest: str
    model_digest: str
    missing: tuple[str, ...] = ()
    folder: Path | None = None
    memory: MutableMapping[str, Faithfulness] = field(default_factory=dict)

    def known(self, method: str) -> Faithfulness | None:
        """Return a verdict that was computed before; a damaged file counts as none."""
        key = self._key(method)
        if key not in self.memory and self.folder is not None:
            try:
                stored = (self.folder / f"{key}.json").read_bytes()
                self.memory[key] = _VERDICT.validate_json(stored)
            except (OSError, ValidationError):
                return None
        return self.memory.get(key)

    def compute(
        self, method: str, bundle: Bundle, cohort: Cohort, rows: NDArray[np.int_]
    ) -> Faithfulness:
        """Check a method and keep the verdict.

        Parameters
        ----------
        method : str
            A key of `METHODS`.
        bundle : Bundle
        cohort : Cohort
        rows : int, shape (r,)
            Patients of the cohort to check on.

        Raises
        ------
        ConfigError, EstimationError
            As `check_explanations`.
        """
        found = check_explanations(bundle, cohort, rows, method=method, missing=self.missing)
        self.memory[self._key(method)] = found
        if self.folder is not None:
            stored = self.folder / f"{self._key(method)}.json"
            with suppress(OSError):  # a folder that cannot be written costs the next computation
                self.folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
                write_text(stored, _VERDICT.dump_json(found).decode())
        return found

    def default(self) -> str:
        """Return the first method that is not known to fail; the first of all if all fail."""
        for method in METHODS:
            known = self.known(method)
            if known is None or known.passes:
                return method
        return next(iter(METHODS))

    def _key(self, method: str) -> str:
        parts = (str(VERSION), self.cohort_digest, self.model_digest, method, *self.missing)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
