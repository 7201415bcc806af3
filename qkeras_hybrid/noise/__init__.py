"""Noise models: the errors of a device, as a value for `PQC(..., noise=...)`.

| made by | what it does | after |
|---|---|---|
| `depolarizing(p, n_qubits=1)` | with probability `p` a random Pauli error | each gate |
| `amplitude_damping(gamma)` | decay from 1 to 0 | each gate |
| `phase_damping(gamma)` | loss of coherence | each gate |
| `bit_flip(p)`, `phase_flip(p)` | an X, a Z | each gate |
| `thermal_relaxation(t1, t2, gate_time)` | both kinds of damping, from times | each gate |
| `kraus(operators)` | any channel | each gate |
| `over_rotation(fraction)` | gates rotate too far | each gate |
| `crosstalk_zz(angle)` | neighbours rotate each other | each layer |
| `readout_error(p10, p01)` | measured bits are wrong | the circuit |

`+` joins models, and `.on(gates=..., qubits=..., n_qubits=..., after=...)` says where they act.
`parse("depolarizing:0.01")` reads one from text; `from_cirq`, `from_device` and `from_qiskit` read
the noise models and calibrations of other packages.
"""

from qkeras_hybrid.noise.applied import applied
from qkeras_hybrid.noise.cirq_models import from_cirq
from qkeras_hybrid.noise.devices import from_calibration, from_device
from qkeras_hybrid.noise.model import (
    NoiseModel,
    amplitude_damping,
    bit_flip,
    crosstalk_zz,
    depolarizing,
    kraus,
    over_rotation,
    phase_damping,
    phase_flip,
    readout_error,
    thermal_relaxation,
)
from qkeras_hybrid.noise.qiskit_models import from_qiskit
from qkeras_hybrid.noise.rules import Rule
from qkeras_hybrid.noise.spelling import get, parse

__all__ = [
    "NoiseModel",
    "Rule",
    "amplitude_damping",
    "applied",
    "bit_flip",
    "crosstalk_zz",
    "depolarizing",
    "from_calibration",
    "from_cirq",
    "from_device",
    "from_qiskit",
    "get",
    "kraus",
    "over_rotation",
    "parse",
    "phase_damping",
    "phase_flip",
    "readout_error",
    "thermal_relaxation",
]
