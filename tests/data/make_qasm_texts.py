"""Writes OpenQASM texts for `tests/qasm_folder.py`: MQT Bench's circuits and each gate of Qiskit's.

    python tests/data/make_qasm_texts.py FOLDER

in an environment of its own with `pip install mqt.bench`. Each circuit of 4 and 5 qubits, or of
as few as it can have, is written by Qiskit in OpenQASM 2 and 3: as an algorithm, of a simulator's
gates, and of IBM's gates; with numbers, and in OpenQASM 3 with its parameters.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

from mqt.bench import BenchmarkLevel, get_benchmark
from mqt.bench.benchmarks import get_available_benchmark_names
from mqt.bench.targets import get_target_for_gateset
from qiskit import QuantumCircuit, qasm2, qasm3
from qiskit.circuit.library import get_standard_gate_name_mapping

# Those of one size of their own come whatever size is asked for, or at another than 4 and 5.
SIZES = (4, 5, 3, 6, 7, 9)
LEVELS = (BenchmarkLevel.ALG, BenchmarkLevel.INDEP, BenchmarkLevel.NATIVEGATES)


def main() -> None:
    """Writes all texts, and prints what could not be written."""
    folder = Path(sys.argv[1])
    for name in get_available_benchmark_names():
        for size in SIZES[:2]:
            write_benchmark(folder / "mqt", name, size)
        if not list((folder / "mqt").glob(f"{name}_*")):
            for size in SIZES[2:]:
                write_benchmark(folder / "mqt", name, size)
    for name, gate in get_standard_gate_name_mapping().items():
        circuit = QuantumCircuit(max(1, gate.num_qubits))
        if name in ("measure", "reset", "delay"):
            continue
        numbers = [0.3 + 0.2 * i for i in range(len(gate.params))]
        circuit.h(range(circuit.num_qubits))
        circuit.append(gate.base_class(*numbers), range(gate.num_qubits))
        write(folder / "gates", name, circuit)


def write_benchmark(folder: Path, name: str, size: int) -> None:
    """Writes a benchmark at each level, with numbers and with parameters."""
    target = get_target_for_gateset("ibm_falcon", size)
    for level in LEVELS:
        for numbers in (True, False):
            try:
                circuit = get_benchmark(name, level, size, target=target, random_parameters=numbers)
            except Exception as error:  # of several kinds: a size that the benchmark can't have
                print(name, size, level.name, "is not made:", error)
                continue
            if numbers or circuit.parameters:
                kind = f"{level.name.lower()}{'' if numbers else '_parameters'}"
                write(folder, f"{name}_{circuit.num_qubits}_{kind}", circuit)


def write(folder: Path, name: str, circuit: Any) -> None:
    """Writes a circuit in both versions."""
    folder.mkdir(parents=True, exist_ok=True)
    for version, dumps in ((2, qasm2.dumps), (3, qasm3.dumps)):
        try:
            text = dumps(circuit)
        except Exception as error:  # of several kinds: what the version can't say
            print(name, f"is not written as OpenQASM {version}:", error)
            continue
        (folder / f"{name}_v{version}.qasm").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
