// Registers whose names do not sort as they are declared, a qubit without a gate, and all that a
// circuit may say of classical bits at its end.
OPENQASM 2.0;
include "qelib1.inc";
qreg work[3];
qreg ancilla[2];
creg out[3];
h work;
cx work[0], ancilla[1];
barrier work, ancilla;
rz(pi/3) work[2];
cx work, ancilla[1];
barrier work[0];
measure work -> out;
