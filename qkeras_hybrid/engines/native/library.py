"""Finds and loads the compiled core, or says why it is not available."""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
LIBRARY = FOLDER / "_native.so"
# Written by the build: {"built": bool, "reason": str, "version": str, "machine": str}.
STATUS = FOLDER / "_build_status.json"

_CODES = {"float32": 0, "float64": 1}


class _Sizes(ctypes.Structure):
    _fields_ = (
        ("n_qubits", ctypes.c_int64),
        ("n_inputs", ctypes.c_int64),
        ("n_weights", ctypes.c_int64),
        ("n_observables", ctypes.c_int64),
        ("n_measured", ctypes.c_int64),
    )


class QaoaProblem(ctypes.Structure):
    """`QhQaoaProblem` of `src/c_api.h`."""

    _fields_ = (
        ("n_qubits", ctypes.c_int64),
        ("n_layers", ctypes.c_int64),
        ("n_fields", ctypes.c_int64),
        ("n_pairs", ctypes.c_int64),
        ("pairs", ctypes.c_void_p),
        ("costs", ctypes.c_void_p),
        ("start", ctypes.c_void_p),
        ("even", ctypes.c_int64),
    )


def _recorded() -> dict[str, Any]:
    try:
        recorded = json.loads(STATUS.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return recorded if isinstance(recorded, dict) else {}


def _why_not() -> str | None:
    """Returns why the core cannot be loaded, or None if it can."""
    recorded = _recorded()
    if not LIBRARY.exists():
        return f"not built ({recorded.get('reason') or 'the package was not installed by pip'})"
    built_on, machine = recorded.get("machine"), platform.machine()
    if built_on and built_on != machine:
        return (
            f"built for {built_on} processors, but this one is {machine} "
            "(install the package again)"
        )
    return None


@functools.cache
def core() -> ctypes.CDLL:
    """Returns the core's functions; `src/c_api.h` says what they do.

    Raises:
        RuntimeError: If it was not built or does not load; the message says why.
    """
    reason = _why_not()
    if reason is not None:
        raise RuntimeError(f"The native engine is {reason}.")
    try:
        functions = ctypes.CDLL(str(LIBRARY))
        _declare(functions)
    except (OSError, AttributeError) as error:
        raise RuntimeError(f"The native engine's library does not load: {error}") from error
    built_for, installed = functions.QhVersion().decode(), installed_version()
    if installed not in (None, built_for):
        # Python code of one version must not call C++ code of another.
        raise RuntimeError(
            f"The native engine's library was built for qkeras_hybrid {built_for}, but {installed} "
            "is installed. Install the package again, then restart Python."
        )
    return functions


def installed_version() -> str | None:
    """Returns the installed version of the package, or None if it is only a source folder."""
    try:
        return importlib.metadata.version("qkeras-hybrid")
    except importlib.metadata.PackageNotFoundError:
        return None


def built_version() -> str:
    """Returns the version of the package that the core was built for."""
    version: bytes = core().QhVersion()
    return version.decode()


def _declare(functions: ctypes.CDLL) -> None:
    integer, pointer = ctypes.c_int64, ctypes.c_void_p
    # session, dtype, batch, inputs, weights
    common = [pointer, ctypes.c_int, integer, pointer, pointer]
    number, places = ctypes.POINTER(ctypes.c_double), ctypes.POINTER(integer)
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "QhVersion": (ctypes.c_char_p, []),
        "QhError": (ctypes.c_char_p, []),
        "QhInstructionSets": (ctypes.c_char_p, []),
        "QhSetThreads": (None, [ctypes.c_int]),
        "QhThreads": (ctypes.c_int, []),
        "QhOpen": (pointer, [ctypes.c_char_p, integer, ctypes.c_char_p]),
        "QhClose": (None, [pointer]),
        "QhGetSizes": (None, [pointer, ctypes.POINTER(_Sizes)]),
        "QhKeptShape": (None, [pointer, ctypes.c_int, integer, places, places]),
        "QhExpectation": (ctypes.c_int, [*common, pointer, pointer, pointer, integer, integer]),
        "QhExpectationGradient": (
            ctypes.c_int,
            [*common, pointer, pointer, pointer, integer, integer, pointer, pointer],
        ),
        "QhState": (ctypes.c_int, [*common, pointer]),
        "QhStateGradient": (ctypes.c_int, [*common, pointer, pointer, pointer]),
        "QhSample": (ctypes.c_int, [*common, integer, places, pointer]),
        "QhAnneal": (
            ctypes.c_int,
            [
                *(integer, integer, pointer, integer, pointer, pointer, ctypes.c_int),
                *(integer, integer, pointer, integer, pointer, pointer),
            ],
        ),
        "QhQaoa": (
            ctypes.c_int,
            [pointer, ctypes.c_int, integer, pointer, pointer, pointer, pointer],
        ),
        "QhQaoaGradient": (
            ctypes.c_int,
            [pointer, ctypes.c_int, integer, pointer, pointer, pointer, pointer, pointer],
        ),
        "QhMultiplyAdds": (ctypes.c_double, [ctypes.c_int, integer, number]),
        "QhFlops": (None, [pointer, number, number]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(functions, name)
        function.restype, function.argtypes = result, arguments


@functools.cache
def unavailable() -> str | None:
    """Returns why the core can't be used, or None if it can. Loads it."""
    reason = _why_not()
    if reason is not None:
        return reason
    try:
        core()
    except RuntimeError as error:
        return str(error)
    return None


class Session:
    """A lowered program, open in the core as long as this object lives.

    Args:
        program: What `lowering.lower` returned.
        lanes: "auto", "samples" or "amplitudes".

    Attributes:
        handle: The argument `session` of the core's functions.
        n_qubits, n_inputs, n_weights, n_observables, n_measured: The sizes of the arrays.

    Raises:
        ValueError: If these bytes are not a program, or `QKERAS_HYBRID_ISA` names an instruction
            set that is not available.
    """

    def __init__(self, program: bytes, lanes: str = "auto") -> None:
        self._core = core()
        self.handle = self._core.QhOpen(program, len(program), lanes.encode())
        if not self.handle:
            raise ValueError(self._core.QhError().decode())
        sizes = _Sizes()
        self._core.QhGetSizes(self.handle, sizes)
        self.n_qubits, self.n_inputs, self.n_weights = (
            sizes.n_qubits,
            sizes.n_inputs,
            sizes.n_weights,
        )
        self.n_observables, self.n_measured = sizes.n_observables, sizes.n_measured

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            self._core.QhClose(self.handle)

    def kept_shape(self, dtype: str, batch: int) -> tuple[int, int]:
        """Returns the shape in which an expectation keeps states; zeros if they are too large."""
        places, numbers = ctypes.c_int64(), ctypes.c_int64()
        self._core.QhKeptShape(self.handle, _CODES[dtype], batch, places, numbers)
        return places.value, numbers.value

    def run(self, name: str, dtype: str, *arguments: Any) -> None:
        """Calls a function of the core.

        Args:
            name: The function's name.
            dtype: "float32" or "float64".
            arguments: What the function takes after the dtype; addresses of arrays as integers.

        Raises:
            MemoryError: If there is not enough memory.
            ValueError: If an argument is not valid.
        """
        status = getattr(self._core, name)(self.handle, _CODES[dtype], *arguments)
        if status:
            error = MemoryError if status == 2 else ValueError
            raise error(self._core.QhError().decode())


def anneal(
    edges: np.ndarray,
    biases: np.ndarray,
    couplings: np.ndarray,
    inverse_temperatures: np.ndarray,
    reads: int,
    seed: int,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Anneals a batch of problems on one graph, `sum_i h_i s_i + sum_ij J_ij s_i s_j`.

    Args:
        edges: The two spins of each coupling, of shape `(n_edges, 2)`, int64.
        biases: `h`, of shape `(batch, n_spins)`, float32.
        couplings: `J`, of shape `(n_edges,)` or `(batch, n_edges)`, float32.
        inverse_temperatures: One for each sweep over all spins, float32.
        reads: How many states are annealed for each problem.
        seed: The seed of the random numbers. It gives the same states again on the same machine.
        start: The states to begin with, of shape `(batch, reads, n_spins)`, int8; by default
            random.

    Returns:
        The states, -1 and +1, of shape `(batch, reads, n_spins)`, int8.

    Raises:
        MemoryError: If there is not enough memory.
        ValueError: If an argument is not valid.
    """
    batch, n_spins = biases.shape
    arrays = [
        np.ascontiguousarray(array, dtype)
        for array, dtype in (
            (edges, "int64"),
            (biases, "float32"),
            (couplings, "float32"),
            (inverse_temperatures, "float32"),
        )
    ]
    pairs, fields, strengths, betas = arrays
    begin = None if start is None else np.ascontiguousarray(start, "int8")
    spins = np.empty((batch, reads, n_spins), "int8")
    status = core().QhAnneal(
        n_spins,
        len(pairs),
        pairs.ctypes.data,
        batch,
        fields.ctypes.data,
        strengths.ctypes.data,
        strengths.ndim == 1,
        reads,
        len(betas),
        betas.ctypes.data,
        seed,
        None if begin is None else begin.ctypes.data,
        spins.ctypes.data,
    )
    if status:
        raise (MemoryError if status == 2 else ValueError)(core().QhError().decode())
    return spins


def run_qaoa(problem: QaoaProblem, name: str, dtype: str, *arguments: Any) -> None:
    """Calls a function of the core for the quantum approximate optimization algorithm.

    Args:
        problem: The problem. The arrays that it points to must outlive the call.
        name: "QhQaoa" or "QhQaoaGradient".
        dtype: "float32" or "float64".
        arguments: What the function takes after the dtype; addresses of arrays as integers.

    Raises:
        MemoryError: If there is not enough memory.
        ValueError: If an argument is not valid.
    """
    status = getattr(core(), name)(ctypes.byref(problem), _CODES[dtype], *arguments)
    if status:
        error = MemoryError if status == 2 else ValueError
        raise error(core().QhError().decode())


def set_threads(threads: int) -> None:
    """Sets how many threads a call of the core may use; 0 for one per processor."""
    core().QhSetThreads(threads)


def threads() -> int:
    """Returns how many threads a call of the core may use."""
    return int(core().QhThreads())


def instruction_sets() -> list[str]:
    """Returns the instruction sets that the library has for this processor, best first."""
    names: bytes = core().QhInstructionSets()
    return names.decode().split()


def instruction_set() -> str:
    """Returns the instruction set in use: the best, or what `QKERAS_HYBRID_ISA` names."""
    return os.environ.get("QKERAS_HYBRID_ISA") or instruction_sets()[0]


def vector_bytes() -> int:
    """Returns the vector length of the instruction set in use, in bytes."""
    return {"avx512": 64, "avx2": 32}.get(instruction_set(), 16)


def multiply_adds(rounds: int, dtype: str = "float32") -> tuple[float, float]:
    """Runs multiply-adds on registers only, on this thread, without holding Python's lock.

    Each number `x` of a few vectors becomes `x / 2 + 1 / 2`, `rounds` times.

    Args:
        rounds: The number of repetitions.
        dtype: "float32" or "float64".

    Returns:
        The number of floating-point operations, and the mean of the numbers (1 from about 60
        rounds on).

    Raises:
        RuntimeError: If `QKERAS_HYBRID_ISA` names an instruction set that is not available.
    """
    mean = ctypes.c_double()
    done = float(core().QhMultiplyAdds(_CODES[dtype], rounds, mean))
    if not done:
        raise RuntimeError(core().QhError().decode())
    return done, mean.value


def flops(program: bytes) -> tuple[float, float]:
    """Counts the floating-point operations of a lowered program; see `src/flops.h`.

    Args:
        program: What `lowering.lower` returned.

    Returns:
        The numbers for one sample: of the expectation's operation, and of its gradient's.

    Raises:
        ValueError: If these bytes are not a program.
    """
    session = Session(program)
    expectation, gradient = ctypes.c_double(), ctypes.c_double()
    core().QhFlops(session.handle, expectation, gradient)
    return expectation.value, gradient.value
