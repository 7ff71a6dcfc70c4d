"""Which modalities, feature groups or features act together on a patient's log risk.

A bundle and a patient go in; an `Interactions` comes out, with a spread over members. Raises
`ConfigError` for unknown or too few features, `EstimationError` where nothing can interact or the
patient is not scored.

Of two players, the Shapley interaction index says how much more (or less) the log risk changes when
both take the patient's values than the two changes by themselves add up to, averaged over what the
other players do. It describes the model's arithmetic, not biology.

Shapes: e members, p players.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from camlif.arrays import BoolArray, Float64Array
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import CLINICAL, clinical_names
from camlif.exceptions import ConfigError, EstimationError
from camlif.explain.background import MEDIAN, BaselineChoice
from camlif.explain.explained import Batch, Explained, evaluate_members, prepare
from camlif.explain.interaction_index import (
    Game,
    exact_interactions,
    pairs_of,
    sampled_interactions,
)
from camlif.explain.methods import Masks, make_masks
from camlif.explain.results import FeatureAttribution

if TYPE_CHECKING:
    from camlif.model.bundle import Bundle

MAX_EXACT = 10
"""Players up to which all 2^p coalitions are evaluated; beyond, orders are sampled."""
MEMBER_POINTS = 16_384
"""Evaluations x members that sampling may take."""
MIN_ROUNDS, MAX_ROUNDS = 8, 64
OTHERS = "other features"

InteractionLevel = Literal["modality", "group", "feature"]


@dataclass(frozen=True, slots=True)
class Player:
    """A modality (``name`` is its own), or one of its feature groups or features."""

    modality: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairInteraction:
    """Two players of one patient.

    Attributes
    ----------
    first, second : Player
    value : float
        Shapley interaction index in log risk; positive: together they raise the risk by more than
        by themselves.
    standard_error : float
        Of the sampling; 0 where the index is exact.
    member_sd : float
        SD over the members that count; NaN for a single one.
    """

    first: Player
    second: Player
    value: float
    standard_error: float
    member_sd: float

    @property
    def is_cross_modal(self) -> bool:
        """Whether the two belong to different modalities."""
        return self.first.modality != self.second.modality


@dataclass(frozen=True, slots=True, kw_only=True)
class Interactions:
    """Interactions of one patient.

    Attributes
    ----------
    level : {"modality", "group", "feature"}
    players : tuple of Player
    baseline : str
    index, standard_error, member_sd : float64, shape (p, p)
        Symmetric; the diagonal is 0. Players that the patient lacks have 0.
    shapley : float64, shape (p,)
    base_value, log_risk : float
    n_members : int
    rounds : int or None
        Samples of each pair; None where the index is exact.
    seconds : float
    """

    level: InteractionLevel
    players: tuple[Player, ...]
    baseline: str
    index: Float64Array
    standard_error: Float64Array
    member_sd: Float64Array
    shapley: Float64Array
    base_value: float
    log_risk: float
    n_members: int
    rounds: int | None
    seconds: float

    @property
    def main(self) -> Float64Array:
        """What each player contributes by itself, shape (p,).

        Its Shapley value less half of its interactions, so that own parts and pairs together sum to
        log risk minus base value (the convention of SHAP interaction values).
        """
        main: Float64Array = self.shapley - self.index.sum(axis=1) / 2
        return main

    @property
    def pairs(self) -> tuple[PairInteraction, ...]:
        """All pairs, the largest index first."""
        found = [
            PairInteraction(
                first=self.players[i],
                second=self.players[j],
                value=float(self.index[i, j]),
                standard_error=float(self.standard_error[i, j]),
                member_sd=float(self.member_sd[i, j]),
            )
            for i, j in combinations(range(len(self.players)), 2)
        ]
        return tuple(sorted(found, key=lambda pair: -abs(pair.value)))

    @property
    def cross_modal(self) -> tuple[PairInteraction, ...]:
        """Pairs of two modalities, the largest index first."""
        return tuple(pair for pair in self.pairs if pair.is_cross_modal)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per pair, the largest index first."""
        return pd.DataFrame(
            [
                {
                    "modality": pair.first.modality,
                    "player": pair.first.name,
                    "other_modality": pair.second.modality,
                    "other_player": pair.second.name,
                    "interaction": pair.value,
                    "standard_error": pair.standard_error,
                    "member_sd": pair.member_sd,
                }
                for pair in self.pairs
            ],
            columns=[
                "modality",
                "player",
                "other_modality",
                "other_player",
                "interaction",
                "standard_error",
                "member_sd",
            ],
        )


def default_rounds(p: int, n_members: int) -> int:
    """Rounds of sampling that keep within `MEMBER_POINTS`, at least `MIN_ROUNDS`."""
    affordable = MEMBER_POINTS // (n_members * (p + p % 2) ** 2)
    return min(max(affordable, MIN_ROUNDS), MAX_ROUNDS)


def explain_interactions(
    bundle: Bundle,
    cohort: Cohort,
    row: int,
    *,
    level: InteractionLevel = "modality",
    features: Sequence[tuple[str, str]] = (),
    baseline: BaselineChoice = MEDIAN,
    missing: tuple[str, ...] = (),
    rounds: int | None = None,
    seed: int = 0,
) -> Interactions:
    """Compute Shapley interaction indices of a patient's log risk.

    Exact up to `MAX_EXACT` players, else sampled with a standard error. Only members that did not
    see the patient count; the index is their mean. Clinical inputs are one player.

    Parameters
    ----------
    bundle : Bundle
    cohort : Cohort
    row : int
    level : {"modality", "group", "feature"}
    features : sequence of (modality, column)
        At level ``feature``: the features that are players; all others of a modality together are
        one more.
    baseline, missing
        As in `camlif.explain.explain_modalities`.
    rounds : int, optional
        Samples of each pair where sampling is needed.
    seed : int
        Of the sampling.

    Raises
    ------
    ConfigError
        For an unknown feature, or fewer than two features at level ``feature``.
    EstimationError
        If the patient is not scored, or has fewer than two players.
    """
    start = time.perf_counter()
    explained = prepare(bundle, cohort, [row], baseline=baseline, missing=missing)
    (one,) = explained.batches
    groups = _groups(explained, level, features)
    masks = make_masks(groups, one, "group")
    players = tuple(
        Player(modality, name)
        for modality, names in zip(explained.players, groups, strict=True)
        for name in dict.fromkeys(names)
    )
    active = _active(one, masks)
    if len(active) < 2:
        raise EstimationError("This patient has one group of inputs only, so nothing interacts.")
    game = _game(one, masks, active)
    if len(active) <= MAX_EXACT:
        found, rounds = exact_interactions(game, len(active)), None
    else:
        rounds = rounds or default_rounds(len(active), len(one.risk.ensemble))
        found = sampled_interactions(game, len(active), rounds=rounds, seed=seed)
    n_members, p = len(found.index), len(players)
    shapley = np.zeros(p)
    shapley[active] = found.shapley
    spread = (
        found.index.std(axis=0, ddof=1) if n_members > 1 else np.full(found.index[0].shape, np.nan)
    )
    return Interactions(
        level=level,
        players=players,
        baseline=explained.baseline,
        index=_square(found.index.mean(axis=0), active, p),
        standard_error=_square(found.standard_error, active, p),
        member_sd=_square(spread, active, p),
        shapley=shapley,
        base_value=found.empty,
        log_risk=found.full,
        n_members=n_members,
        rounds=rounds,
        seconds=time.perf_counter() - start,
    )


def strongest_features(
    features: FeatureAttribution, position: int, *, k: int | None = None
) -> tuple[tuple[str, str], ...]:
    """Return the features with the largest contributions to a patient, in turn by modality.

    Parameters
    ----------
    features : FeatureAttribution
        At level ``feature``.
    position : int
        The patient's place in it.
    k : int, optional
        As many as keep the interactions exact by default.

    Returns
    -------
    tuple of (modality, column)
        Clinical inputs, features without a value and without a contribution are left out.
    """
    modalities = [player for player in features.players if player != CLINICAL]
    wanted = MAX_EXACT - len(features.players) if k is None else k
    ranked = []
    for modality in modalities:
        part = features[modality]
        size = np.abs(part.values[position])
        order = np.argsort(-size, kind="stable")
        ranked.append([(modality, part.columns[i]) for i in order if size[i] > 0])
    longest = max((len(columns) for columns in ranked), default=0)
    in_turn = [columns[i] for i in range(longest) for columns in ranked if i < len(columns)]
    return tuple(in_turn[: max(wanted, 0)])


def _groups(
    explained: Explained, level: InteractionLevel, features: Sequence[tuple[str, str]]
) -> tuple[tuple[str, ...], ...]:
    """By input, the name of the player that each column belongs to."""
    schema = explained.schema
    known = {(m.name, column) for m in schema.modalities for column in m.columns}
    unknown = [f"{pair[0]}: {pair[1]}" for pair in features if pair not in known]
    if unknown:
        raise ConfigError(f"No such feature: {', '.join(unknown)}.")
    if level == "feature" and len(features) < 2:
        raise ConfigError("Pick at least two features.")
    chosen = set(features)
    groups: list[tuple[str, ...]] = []
    for player in explained.players:
        if player == CLINICAL:
            groups.append((CLINICAL,) * len(clinical_names(schema)))
            continue
        modality = schema[player]
        if level == "modality":
            groups.append((player,) * modality.n_features)
        elif level == "group":
            groups.append(tuple(g.name for g in modality.groups for _ in g.columns))
        else:
            groups.append(tuple(c if (player, c) in chosen else OTHERS for c in modality.columns))
    return tuple(groups)


def _active(one: Batch, masks: Masks) -> NDArray[np.int_]:
    """Players with a value that the risk can depend on."""
    found: set[int] = set()
    for mask, inert in zip(masks.tensors, one.inert, strict=True):
        found |= set(mask.expand_as(inert)[~inert].tolist())
    return np.array(sorted(found), dtype=int)


def _game(one: Batch, masks: Masks, active: NDArray[np.int_]) -> Game:
    """Log risks of a patient with the players outside a coalition at the baseline."""

    def play(coalitions: BoolArray) -> Float64Array:
        inside = np.zeros((len(coalitions), masks.n), dtype=bool)
        inside[:, active] = coalitions
        chosen = torch.from_numpy(inside).to(one.values[0].device)
        points = tuple(
            torch.where(chosen[:, mask[0]], x, b)
            for mask, x, b in zip(masks.tensors, one.values, one.baseline, strict=True)
        )
        fixed: tuple[Tensor, ...] = tuple(
            x.expand(len(coalitions), *x.shape[1:]) for x in one.fixed
        )
        return evaluate_members(one.risk, points, fixed)

    return play


def _spread(by_member: Float64Array) -> Float64Array:
    """SD over members; NaN for a single one."""
    if len(by_member) < 2:
        return np.full(by_member.shape[1:], np.nan)
    spread: Float64Array = by_member.std(axis=0, ddof=1)
    return spread


def _square(of_pairs: Float64Array, active: NDArray[np.int_], p: int) -> Float64Array:
    """Symmetric matrix (p, p) of the pairs of active players; 0 elsewhere."""
    square = np.zeros((p, p))
    first, second = (active[i] for i in pairs_of(len(active)))
    square[first, second] = square[second, first] = of_pairs
    return square
