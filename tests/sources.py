"""Reads the package's sources, for the tests that hold them to the project's rules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "qkeras_hybrid"

Import = tuple[str, bool]
"""A module's dotted name, and whether the import runs when the importing module is loaded."""


def imports_of(source: str, modules: frozenset[str] = frozenset()) -> Iterator[Import]:
    """Yields what a source imports, but for type checkers' sake alone.

    Args:
        source: Python source.
        modules: Dotted names of modules, so that `from a import b` is known as module `a.b`.
    """

    def visit(node: ast.AST, at_load: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from ((alias.name, at_load) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise AssertionError(f"line {node.lineno}: import by the full name")
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield (name if name in modules else str(node.module)), at_load
                if node.module == f"{PACKAGE}._lazy" and alias.name != "lazy_module":
                    yield {"tf": "tensorflow"}.get(alias.name, alias.name), False
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if called in ("lazy_module", "import_module", "__import__"):
                match node.args:
                    case [ast.Constant(value=str(name)), *_]:
                        yield name, at_load and called != "lazy_module"
        if isinstance(node, ast.If) and _names_type_checking(node.test):
            children: list[ast.AST] = list(node.orelse)
        else:
            children = list(ast.iter_child_nodes(node))
        deferred = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in children:
            yield from visit(child, at_load and not deferred)

    yield from visit(ast.parse(source), True)


def _names_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def package_modules(folder: Path) -> dict[str, str]:
    """Returns the source of each module of the package, by dotted name."""
    sources = {}
    for path in sorted((folder / PACKAGE).rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(
            encoding="utf-8"
        )
    return sources
