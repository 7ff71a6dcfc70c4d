"""The verdicts on a model's explanations, and the method that they leave to be shown.

A workspace and its scoring go in; `Checks` and an `ExplanationChoice` come out; nothing is
computed here.
"""

from __future__ import annotations

from camlif.data.samples import SAMPLES
from camlif.explain import Faithfulness
from camlif.explain.verdicts import ExplanationChoice
from dashboard.session.keys import SessionKey
from dashboard.session.settings import settings
from dashboard.session.state import Scoring, Workspace
from dashboard.store.explanation_checks import FOLDER, Checks

MEMORY: SessionKey[dict[str, Faithfulness]] = SessionKey("explanation_checks")


def checks_of(workspace: Workspace, scoring: Scoring) -> Checks:
    """Verdicts on the model in use; those on uploaded tables are kept for this session only."""
    loaded = workspace.loaded
    return Checks(
        cohort_digest=loaded.digest,
        model_digest=scoring.model.digest,
        missing=scoring.missing,
        folder=settings().home / FOLDER if loaded.key in SAMPLES else None,
        memory=MEMORY.start_with({}),
        card=scoring.bundle.card.explanations,
    )


def choice_of(workspace: Workspace, scoring: Scoring) -> ExplanationChoice:
    """What Case and its files show of this model."""
    return checks_of(workspace, scoring).choice()
