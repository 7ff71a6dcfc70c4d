"""Similar cases: nearest in the members' fusion vectors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from camlif.exceptions import ConfigError, EstimationError
from camlif.similarity import similar_cases

EMBEDDING = np.array(
    [[0.0, 0.0], [3.0, 4.0], [0.0, 1.0], [np.nan, np.nan], [0.0, -1.0], [6.0, 8.0]], dtype="f4"
)


def test_nearest_come_first_and_ties_keep_row_order() -> None:
    found = similar_cases(EMBEDDING, 0, k=4)
    assert found.rows.tolist() == [2, 4, 1, 5]
    assert found.distances[0] == found.distances[1]
    np.testing.assert_allclose(found.distances[2:] / found.distances[0], [5, 10])


def test_the_patient_and_unscored_cases_are_never_found() -> None:
    found = similar_cases(EMBEDDING, 2, k=10)
    assert set(found.rows.tolist()) == {0, 1, 4, 5}


def test_among_restricts_the_cases_but_not_the_distances() -> None:
    among = np.array([True, True, False, True, False, True])
    everyone, some = similar_cases(EMBEDDING, 0, k=5), similar_cases(EMBEDDING, 0, among=among)
    assert some.rows.tolist() == [1, 5]
    np.testing.assert_array_equal(some.distances, everyone.distances[2:])


def test_every_member_has_the_same_say_whatever_its_scale() -> None:
    rng = np.random.default_rng(0)
    blocks = rng.standard_normal((3, 40, 8)).astype("f4")
    plain = similar_cases(np.concatenate(blocks, axis=1), 7, n_members=3)
    scaled = blocks * np.array([1.0, 100.0, 0.01], dtype="f4")[:, None, None]
    stretched = similar_cases(np.concatenate(scaled, axis=1), 7, n_members=3)
    assert stretched.rows.tolist() == plain.rows.tolist()
    np.testing.assert_allclose(stretched.distances, plain.distances, rtol=1e-5)


def test_two_random_cases_are_at_distance_one() -> None:
    embedding = np.random.default_rng(1).standard_normal((60, 12)).astype("f4") * 5
    distances = np.concatenate([similar_cases(embedding, row, k=59).distances for row in range(60)])
    assert np.sqrt((distances**2).mean()) == pytest.approx(np.sqrt(60 / 59), rel=1e-6)
    # Up to the scale it is the Euclidean distance.
    nearest = similar_cases(embedding, 0, k=1)
    euclidean = pdist(embedding)[:59]
    assert nearest.rows[0] == 1 + int(np.argmin(euclidean))


def test_a_member_with_constant_vectors_is_left_out() -> None:
    embedding = np.concatenate([EMBEDDING, np.where(np.isnan(EMBEDDING), np.nan, 2.0)], axis=1)
    found = similar_cases(embedding.astype("f4"), 0, n_members=2)
    np.testing.assert_array_equal(found.distances, similar_cases(EMBEDDING, 0).distances)


def test_an_unscored_patient_has_no_similar_cases() -> None:
    with pytest.raises(EstimationError, match="not scored"):
        similar_cases(EMBEDDING, 3)


@pytest.mark.parametrize(("k", "n_members"), [(0, 1), (5, 3)])
def test_impossible_settings_are_refused(k: int, n_members: int) -> None:
    with pytest.raises(ConfigError):
        similar_cases(EMBEDDING, 0, k=k, n_members=n_members)


def test_only_members_that_count_place_the_cases() -> None:
    rng = np.random.default_rng(2)
    blocks = rng.standard_normal((3, 30, 4)).astype("f4")
    stacked = np.concatenate(blocks, axis=1)
    members = np.array([False, True, True])
    found = similar_cases(stacked, 4, n_members=3, members=members)
    alone = similar_cases(np.concatenate(blocks[1:], axis=1), 4, n_members=2)
    assert found.rows.tolist() == alone.rows.tolist()
    np.testing.assert_allclose(found.distances, alone.distances)
    assert found.rows.tolist() != similar_cases(stacked, 4, n_members=3).rows.tolist()


def test_without_a_member_that_counts_there_are_no_similar_cases() -> None:
    with pytest.raises(EstimationError, match="No model"):
        similar_cases(EMBEDDING, 0, members=np.array([False]))
