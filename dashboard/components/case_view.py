"""What the components of the Case page are drawn from.

A workspace and a row go in; a `CaseView` comes out, a `ModelledCase` where there is a model and a
`ScoredCase` where it scores the patient.
"""

from __future__ import annotations

from dataclasses import dataclass

from camlif.arrays import BoolArray
from camlif.model.case import CaseScore, CaseSummary, summarise_case
from dashboard import known_outcome
from dashboard.session.state import Scoring, Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A patient of the cohort in view.

    Attributes
    ----------
    workspace : Workspace
    row : int
        Position in the cohort.
    """

    workspace: Workspace
    row: int

    @property
    def token(self) -> str:
        """The case token, which stands for the patient in links, files and the database."""
        return self.workspace.loaded.tokens[self.row]

    @property
    def knows_subtype(self) -> bool:
        """Whether the patient's subtype is given."""
        return known_outcome.knows_subtype(self.workspace.cohort, self.row)

    @property
    def same_subtype(self) -> BoolArray:
        """Patients of the cohort with the same subtype, shape (n,); all where it is not given."""
        return known_outcome.same_subtype(self.workspace.cohort, self.row)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelledCase(CaseView):
    """A patient with what the model says; ``summary.score`` is None where it abstains."""

    scoring: Scoring
    summary: CaseSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredCase(ModelledCase):
    """A patient with a score."""

    score: CaseScore


def view_case(workspace: Workspace, row: int) -> CaseView:
    """Return the most that can be said of a patient: scored, with a model, or neither."""
    scoring = workspace.scoring
    if scoring is None:
        return CaseView(workspace=workspace, row=row)
    profile = workspace.profile
    summary = summarise_case(
        scoring.bundle,
        scoring.result,
        row,
        modality=profile.modality,
        column=profile.column_name,
    )
    if summary.score is None:
        return ModelledCase(workspace=workspace, row=row, scoring=scoring, summary=summary)
    return ScoredCase(
        workspace=workspace, row=row, scoring=scoring, summary=summary, score=summary.score
    )
