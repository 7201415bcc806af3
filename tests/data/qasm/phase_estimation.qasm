// Phase estimation of u1(2 pi 5/16), with the inverse Fourier transform as a gate of its own.
OPENQASM 2.0;
include "qelib1.inc";
gate iqft a, b, c, d {
  swap a, d;
  swap b, c;
  h a;
  cu1(-pi/2) b, a;
  h b;
  cu1(-pi/4) c, a; cu1(-pi/2) c, b;
  h c;
  cu1(-pi/8) d, a; cu1(-pi/4) d, b; cu1(-pi/2) d, c;
  h d;
}
qreg count[4];
qreg eigen[1];
creg c[4];
x eigen[0];
h count;
cu1(2*pi*5/16) count[0], eigen[0];
cu1(4*pi*5/16) count[1], eigen[0];
cu1(8*pi*5/16) count[2], eigen[0];
cu1(16*pi*5/16) count[3], eigen[0];
iqft count[0], count[1], count[2], count[3];
measure count -> c;
