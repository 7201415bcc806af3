"""Finds and loads the compiled operations, and says why they are not there if they are not."""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

from qkeras_hybrid._lazy import tf

_FOLDER = Path(__file__).parent
LIBRARY = _FOLDER / "_native.so"
# Written by the build: {"built": bool, "reason": str, "tensorflow": version}.
STATUS = _FOLDER / "_build_status.json"


def _recorded() -> dict[str, Any]:
    try:
        recorded = json.loads(STATUS.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return recorded if isinstance(recorded, dict) else {}


def _why_not() -> str | None:
    """Returns why the operations cannot be loaded, or None if nothing speaks against it."""
    recorded = _recorded()
    if not LIBRARY.exists():
        return f"not built ({recorded.get('reason') or 'the package was not installed by pip'})"
    if importlib.util.find_spec("tensorflow") is None:
        return "built, but TensorFlow is not installed"
    built_for = recorded.get("tensorflow")
    for distribution in ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tf-nightly"):
        try:
            installed = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
        # C++ interfaces change with minor versions, not with patches.
        if built_for and installed.split(".")[:2] != built_for.split(".")[:2]:
            return (
                f"built for TensorFlow {built_for}, but {installed} is installed "
                "(install the package again)"
            )
        break
    return None


@functools.cache
def load() -> Any:
    """Returns the operations' module, as `tf.load_op_library` makes it.

    Raises:
        RuntimeError: If they were not built or do not load; the message says why.
    """
    reason = _why_not()
    if reason is not None:
        raise RuntimeError(f"The native engine is {reason}.")
    try:
        operations = tf.load_op_library(str(LIBRARY))
    except (tf.errors.NotFoundError, OSError) as error:
        raise RuntimeError(f"The native engine's library does not load: {error}") from error
    _register_gradients(operations)
    return operations


@functools.cache
def unavailable() -> str | None:
    """Returns why the operations can't be used, or None if they can. Loads them."""
    reason = _why_not()
    if reason is not None:
        return reason
    try:
        load()
    except RuntimeError as error:
        return str(error)
    return None


def instruction_sets() -> list[str]:
    """Returns the instruction sets that the library has for this processor, best first."""
    function = ctypes.CDLL(str(LIBRARY)).QkerasHybridInstructionSets
    function.restype = ctypes.c_char_p
    names: bytes = function()
    return names.decode().split()


def instruction_set() -> str:
    """Returns the instruction set in use: the best, or what `QKERAS_HYBRID_ISA` names."""
    return os.environ.get("QKERAS_HYBRID_ISA") or instruction_sets()[0]


def vector_bytes() -> int:
    """Returns how long the vectors of the instruction set in use are."""
    return {"avx512": 64, "avx2": 32}.get(instruction_set(), 16)


def multiply_adds(rounds: int, dtype: str = "float32") -> tuple[float, float]:
    """Runs multiply-adds on registers alone, on this thread, without Python's lock.

    Each number `x` of a few vectors becomes `x / 2 + 1 / 2`, `rounds` times.

    Args:
        rounds: How often.
        dtype: "float32" or "float64".

    Returns:
        The number of floating-point operations, and the mean of the numbers (1 from about 60
        rounds on).

    Raises:
        RuntimeError: If `QKERAS_HYBRID_ISA` names an instruction set that is not there.
    """
    function = ctypes.CDLL(str(LIBRARY)).QkerasHybridMultiplyAdds
    function.restype = ctypes.c_double
    function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.POINTER(ctypes.c_double)]
    mean = ctypes.c_double()
    done = float(function(dtype == "float64", rounds, mean))
    if not done:
        raise RuntimeError(
            "Environment variable QKERAS_HYBRID_ISA must name one of "
            f"{', '.join(instruction_sets())}, but is {instruction_set()}."
        )
    return done, mean.value


def flops(program: bytes) -> tuple[float, float]:
    """Counts the floating-point operations of a lowered program; see `src/flops.h`.

    Args:
        program: What `lowering.lower` returned.

    Returns:
        Those of one sample in the expectation's operation, and in its gradient's.

    Raises:
        ValueError: If these bytes are not a program.
    """
    function = ctypes.CDLL(str(LIBRARY)).QkerasHybridFlops
    number = ctypes.POINTER(ctypes.c_double)
    function.argtypes = [ctypes.c_char_p, ctypes.c_int64, number, number]
    expectation, gradient = ctypes.c_double(), ctypes.c_double()
    if not function(program, len(program), expectation, gradient):
        raise ValueError("Argument `program` must be what `lower` returned, but is not valid.")
    return expectation.value, gradient.value


def _needs_inputs(op: Any) -> bool:
    """Tells whether somebody wants the gradient of the inputs (a first layer's are data)."""
    return 0 not in (getattr(op, "skip_input_indices", None) or ())


def _register_gradients(operations: Any) -> None:
    def expectation_gradient(op: Any, upstream: Any, *_: Any) -> list[Any]:
        need = _needs_inputs(op)
        d_inputs, d_weights = operations.qkeras_hybrid_expectation_grad(
            op.inputs[0],
            op.inputs[1],
            op.outputs[1],
            upstream,
            [op.outputs[2]],
            program=op.get_attr("program"),
            lanes=op.get_attr("lanes"),
            need_inputs=need,
        )
        return [d_inputs if need else None, d_weights]

    def state_gradient(op: Any, upstream: Any) -> list[Any]:
        need = _needs_inputs(op)
        d_inputs, d_weights = operations.qkeras_hybrid_state_grad(
            op.inputs[0],
            op.inputs[1],
            upstream,
            program=op.get_attr("program"),
            lanes=op.get_attr("lanes"),
            need_inputs=need,
        )
        return [d_inputs if need else None, d_weights]

    def refuse(op: Any, *_: Any) -> None:
        # TensorFlow's forward mode differentiates a gradient by its upstream gradient alone, and
        # so leaves out the inputs and the weights. Without a tape, TensorFlow does not say.
        left_out = set(getattr(op, "skip_input_indices", None) or ())
        if {0, 1} <= left_out:
            raise NotImplementedError(
                "Forward-mode derivatives (`tf.autodiff.ForwardAccumulator`) are not available "
                "with engine='native'. Use engine='statevector', or reverse mode "
                "(`tf.GradientTape`)."
            )
        raise NotImplementedError(
            "The native engine has no second derivatives. Use engine='statevector' where a "
            "gradient is differentiated again."
        )

    tf.RegisterGradient("QkerasHybridExpectation")(expectation_gradient)
    tf.RegisterGradient("QkerasHybridState")(state_gradient)
    tf.RegisterGradient("QkerasHybridExpectationGrad")(refuse)
    tf.RegisterGradient("QkerasHybridStateGrad")(refuse)
    tf.no_gradient("QkerasHybridSample")
