"""What is explained: the ensemble's log risk of a patient as a function of its raw values.

A bundle, patients and a baseline go in; an `Explained` comes out, which every method reads. Raises
`ConfigError` for an empty selection, `EstimationError` where no patient is scored.

Per-member imputation, clipping and scaling happen inside the function, so contributions are in log
risk and comparable over members. Which values are missing, which groups and modalities are present
and which members count belong to the patient and stay fixed: a missing value and an absent modality
contribute exactly 0.

Shapes: n patients, e members, p players (the modalities, then clinical), b background rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlif.arrays import BoolArray
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import CLINICAL, RawInputs, clinical_names
from camlif.data.schema import FeatureSchema
from camlif.exceptions import ConfigError, EstimationError
from camlif.explain.background import (
    MEDIAN,
    Background,
    BaselineChoice,
    find_background,
    players_of,
)
from camlif.model.abstention import unscored_reasons
from camlif.model.subgroups import find_members
from camlif.networks.interface import Inputs
from camlif.threads import Result, free_threads, in_order
from camlif.training.ensemble import Ensemble, run_stacked, to_tensors

if TYPE_CHECKING:
    from camlif.model.bundle import Bundle

MEMBER_ROWS = 2048
"""Patients x members x points evaluated at once: bounds memory, fills the caches of a core."""


@dataclass(frozen=True, slots=True)
class EnsembleRisk:
    """Mean log risk of members as a function of flat tensors, as Captum calls it."""

    ensemble: Ensemble
    players: tuple[str, ...]

    def __call__(self, *tensors: Tensor) -> Tensor:
        """Return risks (n,) of values (p), missing flags (p), masks (m) and presence, in order."""
        return self.of_standardised(self.ensemble.standardise(self.inputs(*tensors)))

    def of_standardised(self, inputs: Inputs) -> Tensor:
        """Return risks (n,) of inputs that every member has standardised, (e, n, ...)."""
        return self._by_member(inputs).mean(0)

    def by_member(self, *tensors: Tensor) -> Tensor:
        """Return each member's risks (e, n); arguments as of a call."""
        return self._by_member(self.ensemble.standardise(self.inputs(*tensors)))

    def _by_member(self, inputs: Inputs) -> Tensor:
        ensemble = self.ensemble
        risk = run_stacked(ensemble.network, ensemble.parameters, inputs).risk
        return risk - ensemble.offset.unsqueeze(-1)

    def inputs(self, *tensors: Tensor) -> Inputs:
        """Name the tensors and blank missing values, so that every member imputes its own."""
        p = len(self.players)
        values, missing, (*masks, presence) = tensors[:p], tensors[p : 2 * p], tensors[2 * p :]
        by_player = {
            player: x.masked_fill(gap, torch.nan)
            for player, x, gap in zip(self.players, values, missing, strict=True)
        }
        unused = presence.new_zeros(
            (len(presence), len(clinical_names(self.ensemble.schema))), dtype=torch.float32
        )
        return Inputs(
            tables={name: by_player[name] for name in self.ensemble.schema.names},
            masks=dict(zip(self.ensemble.schema.names, masks, strict=True)),
            presence=presence,
            clinical=by_player.get(CLINICAL, unused),
        )


def rows_at_once(risk: EnsembleRisk, points: int = 1) -> int:
    """How many patients, at ``points`` points each, are evaluated at once; at least 1."""
    return max(1, MEMBER_ROWS // (len(risk.ensemble) * points))


def evaluate(
    risk: EnsembleRisk, values: tuple[Tensor, ...], fixed: tuple[Tensor, ...]
) -> NDArray[np.float64]:
    """Risks of many points, a chunk at a time, shape (n,).

    Parameters
    ----------
    risk : EnsembleRisk
    values : tuple of Tensor, each (n, ...)
        Raw values of the n points, by player.
    fixed : tuple of Tensor, each (n, ...)
        Gaps of the values, token masks and presence, which are not varied.
    """
    return _in_chunks(risk, risk, values, fixed)


def evaluate_members(
    risk: EnsembleRisk, values: tuple[Tensor, ...], fixed: tuple[Tensor, ...]
) -> NDArray[np.float64]:
    """Each member's risks of many points, shape (e, n).

    Parameters
    ----------
    risk, values, fixed
        As in `evaluate`.
    """
    return _in_chunks(risk, risk.by_member, values, fixed)


def _in_chunks(
    risk: EnsembleRisk,
    function: Callable[..., Tensor],
    values: tuple[Tensor, ...],
    fixed: tuple[Tensor, ...],
) -> NDArray[np.float64]:
    size = rows_at_once(risk)

    def of_chunk(start: int) -> Tensor:
        with torch.inference_mode():
            return function(*(x[start : start + size] for x in (*values, *fixed)))

    starts = range(0, len(values[0]), size)
    chunks = list(in_order(of_chunk, starts, free_threads(values[0].device)))
    return torch.cat(chunks, dim=-1).cpu().numpy().astype(np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Patients explained together: all are scored by the same members.

    Attributes
    ----------
    positions : int array, shape (n,)
        Rows of the result that these patients fill.
    risk : EnsembleRisk
    values : tuple of Tensor, (n, ...) by player
        A missing value, and all of an absent modality, sits at the baseline.
    mean, background : tuple of Tensor, (1, n_features) and (b, n_features) by player
    missing, inert : tuple of BoolTensor, (n, ...) by player
        Values that are missing; values that the risk cannot depend on, which are those and all of
        an absent modality.
    context : tuple of Tensor
        Group masks by modality, and presence.
    """

    positions: NDArray[np.int_]
    risk: EnsembleRisk
    values: tuple[Tensor, ...]
    mean: tuple[Tensor, ...]
    background: tuple[Tensor, ...]
    missing: tuple[Tensor, ...]
    inert: tuple[Tensor, ...]
    context: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def fixed(self) -> tuple[Tensor, ...]:
        """Everything the risk depends on besides the values."""
        return (*self.missing, *self.context)

    @property
    def baseline(self) -> tuple[Tensor, ...]:
        """Baseline of each patient, shape of ``values``."""
        return tuple(b.expand_as(x) for x, b in zip(self.values, self.mean, strict=True))

    @property
    def present(self) -> BoolArray:
        """Players that the patients have, shape (n, p); clinical is always there."""
        presence = self.context[-1].cpu().numpy()
        extra = len(self.values) - presence.shape[1]
        return np.pad(presence, ((0, 0), (0, extra)), constant_values=True)

    def take(self, rows: slice) -> Batch:
        """Return some of the patients."""
        return replace(
            self,
            positions=self.positions[rows],
            values=tuple(x[rows] for x in self.values),
            missing=tuple(x[rows] for x in self.missing),
            inert=tuple(x[rows] for x in self.inert),
            context=tuple(x[rows] for x in self.context),
        )

    def split(self, points: int) -> list[Batch]:
        """Cut into parts whose patients, at ``points`` points each, may be evaluated at once."""
        size = rows_at_once(self.risk, points)
        return [self.take(slice(i, i + size)) for i in range(0, len(self), size)]

    def log_risk(self) -> NDArray[np.float64]:
        """Risk of the patients as they are, shape (n,)."""
        return evaluate(self.risk, self.values, self.fixed)

    def base_value(self) -> NDArray[np.float64]:
        """Risk at the baseline, with each patient's own gaps and modalities, shape (n,)."""
        return evaluate(self.risk, self.baseline, self.fixed)

    def background_points(self) -> tuple[Tensor, ...]:
        """Background rows in the shape of the values: (b, ...) by player."""
        return tuple(
            b if x.ndim == 2 else b.unsqueeze(1).expand(-1, x.shape[1], -1)
            for x, b in zip(self.values, self.background, strict=True)
        )

    def mean_background_risk(self) -> NDArray[np.float64]:
        """Mean risk over the background, with each patient's own gaps and modalities, (n,)."""
        n, b = len(self), len(self.background[0])
        values = tuple(x.repeat(n, *(1,) * (x.ndim - 1)) for x in self.background_points())
        fixed = tuple(x.repeat_interleave(b, dim=0) for x in self.fixed)
        mean: NDArray[np.float64] = evaluate(self.risk, values, fixed).reshape(n, b).mean(axis=1)
        return mean


def by_column(found: Sequence[Tensor]) -> list[NDArray[np.float64]]:
    """Sum bags over instances and move to float64, (n, f) by player."""
    return [
        (x if x.ndim == 2 else x.sum(dim=1)).detach().cpu().to(torch.float64).numpy() for x in found
    ]


def by_part(
    function: Callable[[Batch], Result], batches: Sequence[Batch], points: int
) -> Iterator[tuple[Batch, Result]]:
    """Yield parts whose points may be evaluated at once, and ``function`` of each, in order.

    Several are worked on at the same time, each in a thread.

    Parameters
    ----------
    function : callable
        Takes a batch; must be safe in several threads.
    batches : sequence of Batch
        At least one, all on one device.
    points : int
        Points that each patient is evaluated at.
    """
    parts = [part for batch in batches for part in batch.split(points)]
    threads = free_threads(batches[0].values[0].device)
    yield from zip(parts, in_order(function, parts, threads), strict=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Patients made ready: batches of those that are scored, reasons for the others.

    ``raw`` has all n patients asked for; ``reasons`` is None for a scored one; ``seen`` (n, e) says
    which members saw it in training and do not count.
    """

    schema: FeatureSchema
    players: tuple[str, ...]
    background: Background
    raw: RawInputs
    seen: BoolArray
    reasons: tuple[str | None, ...]
    batches: tuple[Batch, ...]

    @property
    def baseline(self) -> str:
        """Name of what patients are compared with."""
        return self.background.name

    def __len__(self) -> int:
        return len(self.raw)

    @property
    def n_scored(self) -> int:
        """Patients that are explained."""
        return sum(len(batch) for batch in self.batches)


def prepare(
    bundle: Bundle,
    cohort: Cohort,
    rows: Sequence[int] | NDArray[np.int_],
    *,
    baseline: BaselineChoice = MEDIAN,
    missing: tuple[str, ...] = (),
    seed: int = 0,
) -> Explained:
    """Encode patients and group them by the members that score them.

    Parameters
    ----------
    bundle, cohort, rows, baseline, missing, seed
        As in `camlif.explain.features.explain_features`.

    Raises
    ------
    ConfigError
        If no patient or an unknown baseline is asked for.
    EstimationError
        If none of the patients is scored.
    """
    index = np.asarray(rows, dtype=int).reshape(-1)
    if not len(index):
        raise ConfigError("Pick at least one patient.")
    patients = cohort.take(index)
    raw = bundle.prepare(patients, missing=missing)
    background = find_background(bundle, cohort, baseline, missing=missing, seed=seed)
    seen = bundle.recognise(raw, patients.patient_ids).seen
    subgroups = find_members(bundle.reference.subgroups, patients)
    reasons = unscored_reasons(raw, subgroups, bundle.schema, bundle.reference)
    return prepare_encoded(bundle, raw, seen, reasons, background=background)


def prepare_encoded(
    bundle: Bundle,
    raw: RawInputs,
    seen: BoolArray,
    reasons: Sequence[str | None],
    *,
    background: Background | None = None,
) -> Explained:
    """Group encoded patients by the members that score them.

    Parameters
    ----------
    bundle : Bundle
    raw : RawInputs
        n patients in the model's columns.
    seen : bool, shape (n, e)
        Members that do not count for a patient.
    reasons : sequence of str or None, length n
        Why a patient is not scored; see `camlif.model.abstention.unscored_reasons`.
    background : Background, optional
        What they are compared with; the training median by default.

    Raises
    ------
    EstimationError
        If none of the patients is scored.
    """
    reasons = [
        reason or ("not scored: every model saw this patient in training" if saw else None)
        for reason, saw in zip(reasons, np.asarray(seen.all(axis=1)), strict=True)
    ]
    if all(reasons):
        raise EstimationError(f"Nothing to explain: {reasons[0]}.")
    ensemble = bundle.ensemble
    players = players_of(ensemble)
    if background is None:
        background = Background.from_median(ensemble, bundle.reference.training_range)
    return Explained(
        schema=bundle.schema,
        players=players,
        background=background,
        raw=raw,
        seen=seen,
        reasons=tuple(reasons),
        batches=group_by_members(ensemble, players, raw, seen, reasons, background),
    )


def group_by_members(
    ensemble: Ensemble,
    players: tuple[str, ...],
    raw: RawInputs,
    seen: BoolArray,
    reasons: Sequence[str | None],
    background: Background,
) -> tuple[Batch, ...]:
    """One batch per set of members that did not see the patient.

    Parameters
    ----------
    ensemble : Ensemble
        Of e members.
    players : tuple of str
        Modalities, and clinical where the model reads it.
    raw : RawInputs
        The n patients, not standardised.
    seen : bool, shape (n, e)
        Whether a member was trained on the patient.
    reasons : sequence of str or None, shape (n,)
        Why a patient is not scored; such patients are in no batch.
    background : Background
        What contributions are measured against.
    """
    raw = ensemble.clip(raw)
    groups: dict[bytes, list[int]] = {}
    for row, reason in enumerate(reasons):
        if reason is None:
            groups.setdefault(seen[row].tobytes(), []).append(row)
    batches = []
    for group in groups.values():
        positions = np.array(group)
        members = np.flatnonzero(~seen[group[0]])
        chosen = ensemble if len(members) == len(ensemble) else ensemble.members(members.tolist())
        risk = EnsembleRisk(chosen, players)
        batches.append(_batch(risk, raw.take(positions), positions, background))
    return tuple(batches)


def _batch(
    risk: EnsembleRisk, raw: RawInputs, positions: NDArray[np.int_], background: Background
) -> Batch:
    device = risk.ensemble.device
    inputs = to_tensors(raw, device)
    mean = tuple(torch.as_tensor(x, device=device) for x in background.mean)
    values = [inputs.clinical if p == CLINICAL else inputs.tables[p] for p in risk.players]
    missing = tuple(~torch.isfinite(x) for x in values)
    inert = tuple(_inert(x, p, risk, inputs) for x, p in zip(missing, risk.players, strict=True))
    return Batch(
        positions=positions,
        risk=risk,
        values=tuple(
            torch.where(blank, b.expand_as(x), x)
            for x, blank, b in zip(values, inert, mean, strict=True)
        ),
        mean=mean,
        background=tuple(torch.as_tensor(x, device=device) for x in background.rows),
        missing=missing,
        inert=inert,
        context=(*(inputs.masks[m] for m in risk.ensemble.schema.names), inputs.presence),
    )


def _inert(gap: Tensor, player: str, risk: EnsembleRisk, inputs: Inputs) -> Tensor:
    if player == CLINICAL:
        return gap
    absent = ~inputs.presence[:, risk.ensemble.schema.names.index(player)]
    return gap | absent.view(-1, *(1,) * (gap.ndim - 1))
