"""What Explain shows of a shipped cohort before anything is chosen, begun before anybody asks.

A workspace goes in; computations begin in the background, each once a process. Nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlif.data.samples import SAMPLES
from camlif.explain.methods import IG
from camlif.explain.verdicts import spread_by_risk
from dashboard.components.explanation_choice import checks_of
from dashboard.session import resources
from dashboard.session.shared_results import Request
from dashboard.session.state import Scoring, Workspace
from dashboard.store.explanation_checks import Checks
from dashboard.views.explain.trust import check_request

SIZES = (25, 50, 100, 200)
"""Most patients that Explain explains; the first unless another is chosen."""
_begun: set[tuple[object, ...]] = set()


def request_key(
    workspace: Workspace, scoring: Scoring, rows: NDArray[np.int_]
) -> tuple[str, str, tuple[int, ...]]:
    """Digests and patients, as requests for explanations take them.

    Parameters
    ----------
    workspace : Workspace
    scoring : Scoring
    rows : int array
        Patients, by position.
    """
    return workspace.loaded.digest, scoring.model.digest, tuple(rows.tolist())


def plan(workspace: Workspace | None) -> Callable[[], None]:
    """Return what begins the explanations of the cohort in view; it may run in another thread."""
    if workspace is None or workspace.scoring is None or workspace.loaded.key not in SAMPLES:
        return _nothing
    loaded, scoring = workspace.loaded, workspace.scoring
    checks = checks_of(workspace, scoring)
    method = checks.choice().method
    about = (loaded.digest, scoring.model.digest, scoring.missing, method)

    def begin() -> None:
        if about not in _begun:
            _begun.add(about)
            for request in _of_explain(workspace, scoring, method, checks):
                request.begin()
            for request in _of_cases(workspace, scoring, method):
                request.prepare()

    return begin


def _nothing() -> None:
    """Begin nothing: only what a shipped cohort shows is known before somebody asks."""


def _of_explain(
    workspace: Workspace, scoring: Scoring, method: str | None, checks: Checks
) -> list[Request[Any]]:
    """What Explain shows first, and the check of its method."""
    rows = spread_by_risk(scoring.result.z, scoring.result.scored.nonzero()[0], SIZES[0])
    if not len(rows):
        return []
    requests = _explanations(workspace, scoring, rows, method)
    if method is not None and checks.known(method) is None:
        requests.append(check_request(workspace.cohort, scoring, checks, method))
    return requests


def _of_cases(workspace: Workspace, scoring: Scoring, method: str | None) -> Iterator[Request[Any]]:
    """What Case shows first of every patient, as far as it takes a tenth of a second."""
    if method != IG:
        method = None  # samples for seconds, in turns with what somebody waits for
    for row in scoring.result.scored.nonzero()[0]:
        yield from _explanations(workspace, scoring, np.array([row]), method)


def _explanations(
    workspace: Workspace, scoring: Scoring, rows: NDArray[np.int_], method: str | None
) -> list[Request[Any]]:
    key, bundle = request_key(workspace, scoring, rows), scoring.bundle
    settled = scoring.missing, workspace.cohort, bundle
    requests: list[Request[Any]] = [resources.modality_request(*key, "median", *settled)]
    if method is not None:
        requests.append(resources.feature_request(*key, method, "median", *settled))
    return requests
