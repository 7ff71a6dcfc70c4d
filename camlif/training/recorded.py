"""The stacked network as a flat list of operations, recorded once and run for every batch.

A network, its parameters and inputs go in; a function of parameters and inputs of the same shapes
comes out. `vmap` looks up a batching rule for every operation of every step, and its rules leave
reshapes behind that change nothing: a fifth of a step of eight members. A recording holds what the
rules came to: the same operations on the same numbers, so that training gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

from camlif.networks.interface import FusionNetwork, FusionOutput, Inputs
from camlif.training.ensemble import run_stacked

MIN_STEPS = 200
"""Recording costs as much as it saves in about half as many steps."""

aten = torch.ops.aten
VIEWS = (aten.view.default, aten._unsafe_view.default)
RESHAPES = (*VIEWS, aten.expand.default)

Run = Callable[[Mapping[str, Tensor], Inputs], FusionOutput]


def record(network: FusionNetwork, parameters: Mapping[str, Tensor], inputs: Inputs) -> Run:
    """Record a stacked network in its present mode for inputs of the given shapes.

    The recording draws dropout masks anew in each run and lets gradients through, except where the
    network detaches a tensor; ``torch.no_grad`` within the network leaves no trace in it.

    Parameters
    ----------
    network : FusionNetwork
    parameters : mapping of str to Tensor, shape (e, ...)
    inputs : Inputs
        Tensors (e, n, ...), of any values.

    Returns
    -------
    callable
        Takes parameters and inputs of these shapes; gives what `run_stacked` gives.
    """

    def run(state: dict[str, Tensor], batch: Inputs) -> FusionOutput:
        return run_stacked(network, state, batch)

    # Fake tensors: nothing is computed and no random number drawn.
    with torch.no_grad():
        recording = make_fx(run, tracing_mode="fake")(dict(parameters), inputs)
    _simplify(recording)
    return lambda state, batch: cast(FusionOutput, recording(dict(state), batch))


def _simplify(recording: fx.GraphModule) -> None:
    """Drop what changes nothing: factors of 1, reshapes to the same shape or of a reshape.

    A reshape that is read more than once stays: its gradients are summed there, and the order of a
    sum is part of its last digit.
    """
    graph = recording.graph
    for node in graph.find_nodes(op="call_function", target=aten.mul.Scalar):
        if node.args[1] == 1:
            node.replace_all_uses_with(node.args[0])
    for node in graph.nodes:
        source = node.args[0] if node.target in RESHAPES else None
        if source is None:
            continue
        once = len(source.users) == 1
        if node.meta["val"].shape == source.meta["val"].shape and (once or len(node.users) == 1):
            node.replace_all_uses_with(source)
        elif node.target in VIEWS and source.target in VIEWS and once:
            node.replace_input_with(source, source.args[0])
    graph.eliminate_dead_code()
    recording.recompile()
