"""Similar cases: nearest in the members' fusion vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from camlif.exceptions import ConfigError, EstimationError
from camlif.explain.similarity import FusedSpace, SimilarCases, similar_cases

EMBEDDING = np.array(
    [[0.0, 0.0], [3.0, 4.0], [0.0, 1.0], [np.nan, np.nan], [0.0, -1.0], [6.0, 8.0]], dtype="f4"
)


def nearest(
    embedding: np.ndarray, row: int, *, n_members: int = 1, **settings: Any
) -> SimilarCases:
    return similar_cases(FusedSpace.of(embedding, n_members), row, **settings)


def test_nearest_come_first_and_ties_keep_row_order() -> None:
    found = nearest(EMBEDDING, 0, k=4)
    assert found.rows.tolist() == [2, 4, 1, 5]
    assert found.distances[0] == found.distances[1]
    np.testing.assert_allclose(found.distances[2:] / found.distances[0], [5, 10])


def test_the_patient_and_unscored_cases_are_never_found() -> None:
    found = nearest(EMBEDDING, 2, k=10)
    assert set(found.rows.tolist()) == {0, 1, 4, 5}


def test_among_restricts_the_cases_but_not_the_distances() -> None:
    among = np.array([True, True, False, True, False, True])
    everyone, some = nearest(EMBEDDING, 0, k=5), nearest(EMBEDDING, 0, among=among)
    assert some.rows.tolist() == [1, 5]
    np.testing.assert_array_equal(some.distances, everyone.distances[2:])


def test_every_member_has_the_same_say_whatever_its_scale() -> None:
    rng = np.random.default_rng(0)
    blocks = rng.standard_normal((3, 40, 8)).astype("f4")
    plain = nearest(np.concatenate(blocks, axis=1), 7, n_members=3)
    scaled = blocks * np.array([1.0, 100.0, 0.01], dtype="f4")[:, None, None]
    stretched = nearest(np.concatenate(scaled, axis=1), 7, n_members=3)
    assert stretched.rows.tolist() == plain.rows.tolist()
    np.testing.assert_allclose(stretched.distances, plain.distances, rtol=1e-5)


def test_two_random_cases_are_at_distance_one() -> None:
    embedding = np.random.default_rng(1).standard_normal((60, 12)).astype("f4") * 5
    distances = np.concatenate([nearest(embedding, row, k=59).distances for row in range(60)])
    assert np.sqrt((distances**2).mean()) == pytest.approx(np.sqrt(60 / 59), rel=1e-6)
    # Up to the scale it is the Euclidean distance.
    closest = nearest(embedding, 0, k=1)
    euclidean = pdist(embedding)[:59]
    assert closest.rows[0] == 1 + int(np.argmin(euclidean))


def test_a_member_with_constant_vectors_is_left_out() -> None:
    embedding = np.concatenate([EMBEDDING, np.where(np.isnan(EMBEDDING), np.nan, 2.0)], axis=1)
    found = nearest(embedding.astype("f4"), 0, n_members=2)
    np.testing.assert_array_equal(found.distances, nearest(EMBEDDING, 0).distances)


def test_an_unscored_patient_has_no_nearest() -> None:
    with pytest.raises(EstimationError, match="not scored"):
        nearest(EMBEDDING, 3)


@pytest.mark.parametrize(("k", "n_members"), [(0, 1), (5, 3)])
def test_impossible_settings_are_refused(k: int, n_members: int) -> None:
    with pytest.raises(ConfigError):
        nearest(EMBEDDING, 0, k=k, n_members=n_members)


def test_only_members_that_count_place_the_cases() -> None:
    rng = np.random.default_rng(2)
    blocks = rng.standard_normal((3, 30, 4)).astype("f4")
    stacked = np.concatenate(blocks, axis=1)
    members = np.array([False, True, True])
    found = nearest(stacked, 4, n_members=3, members=members)
    alone = nearest(np.concatenate(blocks[1:], axis=1), 4, n_members=2)
    assert found.rows.tolist() == alone.rows.tolist()
    np.testing.assert_allclose(found.distances, alone.distances)
    assert found.rows.tolist() != nearest(stacked, 4, n_members=3).rows.tolist()


def test_without_a_member_that_counts_there_are_no_nearest() -> None:
    with pytest.raises(EstimationError, match="No model"):
        nearest(EMBEDDING, 0, members=np.array([False]))
