"""Problems as text in the formats of benchmark libraries."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing.constraints import Constraint
from qkeras_hybrid.annealing.models import Qubo
from qkeras_hybrid.annealing.problem import Problem
from qkeras_hybrid.annealing.problems import (
    independent_set,
    knapsack,
    maxcut,
    quadratic_assignment,
)

Rows = list[list[float]]


def dimacs(text: str) -> Problem:
    """Reads a graph in DIMACS's format (`p edge n m`, `e i j`) as an independent set problem."""
    nodes, edges = 0, {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0] == "c":
            continue
        if words[0] == "p":
            nodes = int(_numbers(words[2:3], number)[0])
        elif words[0] in ("e", "a"):
            i, j = (int(x) for x in _numbers(words[1:3], number))
            if i != j:
                edges[min(i, j), max(i, j)] = 1.0
        elif words[0] not in ("n", "v", "d", "x"):
            raise _wrong(number, "a line of DIMACS's begins with c, p or e", line)
    if not nodes:
        raise _wrong(1, "DIMACS's format has a line `p edge NODES EDGES`", text[:50])
    import networkx

    graph = networkx.Graph()
    graph.add_nodes_from(range(1, nodes + 1))
    graph.add_edges_from(edges)
    return independent_set(graph)


def edge_list(text: str, kind: str = "maxcut") -> Problem:
    """Reads lines `a b` or `a b weight`, or a graph of the G-set with its line `nodes edges`.

    Args:
        text: The text.
        kind: "maxcut" or "independent_set".
    """
    rows = [(n, line.replace(",", " ").split()) for n, line in _lines(text)]
    weights: dict[tuple[str, str], float] = {}
    nodes: dict[str, None] = {}
    # A first line of two numbers before lines of three gives the numbers of nodes and of edges.
    counted = len(rows) > 1 and [len(words) for _, words in rows] == [2] + [3] * (len(rows) - 1)
    counted = counted and rows[0][1][1] == str(len(rows) - 1)
    if counted:
        nodes = dict.fromkeys(str(i) for i in range(1, int(rows[0][1][0]) + 1))
    for number, words in rows[counted:]:
        if len(words) not in (2, 3):
            raise _wrong(number, "an edge is `a b` or `a b weight`", " ".join(words))
        pair = (words[0], words[1])
        nodes |= dict.fromkeys(pair)
        weight = _numbers(words[2:], number)[0] if len(words) == 3 else 1.0
        if pair[0] == pair[1]:
            raise _wrong(number, "an edge joins two nodes", " ".join(words))
        if pair in weights or pair[::-1] in weights:
            raise _wrong(number, "each edge appears only once", " ".join(words))
        weights[pair] = weight
    import networkx

    graph = networkx.Graph()
    graph.add_nodes_from(nodes)
    graph.add_weighted_edges_from((a, b, weight) for (a, b), weight in weights.items())
    return independent_set(graph) if kind == "independent_set" else maxcut(graph)


def or_library_qubo(text: str) -> Problem:
    """Reads a QUBO of the OR-library (`bqp`): the first of its problems, to be maximised."""
    numbers = _all_numbers(text)
    # A line with the number of problems may come before the first.
    start = int(len(next(_lines(text))[1].split()) == 1)
    n, m = int(numbers[start]), int(numbers[start + 1])
    entries = np.array(numbers[start + 2 : start + 2 + 3 * m]).reshape(-1, 3)
    biases: dict[tuple[int, int], float] = {(i, i): 0.0 for i in range(1, n + 1)}
    for i, j, value in entries.tolist():
        a, b = sorted((int(i), int(j)))
        # The matrix is symmetric; the file has each pair once.
        biases[a, b] = biases.get((a, b), 0.0) - (value if a == b else 2 * value)
    return Problem("QUBO of the OR-library", Qubo(biases))


def or_library_knapsack(text: str) -> Problem:
    """Reads the first multidimensional knapsack (`mknap`) of the OR-library."""
    numbers = _all_numbers(text)
    start = 1 if not _is_knapsack(numbers) and _is_knapsack(numbers[1:]) else 0
    n, m = int(numbers[start]), int(numbers[start + 1])
    rest = np.array(numbers[start + 3 : start + 3 + n + n * m + m])
    return knapsack(rest[:n].tolist(), rest[n : n + n * m].reshape(m, n), rest[n + n * m :])


def qaplib(text: str) -> Problem:
    """Reads a quadratic assignment of QAPLIB: the size, and two matrices."""
    numbers = _all_numbers(text)
    n = int(numbers[0])
    matrices = np.array(numbers[1 : 1 + 2 * n * n]).reshape(2, n, n)
    return quadratic_assignment(matrices[0], matrices[1])


def market_split(text: str) -> Problem:
    """Reads a market split of QOBLIB: the sizes `m n`, and `m` rows of `n` numbers and a sum."""
    numbers = _all_numbers(text)
    m, n = int(numbers[0]), int(numbers[1])
    rows = np.array(numbers[2 : 2 + m * (n + 1)]).reshape(m, n + 1)
    constraints = [
        Constraint(f"market {k}", dict(enumerate(row[:n].tolist())), "==", float(row[n]))
        for k, row in enumerate(rows)
    ]
    nothing = Qubo({(i, i): 0.0 for i in range(n)})
    return Problem("market split", nothing, constraints)


def qs(text: str) -> Problem:
    """Reads a QUBO of QOBLIB: comments, the sizes, and a line `i j value` for each entry."""
    offset, rows = 0.0, []
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            named = re.search(r"offset\D*?([-+]?[\d.]+(?:[eE][-+]?\d+)?)", line, re.IGNORECASE)
            offset = float(named[1]) if named else offset
    for number, line in _lines(text):
        rows.append(_numbers(line.split(), number))
    n, entries = int(rows[0][0]), rows[1:]
    base = 0 if any(0 in row[:2] for row in entries) else 1
    biases: dict[tuple[int, int], float] = {(i, i): 0.0 for i in range(base, n + base)}
    for row in entries:
        if len(row) != 3:
            raise _wrong(0, "an entry is `i j value`", row)
        a, b = sorted((int(row[0]), int(row[1])))
        biases[a, b] = biases.get((a, b), 0.0) + row[2]
    return Problem("QUBO of QOBLIB", Qubo(biases, offset))


def guessed(text: str) -> Problem:
    """Reads text in the format that it fits, among those without a file ending of their own.

    Raises:
        ValueError: If it fits none.
    """
    first = next((line.split()[0] for _, line in _lines(text)), "")
    if not first:
        raise _wrong(1, "it is empty", text)
    if first in ("c", "p"):
        return dimacs(text)
    try:
        numbers = _all_numbers(text)
    except ArgumentError:
        return edge_list(text)
    first_line, *others = [len(line.split()) for _, line in _lines(text)]
    counted = first_line == 2 and len(others) == numbers[1] and set(others) == {3}
    readers: list[tuple[Callable[[str], Problem], bool]] = [
        (edge_list, counted),
        (qaplib, first_line == 1 and _is_qap(numbers)),
        (market_split, first_line == 2 and _is_market_split(numbers)),
        (or_library_knapsack, first_line == 3 and _is_knapsack(numbers)),
        (or_library_knapsack, first_line == 1 and _is_knapsack(numbers[1:])),
        (or_library_qubo, first_line == 1 and len(numbers) >= 3 + 3 * max([*numbers[2:3], 1])),
        (edge_list, first_line in (2, 3)),
    ]
    for read, fits in readers:
        if fits:
            return read(text)
    raise _wrong(1, "the numbers fit none of the known formats", text[:50])


def _is_qap(numbers: list[float]) -> bool:
    return len(numbers) > 8 and len(numbers) == 1 + 2 * int(numbers[0]) ** 2


def _is_market_split(numbers: list[float]) -> bool:
    if len(numbers) < 5 or numbers[0] < 1 or numbers[1] < 2:
        return False
    return len(numbers) == 2 + int(numbers[0]) * (int(numbers[1]) + 1)


def _is_knapsack(numbers: list[float]) -> bool:
    if len(numbers) < 5 or numbers[0] < 1 or numbers[1] < 1:
        return False
    n, m = int(numbers[0]), int(numbers[1])
    return len(numbers) == 3 + n + n * m + m


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith(("#", "%", "//")):
            yield number, line


def _numbers(words: list[str], line: int) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise _wrong(line, "numbers are expected", " ".join(words)) from None
    if not values or not np.isfinite(values).all():
        raise _wrong(line, "finite numbers are expected", " ".join(words))
    return values


def _all_numbers(text: str) -> list[float]:
    found: list[float] = []
    for number, line in _lines(text):
        found += _numbers(line.split(), number)
    if not found:
        raise _wrong(1, "numbers are expected", text[:50])
    return found


def _wrong(line: int, requirement: str, got: object) -> ArgumentError:
    return ArgumentError("file", f"be readable in its format (line {line}: {requirement})", got)
