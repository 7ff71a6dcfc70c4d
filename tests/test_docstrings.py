"""Modules say what they are, and public functions describe their arguments."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = [
    path.relative_to(ROOT)
    for package in ("camlif", "dashboard")
    for path in sorted((ROOT / package).rglob("*.py"))
]
DESCRIBED_FROM = 3
"""Arguments from which a public function needs a Parameters section."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _parsed(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"))


def _public(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Public functions of a module, and public methods of its public classes."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from _public(child, f"{prefix}{child.name}.")
        elif isinstance(child, Function) and not child.name.startswith("_"):
            yield prefix + child.name, child


def _n_arguments(function: Function) -> int:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return sum(a.arg not in ("self", "cls") for a in named)


def _is_command(function: Function) -> bool:
    """Whether it is a command: its docstring is shown as help, and its options have their own."""
    return "typer." in ast.unparse(function.args)


def _undescribed(tree: ast.Module) -> list[str]:
    return [
        name
        for name, function in _public(tree)
        if _n_arguments(function) >= DESCRIBED_FROM
        and not _is_command(function)
        and "Parameters\n----------" not in (ast.get_docstring(function) or "")
    ]


def test_every_module_says_what_it_is() -> None:
    silent = [str(module) for module in MODULES if not ast.get_docstring(_parsed(module))]
    assert MODULES
    assert silent == []


def test_public_functions_of_three_arguments_describe_them() -> None:
    undescribed = [
        f"{module}: {name}" for module in MODULES for name in _undescribed(_parsed(module))
    ]
    assert undescribed == []


def test_a_function_without_the_section_is_found() -> None:
    tree = ast.parse("class A:\n    def f(self, a, b, *, c):\n        '''Do it.'''")
    assert _undescribed(tree) == ["A.f"]
