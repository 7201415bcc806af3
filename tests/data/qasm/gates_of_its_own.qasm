// Gates made of gates, expressions with everything that OpenQASM 2 knows, a gate without a
// definition, and names that OpenQASM 3 reserves.
OPENQASM 2.0;
include "qelib1.inc";
opaque magic(alpha, beta) a, b;
gate inv(angle, tau) input, output {
  rx(-angle^2/2) input;
  cu3(sin(tau), cos(angle)*2, tan(0.3)) input, output;
  barrier input, output;
  ry(sqrt(2)*exp(-0.5) + ln(3)) output;
}
gate twice(a) x, y, z {
  inv(a, 2*a) x, y;
  inv(a/2, -(a - 1e-1)) z, y;
  U(a, .5, 1.) z;
  CX z, x;
}
qreg box[3];
twice(3*pi/7) box[2], box[0], box[1];
inv(2^3^0.5, 1) box[1], box[2];
