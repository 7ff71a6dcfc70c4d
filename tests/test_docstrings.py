"""Modules say what they are, and public functions describe their arguments."""

from __future__ import annotations

import ast
import re
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


def _arguments(function: Function) -> set[str]:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return {a.arg for a in named} - {"self", "cls"}


def _described(function: Function) -> set[str] | None:
    """Names in the Parameters section; None without one."""
    _, found, rest = (ast.get_docstring(function) or "").partition("Parameters\n----------\n")
    if not found:
        return None
    section = re.split(r"\n\n?\w+\n-{3,}", rest)[0]
    heads = [line.partition(" : ")[0] for line in section.splitlines() if line.strip()]
    return {n.strip(" *") for h in heads if not h.startswith(" ") for n in h.split(",")}


def _is_command(function: Function) -> bool:
    """Whether it is a command: its docstring is shown as help, and its options have their own."""
    return "typer." in ast.unparse(function.args)


def _wrongly_described(tree: ast.Module) -> list[str]:
    """Functions with a Parameters section that lacks an argument, or without one they need."""
    found = []
    for name, function in _public(tree):
        arguments, described = _arguments(function), _described(function)
        if described is None:
            if len(arguments) >= DESCRIBED_FROM and not _is_command(function):
                found.append(name)
        elif not arguments <= described:
            found.append(f"{name}: {', '.join(sorted(arguments - described))}")
    return found


def test_every_module_says_what_it_is() -> None:
    silent = [str(module) for module in MODULES if not ast.get_docstring(_parsed(module))]
    assert MODULES
    assert silent == []


def test_public_functions_describe_their_arguments() -> None:
    wrong = [
        f"{module}: {name}" for module in MODULES for name in _wrongly_described(_parsed(module))
    ]
    assert wrong == []


def test_a_missing_section_and_a_missing_argument_are_found() -> None:
    bare = ast.parse("class A:\n    def f(self, a, b, *, c):\n        '''Do it.'''")
    assert _wrongly_described(bare) == ["A.f"]
    head = "Do it.\n\n    Parameters\n    ----------\n    a, b : int\n    "
    partial = ast.parse(f"def f(a, b, c):\n    '''{head}'''")
    assert _wrongly_described(partial) == ["f: c"]
