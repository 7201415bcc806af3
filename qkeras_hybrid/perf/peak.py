"""The processor's peak, measured with multiply-adds on registers, on all cores at once."""

from __future__ import annotations

import dataclasses
import os
import threading
import time

from qkeras_hybrid.engines.native import library

BURST_S = 0.04


@dataclasses.dataclass(frozen=True)
class Peak:
    """A measured peak.

    Attributes:
        gflops: Floating-point operations per second of all threads together, in units of 1e9; a
            multiply-add counts as two.
        single_gflops: The same for one thread alone.
        threads: The number of threads.
        instruction_set: The instruction set, which is the one that the native engine uses.
    """

    gflops: float
    single_gflops: float
    threads: int
    instruction_set: str


def cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def measure(*, threads: int | None = None, bursts: int = 10) -> Peak:
    """Measures the peak in float32, as the best of several bursts.

    Args:
        threads: The number of threads; by default one for each core.
        bursts: The number of bursts, of about 40 ms each.

    Raises:
        RuntimeError: If the native engine is not built, because its library contains the loop.
    """
    reason = library.unavailable()
    if reason is not None:
        raise RuntimeError(f"The native engine is {reason}.")
    threads = cores() if threads is None else threads
    rounds = _rounds(BURST_S)
    return Peak(
        _rate(rounds, threads, bursts) / 1e9,
        _rate(rounds, 1, bursts) / 1e9,
        threads,
        library.instruction_set(),
    )


def _rate(rounds: int, threads: int, bursts: int) -> float:
    """Returns the operations per second of the best burst.

    The time of a burst runs from the start of its first thread to the end of its last.
    """
    barrier = threading.Barrier(threads)
    spans: list[list[tuple[float, float, float]]] = [[] for _ in range(bursts)]

    def work(number: int) -> None:
        _stay_on(number)
        for burst in range(bursts):
            barrier.wait()
            start = time.perf_counter()
            done, _ = library.multiply_adds(rounds)
            spans[burst].append((start, time.perf_counter(), done))

    workers = [
        threading.Thread(target=work, args=(number,), daemon=True) for number in range(threads)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return max(
        sum(done for _, _, done in span) / (max(s[1] for s in span) - min(s[0] for s in span))
        for span in spans
    )


def _stay_on(number: int) -> None:
    """Binds this thread to a core of its own, if the system allows it.

    Otherwise, threads that wake at the same time may share a core for longer than a burst.
    """
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {allowed[number % len(allowed)]})


def _rounds(seconds: float) -> int:
    """Returns the number of rounds that take about `seconds` on one thread."""
    rounds = 1 << 14
    while True:
        start = time.perf_counter()
        library.multiply_adds(rounds)
        elapsed = time.perf_counter() - start
        if elapsed > seconds / 4:
            return max(1, int(rounds * seconds / elapsed))
        rounds *= 2
