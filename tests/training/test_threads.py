"""One ensemble serves all sessions of a server at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from camlif.data.preprocessing import encode
from tests.builders.bundles import tiny_bundle, tiny_cohort


def test_threads_that_share_an_ensemble_get_the_risks_of_one_alone() -> None:
    bundle, cohort = tiny_bundle(), tiny_cohort()
    raw = encode(cohort, bundle.schema)
    alone = bundle.ensemble.predict(raw).log_risk
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: bundle.ensemble.predict(raw).log_risk, range(16)))
    for log_risk in together:
        np.testing.assert_array_equal(log_risk, alone)
