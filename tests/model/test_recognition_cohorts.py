"""Recognition on the development cohorts, split 70/30: the bounds of false matches and misses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.recognition import COHORTS, measure, read

DATA = Path(__file__).parents[3] / "shared" / "data"
SEEDS = 4
FALSE_MATCHES = 1 / 1000
MISSES = 1 / 100


@pytest.mark.slow
@pytest.mark.parametrize("name", COHORTS)
def test_false_matches_and_misses_stay_within_their_bounds(name: str) -> None:
    if not (DATA / name).is_dir():
        pytest.skip(f"{name} is not beside the project")
    for rates in measure(read(name, DATA), SEEDS):
        if rates.clinical:
            assert rates.new.training <= FALSE_MATCHES * rates.new.patients, rates
        for known in (rates.unchanged, rates.rounded, rates.rounded_up):
            assert known.new <= MISSES * known.patients, rates
