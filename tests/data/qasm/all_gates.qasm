// Every gate of today's qelib1.inc, one after the other.
OPENQASM 2.0;
include "qelib1.inc";
qreg q[5];
u3(0.1, 0.2, 0.3) q[0]; u2(0.4, 0.5) q[1]; u1(0.6) q[2]; u0(1) q[3]; u(0.7, 0.8, 0.9) q[4];
p(1.1) q[0]; id q[1]; x q[2]; y q[3]; z q[4]; h q; s q[0]; sdg q[1]; t q[2]; tdg q[3]; sx q[4];
sxdg q[0]; rx(1.2) q[1]; ry(1.3) q[2]; rz(1.4) q[3];
cx q[0], q[1]; cz q[1], q[2]; cy q[2], q[3]; swap q[3], q[4]; ch q[4], q[0]; csx q[0], q[2];
crx(1.5) q[1], q[3]; cry(1.6) q[2], q[4]; crz(1.7) q[3], q[0]; cu1(1.8) q[4], q[1];
cp(1.9) q[0], q[3]; cu3(2.1, 2.2, 2.3) q[1], q[4]; cu(2.4, 2.5, 2.6, 2.7) q[2], q[0];
rxx(2.8) q[3], q[1]; rzz(2.9) q[4], q[2];
ccx q[0], q[1], q[2]; cswap q[1], q[2], q[3]; rccx q[2], q[3], q[4];
rc3x q[0], q[1], q[2], q[3]; c3x q[1], q[2], q[3], q[4]; c3sqrtx q[4], q[3], q[2], q[1];
c4x q[0], q[1], q[2], q[3], q[4];
