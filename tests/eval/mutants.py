"""Makes right code wrong, the same way each time: one operator, comparison or number changed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

OPPOSITES: Final[dict[type, type]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
    ast.Pow: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


def mutants(source: str, entry_point: str) -> Iterator[str]:
    """Every program that differs in one place of the function, those whose results differ most surely first."""
    count = len(nodes(ast.parse(source), entry_point))
    for change in (negate_return, swap_operator, shift_number, lose_return):
        for place in range(count):
            mutant = ast.parse(source)
            if change(nodes(mutant, entry_point)[place]):
                yield ast.unparse(ast.fix_missing_locations(mutant))


def nodes(tree: ast.Module, name: str) -> list[ast.AST]:
    """All parts of the function of this name, the last where there are several."""
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name][-1]
    return list(ast.walk(found))


def negate_return(node: ast.AST) -> bool:
    """`return a == b` → `return not a == b`."""
    if not (isinstance(node, ast.Return) and isinstance(node.value, ast.Compare | ast.BoolOp)):
        return False
    node.value = ast.UnaryOp(ast.Not(), node.value)
    return True


def swap_operator(node: ast.AST) -> bool:
    """`+` → `-`, `<` → `>=`, `and` → `or`."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OPPOSITES:
        node.ops[0] = OPPOSITES[type(node.ops[0])]()
        return True
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in OPPOSITES:
        node.op = OPPOSITES[type(node.op)]()
        return True
    return False


def shift_number(node: ast.AST) -> bool:
    """`1` → `2`, `True` → `False`."""
    if not (isinstance(node, ast.Constant) and isinstance(node.value, int)):
        return False
    node.value = not node.value if isinstance(node.value, bool) else node.value + 1
    return True


def lose_return(node: ast.AST) -> bool:
    """`return a` → `return`."""
    if not (isinstance(node, ast.Return) and node.value):
        return False
    node.value = None
    return True
