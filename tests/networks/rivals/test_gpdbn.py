"""GPDBN from its equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from camlif.config import RunConfig, TrainConfig
from camlif.data.preprocessing import Preprocessor, cox_score_statistic, encode
from camlif.data.schema import FeatureSchema
from camlif.data.splits import make_splits
from camlif.networks.registry import (
    build_network,
    network_entry,
)
from camlif.networks.rivals.gpdbn import own_products
from camlif.statistics.concordance import concordance_index
from camlif.study.references import CLASSICAL, classical_inputs
from camlif.training.engine import train_ensemble
from tests.builders.cohorts import make_cohort, make_schema, simulate
from tests.networks.batches import draw_inputs, draw_outcome
from tests.networks.rivals.vector_networks import THREE, TWO, G, P, build, native, settings


def test_own_products_are_symmetric_and_a_triangle_holds_them_all() -> None:
    x = torch.randn(5, 4, dtype=torch.float64)
    square = own_products(x, triangular=False).unflatten(-1, (4, 4))
    assert torch.equal(square, square.mT)
    torch.testing.assert_close(square, torch.einsum("ni,nj->nij", x, x))
    half = own_products(x, triangular=True)
    rows, columns = np.triu_indices(4)
    torch.testing.assert_close(half, square[:, rows, columns])


@pytest.mark.parametrize(
    ("schema", "width"), [(TWO, 2 * 32 + 20 * 3), (THREE, 3 * 32 + 20 * 6)], ids=["two", "three"]
)
@pytest.mark.parametrize("triangular", [True, False])
def test_gpdbn_fuses_vectors_of_the_stated_width(
    schema: FeatureSchema, width: int, triangular: bool
) -> None:
    network = build(schema, settings("gpdbn", triangular=triangular))
    x = {m: torch.randn(3, 32, dtype=torch.float64) for m in schema.names}
    assert network.interactions(x).shape == (3, width)
    assert network.trunk[0].in_features == width
    assert network(draw_inputs(schema, 3)).risk.shape == (3,)


def test_a_zero_modality_leaves_the_bias_of_its_products_only() -> None:
    network = build(TWO, settings("gpdbn"))
    x = {P: torch.randn(3, 32, dtype=torch.float64), G: torch.zeros(3, 32, dtype=torch.float64)}
    fused = network.interactions(x)
    inter, own_p, own_g = fused[:, 64:84], fused[:, 84:104], fused[:, 104:]
    torch.testing.assert_close(
        inter, F.relu(network.inter["pathology__genomics"].bias).expand(3, -1)
    )
    torch.testing.assert_close(own_g, F.relu(network.intra[G].bias).expand(3, -1))
    assert not torch.allclose(own_p, F.relu(network.intra[P].bias).expand(3, -1))


def test_selection_keeps_the_columns_that_go_with_the_outcome() -> None:
    schema = make_schema({P: (40,), G: (35,)})
    config = settings("gpdbn", reduce="select")
    network = build_network(schema, 0, config).eval()
    inputs = draw_inputs(schema, 80, dtype=torch.float32)
    inputs.presence[:20, 0] = False
    outcome = draw_outcome(inputs)
    event, duration = outcome.event.numpy(), outcome.duration.numpy()
    network.fit_start(inputs, event, duration)
    here = slice(20, None)
    strength = cox_score_statistic(inputs.tables[P].numpy()[here], event[here], duration[here])
    kept = network.reducers[P].columns.numpy()
    assert set(kept) == set(np.argsort(strength)[-32:])
    dropped = sorted(set(range(40)) - set(kept))
    before = network(inputs).risk
    inputs.tables[P][:, dropped] = 7.0
    assert torch.equal(network(inputs).risk, before)
    assert set(network.state_dict()) >= {f"reducers.{P}.columns", f"reducers.{G}.columns"}


def test_selection_is_each_member_s_own() -> None:
    cohort = make_cohort(90, {P: (40,), G: (35,)}, signal="none")
    splits = make_splits(cohort.patient_ids, cohort.event, n_splits=2, scheme="monte_carlo")
    run = RunConfig(
        network=native("gpdbn", reduce="select"), training=TrainConfig(epochs=1, batch_size=0)
    )
    ensemble = train_ensemble(cohort, run, splits, device=torch.device("cpu")).ensemble
    first, second = ensemble.parameters[f"reducers.{P}.columns"]
    assert not torch.equal(first, second)


PRODUCT_C_INDEX = 0.60  # found: 0.69 on both splits
LATE_C_INDEX = 0.55  # found: 0.50 and 0.52


@pytest.mark.slow
def test_gpdbn_finds_a_product_that_no_modality_shows_alone() -> None:
    cohort = simulate(600, {P: (4,), G: (4,)}, signal="interaction", strength=2.0).cohort
    splits = make_splits(
        cohort.patient_ids, cohort.event, n_splits=2, scheme="monte_carlo", test_fraction=1 / 3
    )
    run = RunConfig(network=native("gpdbn"), training=network_entry("gpdbn").native)
    raw = encode(cohort, cohort.schema)
    ensemble = train_ensemble(cohort, run, splits, device=torch.device("cpu")).ensemble
    found = ensemble.predict(raw).log_risk
    for e in range(2):
        train, test = splits.train_rows(e), splits.test_rows(e)
        outcome = {"event": cohort.event, "duration": cohort.duration}
        preprocessor = Preprocessor.fit(raw, cohort.schema, train, run.training, **outcome)
        x = classical_inputs(raw, preprocessor)
        late = CLASSICAL["late_mean"].model.fit(x.take(train), cohort.follow_up(train), seed=0)
        event, duration = cohort.event[test], cohort.duration[test]
        assert concordance_index(found[test, e], event, duration) > PRODUCT_C_INDEX
        assert concordance_index(late.risk(x.take(test)), event, duration) < LATE_C_INDEX
