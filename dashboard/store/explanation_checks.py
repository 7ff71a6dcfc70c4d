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
from camlif.explain import Faithfulness, check_explanations
from camlif.explain.verdicts import BY_FEATURE, BY_GROUP, ExplanationChoice, choose
from camlif.files import PRIVATE, write_text
from camlif.model.bundle import Bundle
from camlif.model.card import ExplanationVerdict

FOLDER = "explanations"
VERSION = 2
"""Raised when the check itself changes, so that stored verdicts are computed anew."""

_VERDICT = TypeAdapter(Faithfulness)


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
    card : tuple of ExplanationVerdict
        What was found when the model was trained; counts where this cohort has no verdict.
    """

    cohort_digest: str
    model_digest: str
    missing: tuple[str, ...] = ()
    folder: Path | None = None
    memory: MutableMapping[str, Faithfulness] = field(default_factory=dict)
    card: tuple[ExplanationVerdict, ...] = ()

    def known(self, method: str) -> Faithfulness | None:
        """Return a verdict that was computed before; a damaged file counts as none."""
        key = self.key(method)
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
        """Check a method and keep the verdict, unless another session has done so meanwhile.

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
        known = self.known(method)
        if known is not None:
            return known
        found = check_explanations(bundle, cohort, rows, method=method, missing=self.missing)
        self.remember(found)
        if self.folder is not None:
            stored = self.folder / f"{self.key(method)}.json"
            with suppress(OSError):  # a folder that cannot be written costs the next computation
                self.folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
                write_text(stored, _VERDICT.dump_json(found).decode())
        return found

    def remember(self, verdict: Faithfulness) -> None:
        """Keep a verdict for this session."""
        self.memory[self.key(verdict.method)] = verdict

    def choice(self) -> ExplanationChoice:
        """Return the method to show by the verdicts on this cohort, else those of the card."""
        return choose(self.verdict)

    @property
    def failed(self) -> bool:
        """Whether a method is known to fail that would be shown if it passed."""
        known = map(self.verdict, BY_FEATURE + BY_GROUP)
        return any(found is not None and not found.passes for found in known)

    def verdict(self, method: str) -> ExplanationVerdict | None:
        """Return what is known of a method: on this cohort, else on the training cohort."""
        known = self.known(method)
        if known is not None:
            return known.verdict
        return next((found for found in self.card if found.method == method), None)

    def key(self, method: str) -> str:
        """Digest of what a verdict depends on."""
        parts = (str(VERSION), self.cohort_digest, self.model_digest, method, *self.missing)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
