"""Mutation run: change one operator of the core at a time, and see whether its tests notice.

``python -m tests.benchmarks.mutants [MODULE...] [--sample N]`` prints each survivor with its line,
and counts. Modules are those of `TESTS`; without any, all are taken. A mutant is killed by a
failing test, an error or a run past `SECONDS`. Nothing on disk is changed: each mutant is compiled
in a process of its own, forked from one that has loaded the third-party packages.

Operators are those of DeMillo, Lipton and Sayward, IEEE Computer 1978, that make sense in array
code: comparisons, arithmetic, boolean connectives, negations and integers.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib
import os
import random
import resource
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
SECONDS = 240
"""Of processor time: a busy machine kills no mutant."""
SEED = 0
TESTS = {
    "camlif.losses": ("tests/test_losses.py", "tests/networks/rivals/test_discrete.py"),
    "camlif.linear.averaged": ("tests/networks/test_linear_skip.py",),
    "camlif.linear.elastic_net": ("tests/linear",),
    "camlif.linear.penalised": ("tests/linear",),
    "camlif.linear.proximal": ("tests/linear",),
    "camlif.linear.selection": ("tests/linear",),
    "camlif.model.reference": ("tests/model/test_reference.py",),
    "camlif.model.scoring": ("tests/model/test_scoring.py",),
} | {
    f"camlif.statistics.{module}": tuple(f"tests/statistics/test_{name}.py" for name in names)
    for module, names in {
        "brier": ("metrics", "over_time", "late_entry"),
        "calibration": ("gate", "survival", "over_time", "late_entry"),
        "censoring": ("metrics", "late_entry"),
        "concordance": ("metrics", "late_entry"),
        "conformal": ("conformal",),
        "cox": ("cox", "survival", "late_entry"),
        "d_calibration": ("d_calibration",),
        "decision": ("decision", "late_entry"),
        "discrimination": ("metrics", "late_entry"),
        "gate": ("gate",),
        "group_tests": ("survival", "late_entry"),
        "horizon": ("metrics", "gate", "over_time", "late_entry"),
        "kaplan_meier": ("survival", "late_entry"),
        "likelihood": ("cox", "late_entry"),
        "outcome": ("outcome", "late_entry"),
        "over_time": ("over_time", "late_entry"),
        "pairs": ("metrics", "late_entry"),
        "split_p_values": ("split_p_values", "late_entry"),
        "splits": ("splits",),
        "strata": ("strata",),
    }.items()
}
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}


def changed(node: ast.AST) -> list[ast.AST]:
    """What may stand in the place of an expression."""
    new = copy.deepcopy(node)
    match new:
        case ast.Compare(ops=[op]) if type(op) in SWAPS:
            new.ops = [SWAPS[type(op)]()]  # type: ignore[list-item]
        case ast.BinOp(op=op) | ast.BoolOp(op=op) if type(op) in SWAPS:
            new.op = SWAPS[type(op)]()  # type: ignore[assignment]
        case ast.UnaryOp(op=ast.Not() | ast.Invert() | ast.USub()):
            return [new.operand]
        case ast.Constant(value=int(value)) if not isinstance(value, bool):
            new.value = value + 1
        case _:
            return []
    return [new]


class Mutator(ast.NodeTransformer):
    """Counts the places of a tree that can be changed, and changes one of them."""

    def __init__(self, place: int | None = None) -> None:
        self.place, self.seen = place, 0
        self.said = ""

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.AnnAssign | ast.arg):  # annotations are no behaviour
            if isinstance(node, ast.AnnAssign) and node.value is not None:
                node.value = self.visit(node.value)  # type: ignore[assignment]
            return node
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        node = super().generic_visit(node)
        for new in changed(node):
            if self.seen == self.place:
                line = getattr(node, "lineno", 0)
                self.said = f"line {line}: {ast.unparse(node)}  ->  {ast.unparse(new)}"
                node = ast.copy_location(new, node)
            self.seen += 1
        return node


class Mutated(MetaPathFinder, Loader):
    """Gives one module with a change."""

    def __init__(self, module: str, tree: ast.Module, file: Path) -> None:
        self.module, self.tree, self.file = module, tree, file

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        return ModuleSpec(name, self, origin=str(self.file)) if name == self.module else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.tree, str(self.file), "exec"), module.__dict__)


def is_killed(module: str, tree: ast.Module, file: Path) -> bool:
    """Run the module's tests against a tree in a forked process."""
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        sys.meta_path.insert(0, Mutated(module, tree, file))
        import pytest

        options = ("-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-m", "not slow")
        os._exit(int(pytest.main([*options, *TESTS[module]]) != 0))
    _, status = os.waitpid(child, 0)
    return status != 0


def survivors(module: str, sample: int | None) -> Iterator[str]:
    """Yield what survives of a module's mutants, and last the count."""
    file = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    source = ast.parse(file.read_text())
    counter = Mutator()
    counter.visit(copy.deepcopy(source))
    places = list(range(counter.seen))
    if sample is not None:
        places = sorted(random.Random(SEED).sample(places, min(sample, len(places))))
    if is_killed(module, source, file):
        raise SystemExit(f"{module}: its tests fail without a change.")
    alive = 0
    for place in places:
        mutator = Mutator(place)
        tree = ast.fix_missing_locations(mutator.visit(copy.deepcopy(source)))
        assert isinstance(tree, ast.Module)
        if not is_killed(module, tree, file):
            alive += 1
            yield f"{module} {mutator.said}"
    yield f"{module}: {len(places) - alive} of {len(places)} killed ({counter.seen} places)"


def main(arguments: Sequence[str]) -> None:
    """Run the mutants of the modules named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", choices=[*TESTS, []], metavar="MODULE")
    parser.add_argument("--sample", type=int, help="so many mutants of each module, drawn by seed")
    chosen = parser.parse_args(arguments)
    for package in ("lifelines", "numba", "pytest", "sksurv.metrics", "torch"):
        importlib.import_module(package)

    for module in chosen.modules or TESTS:
        for line in survivors(module, chosen.sample):
            print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
