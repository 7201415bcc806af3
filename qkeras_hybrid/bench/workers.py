"""Runs tasks in several processes, of this machine or of a Ray cluster, and writes rows once.

Workers train, and only this process writes. So each row is written once and completely, whatever
happens to a worker. If a worker is lost (killed, out of memory, or its machine is gone), its task
runs again, up to `ATTEMPTS` times in total, and then gets a row with the error. If this process is
lost, its workers end too.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

import keras

import qkeras_hybrid_launcher
from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.bench import runner
from qkeras_hybrid.bench.model_files import is_file
from qkeras_hybrid.bench.results import Results
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.task import Task

if TYPE_CHECKING:
    import ray
else:
    ray = lazy_module("ray")

ATTEMPTS = 3
"""How often a task is tried if its worker is lost each time."""

_MOST_WORKERS = 4
_TASKS_WORTH_A_WORKER = 10

OnLost = Callable[[Task, int], None]
"""Called with a task whose worker was lost and the number of tries so far."""


class RayError(RuntimeError):
    """Ray is not installed, or its cluster can't be reached."""


def default_workers(n_tasks: int) -> int:
    """Returns the default number of processes for a number of tasks on this machine.

    There is one for each core, up to a limit, but none with too little to do: each takes seconds to
    start and loads its own TensorFlow into memory.
    """
    return max(1, min(_cores(), _MOST_WORKERS, n_tasks // _TASKS_WORTH_A_WORKER))


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_processes(
    tasks: Sequence[Task],
    results: Results,
    n_workers: int,
    on_lost: OnLost = lambda task, attempt: None,
    *,
    timing: bool = False,
) -> Iterator[Row]:
    """Runs the tasks that have no row yet in several processes on this machine.

    The workers share the cores. The times in the rows are marked as not comparable.

    Args:
        tasks: The tasks.
        results: The open results file.
        n_workers: The number of processes.
        on_lost: Called when a worker is lost.
        timing: Whether a task whose times can't be compared counts as missing.

    Yields:
        Each new row after it was written to disk, in the order in which the tasks end.

    Raises:
        ValueError: If `n_workers` is not a whole number of at least 1.
    """
    positive_int("n_workers", n_workers)
    waiting = collections.deque(runner.missing(tasks, results, timing=timing))
    attempts: collections.Counter[str] = collections.Counter()
    threads = max(1, _cores() // n_workers)
    while waiting:
        n_processes = min(n_workers, len(waiting))
        # Spawned, because TensorFlow's threads do not survive a fork.
        pool = concurrent.futures.ProcessPoolExecutor(
            n_processes,
            multiprocessing.get_context("spawn"),
            initializer=qkeras_hybrid_launcher.start_worker,
            max_tasks_per_child=_most_tasks(waiting),
        )
        running: dict[concurrent.futures.Future[Row], Task] = {}
        try:
            with variables_set(_settings(threads)):
                while waiting or running:
                    # One task per worker, so that a lost worker loses no waiting tasks.
                    while waiting and len(running) < n_processes:
                        with interrupts_kept_off():
                            future = pool.submit(_run_alone, waiting[0], n_workers == 1)
                        running[future] = waiting.popleft()
                    ended, _ = concurrent.futures.wait(
                        running, return_when=concurrent.futures.FIRST_COMPLETED
                    )
                    for future in ended:
                        row = future.result()
                        del running[future]
                        results.append(row)
                        yield row
        except BrokenProcessPool:
            # The error does not tell which process was lost, so this counts as a try for each of
            # their tasks. Tasks that had ended before still have results.
            for future, task in running.items():
                if future.done() and future.exception() is None:
                    row = future.result()
                    results.append(row)
                    yield row
                    continue
                attempts[task.id] += 1
                on_lost(task, attempts[task.id])
                if attempts[task.id] < ATTEMPTS:
                    waiting.append(task)
                else:
                    row = runner.failed(task, _lost(attempts[task.id]), alone=False)
                    results.append(row)
                    yield row
        finally:
            _stop(pool)


def _most_tasks(tasks: Iterable[Task]) -> int:
    """Returns the number of tasks after which a new process replaces a worker.

    TensorFlow keeps some megabytes for every model that it traces: one model for each run of a
    user's model, and one for all runs that share a trace.
    """
    return 100 if any(is_file(task.model["name"]) for task in tasks) else 400


def _lost(attempts: int) -> str:
    return f"WorkerLost: the process was lost {attempts} times, killed or out of memory"


def _settings(threads: int) -> dict[str, str]:
    """Returns the environment of a worker: the backend of this process, and its share of cores."""
    return {
        "KERAS_BACKEND": keras.backend.backend(),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": str(threads),
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
    }


@contextlib.contextmanager
def variables_set(settings: dict[str, str]) -> Iterator[None]:
    """Sets environment variables for processes that are started in the `with` block."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def interrupts_kept_off() -> Iterator[None]:
    """Blocks Ctrl-C in processes and threads that are started in the `with` block.

    They inherit the signals that this thread blocks, so this works from their first instruction.
    `start_worker` runs too late for a worker that is still importing TensorFlow.
    """
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_worker() -> None:
    """Makes this process a worker; `qkeras_hybrid_launcher.start_worker` has loaded it."""
    # Ctrl-C reaches all processes of the group, but only the one that writes may react.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()
    # Hides TensorFlow's warning about retracing, which would come for every new model.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def _end_with_parent() -> None:
    """Ends this process when the process that started it is gone, for whatever reason.

    Otherwise, a pool's worker would wait for its next task for ever, because it has both ends of
    the pipe that brings tasks.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    # Returns when the parent's end of a pipe closes, which the system does for a killed process.
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)  # without clean-up, since nobody is left to receive a result


def _run_alone(task: Task, alone: bool) -> Row:
    # Fast training, because times can't be compared here anyway.
    return runner.run_task(task, alone=alone, fast=True)


def _stop(pool: concurrent.futures.ProcessPoolExecutor) -> None:
    """Ends the workers at once; their current tasks get no rows."""
    processes = list((pool._processes or {}).values())
    manager: Any = pool._executor_manager_thread
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.kill()
    for process in processes:
        process.join()
    if manager is not None:
        # The thread closes its pipe at its end. If it still ran at Python's exit, Python would
        # write to this pipe.
        manager.join(timeout=10)


def run_ray(
    tasks: Sequence[Task],
    results: Results,
    address: str,
    on_lost: OnLost = lambda task, attempt: None,
    *,
    timing: bool = False,
) -> Iterator[Row]:
    """Runs the tasks that have no row yet on a Ray cluster, one task per core.

    The same version of the package must be installed on the cluster's machines. The times in the
    rows are marked as not comparable.

    Args:
        tasks: The tasks.
        results: The open results file, on this machine.
        address: The cluster's address, e.g. `"192.0.2.1:6379"` or `"auto"`; `"local"` starts a
            cluster on this machine.
        on_lost: Called when a worker is lost.
        timing: Whether a task whose times can't be compared counts as missing.

    Yields:
        Each new row after it was written to disk, in the order in which the tasks end.

    Raises:
        RayError: If Ray is not installed or the cluster can't be reached.
    """
    try:
        ray.init  # noqa: B018  (the first use imports it)
    except ImportError as error:
        raise RayError('Ray is not installed: pip install "qkeras-hybrid[ray]".') from error
    _knock(address)
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": _settings(1)},
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        line = str(error).strip().split("\n")[0]
        raise RayError(f"The Ray cluster at {address!r} can't be reached: {line}") from error
    try:
        yield from _on_cluster(runner.missing(tasks, results, timing=timing), results, on_lost)
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Makes sure that a server listens at an address: Ray itself would try for ten minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return  # "auto", "local" and the like, which Ray looks up
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:
        raise RayError(f"The Ray cluster at {address!r} can't be reached: {error}") from error


def _on_cluster(tasks: Sequence[Task], results: Results, on_lost: OnLost) -> Iterator[Row]:
    # Tasks are repeated here and not by Ray, so that lost workers are counted and reported.
    remote: Any = ray.remote(num_cpus=1, max_retries=0)(_run_alone)
    attempts = collections.Counter(task.id for task in tasks)
    running = {remote.remote(task, False): task for task in tasks}
    while running:
        ended, _ = ray.wait(list(running), num_returns=1)
        task = running.pop(ended[0])
        try:
            row = ray.get(ended[0])
        except (
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.NodeDiedError,
            ray.exceptions.OutOfMemoryError,
        ) as error:
            on_lost(task, attempts[task.id])
            if attempts[task.id] < ATTEMPTS:
                attempts[task.id] += 1
                running[remote.remote(task, False)] = task
                continue
            row = runner.failed(task, f"{_lost(attempts[task.id])} ({type(error).__name__})")
        except ray.exceptions.RayError as error:
            # An error of the cluster, not of the training: for example, a missing package.
            row = runner.failed(task, f"{type(error).__name__}: {error}", alone=False)
        results.append(row)
        yield row
