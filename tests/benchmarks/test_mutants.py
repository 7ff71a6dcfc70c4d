"""What the mutation run changes, and that each place is changed once."""

from __future__ import annotations

import ast

import pytest

from tests.benchmarks.mutants import Mutator


def mutants(source: str) -> list[str]:
    counter = Mutator()
    counter.visit(ast.parse(source))
    return [ast.unparse(Mutator(i).visit(ast.parse(source))) for i in range(counter.seen)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", ["a <= b"]),
        ("a + b * c", ["a + b / c", "a - b * c"]),
        ("x & ~y", ["x & y", "x | ~y"]),
        ("not a or b", ["a or b", "not a and b"]),
        ("f(1, True)", ["f(2, True)"]),
        ("a < b < c", []),
        ("n: Literal[3] = 2", ["n: Literal[3] = 3"]),
        ("def f() -> int | None: pass", []),
        ("def f(x: Literal[1] = 0): pass", ["def f(x: Literal[1]=1):\n    pass"]),
    ],
)
def test_each_place_is_changed_alone(source: str, expected: list[str]) -> None:
    assert mutants(source) == expected
