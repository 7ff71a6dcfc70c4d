"""What Explain shows of a shipped cohort before anything is chosen, begun before anybody asks.

A workspace goes in; computations begin in the background, each once a process. Nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlif.data.samples import SAMPLES
from camlif.explain.verdicts import spread_by_risk
from dashboard.components.explanation_choice import checks_of
from dashboard.session import resources
from dashboard.session.shared_results import Request
from dashboard.session.state import Scoring, Workspace
from dashboard.views.explain.trust import check_request

SIZES = (25, 50, 100, 200)
"""Most patients that Explain explains; the first unless another is chosen."""
_begun: set[str] = set()


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
    requests = [] if workspace is None else _requests(workspace)

    def begin() -> None:
        for request in requests:
            if request.key not in _begun:
                _begun.add(request.key)
                request.begin()

    return begin


def _requests(workspace: Workspace) -> list[Request[Any]]:
    loaded, scoring = workspace.loaded, workspace.scoring
    if scoring is None or loaded.key not in SAMPLES:
        return []
    rows = spread_by_risk(scoring.result.z, scoring.result.scored.nonzero()[0], SIZES[0])
    if not len(rows):
        return []
    checks = checks_of(workspace, scoring)
    method = checks.choice().method
    key, settled = request_key(workspace, scoring, rows), (scoring.missing, loaded.cohort)
    bundle = scoring.bundle
    requests: list[Request[Any]] = [resources.modality_request(*key, "median", *settled, bundle)]
    if method is not None:
        requests.append(resources.feature_request(*key, method, "median", *settled, bundle))
        if checks.known(method) is None:
            requests.append(check_request(loaded.cohort, scoring, checks, method))
    return requests
