"""How fast the engines are, side by side: what `qkeras-hybrid perf` measures and shows.

| module | what it does |
|---|---|
| `base` | configurations, timings, and taking turns |
| `agreement` | checks that two engines compute the same |
| `steps` | a training step of the standard workload on each engine |
| `epochs` | an epoch of Keras `fit` with each engine, and of a Dense twin |
| `workers` | steps and epochs under another Keras backend, in a process of its own |
| `peak` | the processor's peak, in floating-point operations per second |
| `peers` | a separate script: the same step in other libraries, in their own environments |
| `peer_runs` | runs that script |
| `report` | tables and the JSON file |
"""
