"""Scoring in a thread of its own: a page can say how far it is, and a click does not stop it.

A bundle and a cohort go in; progress, then a `ScoreResult` or the error comes out.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future

from camlif.data.cohort import Cohort
from camlif.model.bundle import Bundle
from camlif.model.scoring import ScoreResult
from dashboard.runs.background import at_work


class ScoringJob:
    """A cohort on its way through a model.

    Attributes
    ----------
    total, done : int
        Patients to score, and scored so far.
    missing : tuple of str
        Modalities declared missing.
    """

    def __init__(self, bundle: Bundle, cohort: Cohort, missing: tuple[str, ...] = ()) -> None:
        self.total = len(cohort)
        self.done = 0
        self.missing = missing
        self._future: Future[ScoreResult] = Future()
        threading.Thread(target=self._run, args=(bundle, cohort), daemon=True).start()

    def _run(self, bundle: Bundle, cohort: Cohort) -> None:
        with at_work():
            try:
                scored = bundle.score(cohort, missing=self.missing, progress=self._note)
            except BaseException as error:  # raised again where the result is read
                self._future.set_exception(error)
            else:
                self._future.set_result(scored)

    def _note(self, done: int, _: int) -> None:
        self.done = done

    @property
    def failed(self) -> bool:
        """Whether it ended with an error."""
        return self._future.done() and self._future.exception() is not None

    def ends_within(self, seconds: float) -> bool:
        """Wait at most so long; say whether it has ended."""
        try:
            self._future.exception(seconds)
        except TimeoutError:
            return False
        return True

    def result(self) -> ScoreResult:
        """Wait for the result.

        Raises
        ------
        CamlifError
            As `Bundle.score`.
        """
        return self._future.result()
