"""What a validation shows, in one sentence per claim: shown, contradicted, or not shown.

Measures go in, `Claim`s come out. Nothing fails: what was not measured is not shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from camlif.statistics import GateResult
from camlif.statistics.gate import MAX_RATIO, MIN_RATIO
from camlif.statistics.new_patients import Estimate
from camlif.statistics.over_time import MIN_EVENTS
from camlif.wording import count, period, with_interval

Verdict = Literal["shown", "contradicted", "not shown"]
CHANCE = 0.5
WORDS: dict[str, Verdict] = {"open": "shown", "closed": "contradicted", "untested": "not shown"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Something that a model is used for, and what these patients say of it.

    Attributes
    ----------
    name : str
        ``ranks``, ``calibrated at 3 years`` ...
    verdict : {"shown", "contradicted", "not shown"}
    sentence : str
    """

    name: str
    verdict: Verdict
    sentence: str


def claims_of(
    c_index: Estimate | str,
    in_the_large: Estimate | str,
    gates: Sequence[GateResult],
    gains: Sequence[Estimate | None],
    *,
    n_events: int,
) -> tuple[Claim, ...]:
    """Judge whether the model ranks, expects the right number, is calibrated, and beats an average.

    Parameters
    ----------
    c_index : Estimate or str
        Harrell's, or why there is none.
    in_the_large : Estimate or str
        Expected over observed events in the whole follow-up, or why there is none.
    gates : sequence of GateResult, length h
        By horizon.
    gains : sequence of Estimate or None, length h
        Brier score of the patients' Kaplan-Meier estimate, less the model's.
    n_events : int
        In the whole follow-up; a bootstrap of fewer than `MIN_EVENTS` says nothing.
    """
    found = [_ranks(_enough(c_index, n_events)), _in_the_large(in_the_large)]
    for gate, gain in zip(gates, gains, strict=True):
        found += [_calibrated(gate), _better(gate.horizon, _enough(gain, gate.n_events))]
    return tuple(found)


def _enough(found: Estimate | str | None, n_events: int) -> Estimate | str:
    """Return a measure, or why it shows nothing."""
    if n_events < MIN_EVENTS:
        return f"only {count(n_events, 'event')}; {MIN_EVENTS} are needed"
    return "it is not defined" if found is None else found


def _ranks(c_index: Estimate | str) -> Claim:
    name = "ranks"
    if isinstance(c_index, str) or c_index.low is None or c_index.high is None:
        why = c_index if isinstance(c_index, str) else "its C-index has no interval"
        return Claim(
            name=name,
            verdict="not shown",
            sentence=f"It is not shown that the model ranks these patients: {_lower(why)}.",
        )
    index = f"C-index {with_interval(c_index.value, c_index.low, c_index.high)}"
    if c_index.low > CHANCE:
        return Claim(
            name=name, verdict="shown", sentence=f"The model ranks these patients: {index}."
        )
    if c_index.high < CHANCE:
        return Claim(
            name=name,
            verdict="contradicted",
            sentence=f"The model ranks these patients the wrong way round: {index}.",
        )
    return Claim(
        name=name,
        verdict="not shown",
        sentence=f"It is not shown that the model ranks these patients: {index}, with 0.5 (chance) "
        "inside.",
    )


def _in_the_large(ratio: Estimate | str) -> Claim:
    name, events = "expects as many events", "as many events as there were"
    if isinstance(ratio, str) or ratio.low is None or ratio.high is None:
        why = ratio if isinstance(ratio, str) else "their ratio has no interval"
        sentence = f"It is not shown that the model expects {events}: {_lower(why)}."
        return Claim(name=name, verdict="not shown", sentence=sentence)
    numbers = f"expected over observed {with_interval(ratio.value, ratio.low, ratio.high)}"
    if ratio.low >= MIN_RATIO and ratio.high <= MAX_RATIO:
        sentence = f"The model expects {events}: {numbers}."
        return Claim(name=name, verdict="shown", sentence=sentence)
    beyond_chance = ratio.low > 1 or ratio.high < 1
    if beyond_chance and not MIN_RATIO <= ratio.value <= MAX_RATIO:
        many = "more events" if ratio.value > 1 else "fewer events"
        sentence = f"The model expects {many} than there were: {numbers}."
        return Claim(name=name, verdict="contradicted", sentence=sentence)
    sentence = (
        f"It is not shown that the model expects {events}: {numbers}, which is not wholly within "
        f"{MIN_RATIO:g} to {MAX_RATIO:g}."
    )
    return Claim(name=name, verdict="not shown", sentence=sentence)


def _calibrated(gate: GateResult) -> Claim:
    when, verdict = period(gate.horizon), WORDS[gate.verdict]
    if gate.verdict == "open":
        sentence = f"Probabilities at {when} hold for these patients: {_ratio(gate)}."
    elif gate.verdict == "closed":
        sentence = f"Probabilities at {when} do not hold for these patients: {gate.reason}."
    else:
        sentence = f"It is not shown that probabilities at {when} hold: {gate.reason}."
    return Claim(name=f"calibrated at {when}", verdict=verdict, sentence=sentence)


def _ratio(gate: GateResult) -> str:
    value, low, high = gate.ratio, gate.ratio_low, gate.ratio_high
    if value is None:
        return "expected over observed events is not defined"
    numbers = f"{value:.2f}" if low is None or high is None else with_interval(value, low, high)
    return f"expected over observed events {numbers}"


def _better(horizon: int, gain: Estimate | str) -> Claim:
    when = period(horizon)
    name = f"better than the average at {when}"
    if isinstance(gain, str) or gain.low is None or gain.high is None:
        why = gain if isinstance(gain, str) else "its gain in Brier score has no interval"
        return Claim(
            name=name,
            verdict="not shown",
            sentence=f"Whether probabilities at {when} say more than the average of these patients "
            f"cannot be told: {_lower(why)}.",
        )
    numbers = f"gain in Brier score {with_interval(gain.value, gain.low, gain.high, digits=3)}"
    if gain.low > 0:
        words, verdict = "lie nearer to what happened than", "shown"
    elif gain.high < 0:
        words, verdict = "lie further from what happened than", "contradicted"
    else:
        words, verdict = "are not shown to lie nearer to what happened than", "not shown"
    return Claim(
        name=name,
        verdict=verdict,  # type: ignore[arg-type]
        sentence=f"Probabilities at {when} {words} the average of these patients, which is known "
        f"only afterwards: {numbers}.",
    )


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]
