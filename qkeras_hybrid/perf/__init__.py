"""How fast the engines are, side by side: what `qkeras-hybrid perf` measures and shows.

| module | what it does |
|---|---|
| `base` | configurations, timings, and taking turns |
| `agreement` | whether two engines have computed the same |
| `steps` | a training step of the standard workload on each engine |
| `epochs` | an epoch of Keras `fit` with each engine, and of a Dense twin |
| `workers` | both under another Keras backend, in a process of its own |
| `peak` | what the processor can do at best, in floating-point operations a second |
| `peers` | a script of its own: the same step in other libraries, in their own environments |
| `peer_runs` | runs that script |
| `report` | tables and the JSON file |
"""
