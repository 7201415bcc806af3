"""Trains a hybrid model data-parallel under JAX: every device computes a part of each batch.

    export KERAS_BACKEND=jax
    python benchmarks/distributed/data_parallel.py                 # on all devices it sees
    python benchmarks/distributed/data_parallel.py --processes 2   # in two processes, started here

In a cluster, each process runs the first command and finds the others by Keras's environment
variables `KERAS_DISTRIBUTION_*`, or by those of SLURM or Open MPI. After an interruption, the same
command with the same `--backup` continues from the last complete epoch.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from qkeras_hybrid import PQCDense, datasets

BATCH = 32
"""The number of samples in a batch, over all devices."""

N_BATCHES = 8

IN_A_CLUSTER = ("KERAS_DISTRIBUTION_NUM_PROCESSES", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK")


def main() -> int:
    """Trains, or starts processes that do, and returns the exit status."""
    parser = argparse.ArgumentParser(description="Train a hybrid model data-parallel under JAX.")
    parser.add_argument(
        "--processes", type=int, help="number of processes to start on this machine"
    )
    parser.add_argument(
        "--engine", default="auto", help="engine of the quantum layer (default: auto)"
    )
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--backup", help="folder for the state after each epoch, common to all")
    parser.add_argument("--result", help="file for losses and weights, as JSON")
    parser.add_argument(
        "--lose-in", type=int, help="kill the last process during this epoch (the first is 0)"
    )
    options = parser.parse_args()
    if keras.backend.backend() != "jax":
        parser.error(f"Keras runs on {keras.backend.backend()}: export KERAS_BACKEND=jax")
    in_a_cluster = any(name in os.environ for name in IN_A_CLUSTER)
    if options.processes and not in_a_cluster:
        return run_together([sys.executable, *sys.argv], options.processes)
    if in_a_cluster:
        keras.distribution.initialize()
    train(options.engine, options.epochs, options.backup, options.result, options.lose_in)
    return 0


def train(
    engine: str = "auto",
    epochs: int = 6,
    backup: str | None = None,
    result: str | None = None,
    lose_in: int | None = None,
) -> None:
    """Trains on all devices of all processes, each of which calls this."""
    import jax

    process, n_processes = jax.process_index(), jax.process_count()
    keras.utils.set_random_seed(0)  # the same initial weights everywhere
    # Keras can divide only a `tf.data.Dataset`; with arrays, each process must give its own part.
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    model = keras.Sequential(
        [
            keras.Input((30,)),
            keras.layers.Dense(4, activation="tanh"),
            PQCDense(4, n_qubits=4, n_layers=2, engine=engine),
            keras.layers.Dense(2),
        ]
    )
    # Adam would turn rounding errors into steps, for angles that the loss does not depend on.
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    parts = datasets.split(datasets.load("breast_cancer"), seed=0, n_train=BATCH * N_BATCHES)
    mine = share(len(parts.x_train), process, n_processes)
    callbacks: list[keras.callbacks.Callback] = []
    if backup is not None:
        callbacks.append(SharedBackup(backup, writes=process == 0))
    if lose_in is not None and process == n_processes - 1:
        callbacks.append(Killed(lose_in))
    history = model.fit(
        parts.x_train[mine],
        parts.y_train[mine],
        batch_size=BATCH // n_processes,
        epochs=epochs,
        shuffle=False,  # each process would draw its own order, and another order after a restart
        verbose=0,
        callbacks=callbacks,
    )
    if process == 0:
        found = {
            "devices": jax.device_count(),
            "engine": model.layers[1].engine.name,
            "epochs": history.epoch,
            "loss": history.history["loss"],
            "weights": [weight.ravel().tolist() for weight in model.get_weights()],
        }
        print(f"{found['devices']} devices, {found['engine']}: loss {found['loss'][-1]:.6f}")
        if result is not None:
            Path(result).write_text(json.dumps(found), encoding="utf-8")


def share(n_samples: int, process: int, n_processes: int) -> np.ndarray:
    """Returns the indices of a process's samples.

    The first batches of all processes are the first batch of one process alone, and so on.
    """
    batches = np.arange(n_samples).reshape(-1, n_processes, BATCH // n_processes)
    return batches[:, process].ravel()


class SharedBackup(keras.callbacks.Callback):
    """Keras's `BackupAndRestore` for many processes: one writes, all read.

    Keras overwrites its only backup, and an incomplete one can't be read. That happens if another
    process is lost during the writing. Here a backup is a folder that is renamed when complete.
    """

    def __init__(self, folder: str | Path, writes: bool) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.writes = writes

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        newest = max(self.folder.glob("epoch-*"), default=None)
        if newest is not None:
            self._keras_backup(newest).on_train_begin()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not self.writes:
            return
        old, new = list(self.folder.glob("epoch-*")), self.folder / "unfinished"
        # When it saves for the first time, Keras creates an optimizer to inspect. With a
        # distribution, it would wait for the other processes to create one too.
        with no_distribution():
            self._keras_backup(new).on_epoch_end(epoch)
        new.rename(self.folder / f"epoch-{epoch + 1:06}")
        for folder in old:
            shutil.rmtree(folder)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.writes:
            shutil.rmtree(self.folder)

    def _keras_backup(self, folder: Path) -> keras.callbacks.BackupAndRestore:
        backup = keras.callbacks.BackupAndRestore(str(folder))
        backup.set_model(self.model)
        return backup


@contextmanager
def no_distribution() -> Iterator[None]:
    """Removes Keras's distribution in a `with` block."""
    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)


class Killed(keras.callbacks.Callback):
    """Kills this process in the middle of an epoch, as if its machine were lost."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch
        self.in_it = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.in_it = epoch == self.epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.in_it and batch == N_BATCHES // 2:
            os.kill(os.getpid(), signal.SIGKILL)


def run_together(command: Sequence[str], n_processes: int) -> int:
    """Runs a command in several processes of this machine that form a cluster.

    When one has failed, the others are stopped, because they would wait for it.

    Returns:
        The exit status of the process that failed first; 0 if none failed.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    cluster = {
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
        "KERAS_DISTRIBUTION_NUM_PROCESSES": str(n_processes),
    }
    running: list[subprocess.Popen[bytes]] = []
    try:
        for place in range(n_processes):
            cluster["KERAS_DISTRIBUTION_PROCESS_ID"] = str(place)
            running.append(subprocess.Popen(command, env={**os.environ, **cluster}))
        statuses: list[int | None] = [None]
        while None in statuses and not any(statuses):
            time.sleep(0.1)
            statuses = [process.poll() for process in running]
        failed = next((status for status in statuses if status), 0)
        if failed:
            print(f"A process ended with status {failed}; stopping the others.", file=sys.stderr)
        return failed
    finally:
        for process in running:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
