"""MultiCoFusion from its equations."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from camlif.exceptions import ConfigError
from camlif.networks.interface import FusionNetwork, FusionOutput, Step
from camlif.networks.rivals.multicofusion import CLASS_LOGITS, class_nll
from tests.networks.batches import draw_inputs, draw_outcome
from tests.networks.rivals.vector_networks import TWO, G, build, settings


def test_a_graph_without_edges_makes_the_risk_independent_of_genes() -> None:
    network = build(TWO, settings("multicofusion", graph="groups"))
    inputs = draw_inputs(TWO, 5)
    moved = inputs._replace(tables={**inputs.tables, G: inputs.tables[G] + 1})
    assert not torch.allclose(network(moved).risk, network(inputs).risk)
    network.graph.adjacency.zero_()
    assert torch.equal(network(moved).risk, network(inputs).risk)


def test_the_group_graph_keeps_each_group_to_itself() -> None:
    network = build(TWO, settings("multicofusion", graph="groups"))
    x = torch.zeros(1, 6, dtype=torch.float64)
    before = network.graph(x)
    x[:, 2] = 1.0  # the second group of two
    changed = (network.graph(x) != before).flatten().tolist()
    assert changed == [False, False, True, True, False, False]
    dense = build(TWO, settings("multicofusion"))
    assert (dense.graph(x) != dense.graph(0 * x)).all()


def labelled(network: FusionNetwork, labels: list[int]) -> tuple[FusionOutput, object]:
    inputs = draw_inputs(TWO, len(labels))
    return network(inputs), draw_outcome(inputs)._replace(label=torch.tensor(labels))


@pytest.mark.parametrize("head", ["native", "matched"])
def test_batches_alternate_between_grade_and_survival(head: str) -> None:
    network = build(TWO, settings("multicofusion", head=head, aux_classes=3))
    output, outcome = labelled(network, [0, 1, 2, 2, 1, 0])
    parts = [set(network.loss(output, outcome, Step(in_epoch=b)).parts) for b in range(4)]
    assert parts == [{"grade"}, {"cox"}, {"grade"}, {"cox"}]


def test_each_epoch_begins_with_grade_whatever_the_number_of_batches() -> None:
    network = build(TWO, settings("multicofusion", aux_classes=3))
    output, outcome = labelled(network, [0, 1, 2, 2, 1, 0])
    for epoch in range(3):  # of three batches
        terms = network.loss(output, outcome, Step(batch=3 * epoch, in_epoch=0))
        assert set(terms.parts) == {"grade"}


def test_both_heads_are_added_without_alternation() -> None:
    network = build(TWO, settings("multicofusion", aux_classes=3, alternate=False))
    output, outcome = labelled(network, [0, 1, 2, 2, 1, 0])
    terms = network.loss(output, outcome)
    nll = F.cross_entropy(output.aux[CLASS_LOGITS], outcome.label)
    assert set(terms.parts) == {"cox", "grade"}
    torch.testing.assert_close(terms.parts["grade"], nll)
    torch.testing.assert_close(terms.total, terms.parts["cox"] + nll)


def test_missing_grades_do_not_count() -> None:
    logits = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    label = torch.tensor([0, -1, 2, -1, 1])
    torch.testing.assert_close(
        class_nll(logits, label), F.cross_entropy(logits, label, ignore_index=-1)
    )
    loss = class_nll(logits, torch.full((5,), -1))
    loss.backward()
    assert float(loss.detach()) == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_the_grade_loss_is_each_member_s_own() -> None:
    logits, label = torch.randn(2, 5, 3), torch.tensor([[0, 1, 2, -1, 0], [-1, -1, 1, 1, 2]])
    each = torch.stack([class_nll(*pair) for pair in zip(logits, label, strict=True)])
    torch.testing.assert_close(class_nll(logits, label), each)


def test_a_second_head_needs_labels_and_none_does_not() -> None:
    inputs = draw_inputs(TWO, 6)
    outcome = draw_outcome(inputs)
    with_grade = build(TWO, settings("multicofusion", aux_classes=3))
    with pytest.raises(ConfigError, match="needs a class for every patient"):
        with_grade.loss(with_grade(inputs), outcome)
    plain = build(TWO, settings("multicofusion"))
    assert set(plain.loss(plain(inputs), outcome).parts) == {"cox"}
    assert CLASS_LOGITS not in plain(inputs).aux
