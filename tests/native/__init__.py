"""What the native engine's tests need: a reference, random programs, a driver for sanitizers."""
