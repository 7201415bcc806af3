"""A server on loopback that speaks IonQ's REST protocol, and has faults on demand.

What cirq-ionq 1.5 asks: `POST /v0.3/jobs`, `GET /v0.3/jobs`, `GET /v0.3/jobs/<id>` and
`GET /v0.3/jobs/<id>/results`. Circuits are computed by NumPy, from IonQ's own gates.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

KEY = "a key for tests"
X, Y, Z = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])
H = (X + Z) / np.sqrt(2)
PAULIS = {"x": X, "y": Y, "z": Z}
PHASES = {"s": 0.5, "si": -0.5, "t": 0.25, "ti": -0.25}


def rotation(pauli: Any, angle: float) -> Any:
    return np.cos(angle / 2) * np.eye(len(pauli)) - 1j * np.sin(angle / 2) * pauli


def unitary(op: dict[str, Any]) -> tuple[list[int], Any]:
    """Returns the qubits and the unitary of one of IonQ's gates."""
    name = op["gate"]
    if name == "cnot":
        return [op["control"], op["target"]], np.eye(4)[[0, 1, 3, 2]]
    on = op["targets"]
    if name in PAULIS:
        return on, PAULIS[name]
    if name == "h":
        return on, H
    if name in ("v", "vi"):
        return on, rotation(X, np.pi / 2 if name == "v" else -np.pi / 2)
    if name in PHASES:
        return on, np.diag([1, np.exp(1j * np.pi * PHASES[name])])
    if name == "swap":
        return on, np.eye(4)[[0, 2, 1, 3]]
    if len(name) == 2 and name[0] == "r":
        return on, rotation(PAULIS[name[1]], op["rotation"])
    if name in ("xx", "yy", "zz"):
        pauli = PAULIS[name[0]]
        return on, rotation(np.kron(pauli, pauli), op["rotation"])
    raise ValueError(f"unknown gate {name}")


def probabilities(circuit: list[dict[str, Any]], n_qubits: int) -> Any:
    """Returns those of the basis states, qubit 0 the least significant bit as at IonQ."""
    state = np.zeros((2,) * n_qubits, complex)
    state[(0,) * n_qubits] = 1
    for op in circuit:
        on, matrix = unitary(op)
        k = len(on)
        tensor = np.asarray(matrix, complex).reshape((2,) * 2 * k)
        state = np.moveaxis(np.tensordot(tensor, state, (range(k, 2 * k), on)), range(k), on)
    return np.abs(state.transpose(range(n_qubits)[::-1]).ravel()) ** 2


class IonQ:
    """The service: its jobs, and the faults that are still to come.

    Attributes:
        jobs: The jobs by id.
        faults: A list of faults for each kind of request: "post", "status", "results", "list".
        polls: How often a job is asked for before it is completed.
        requests: How often each kind came.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.faults: dict[str, list[str]] = {}
        self.polls = 1
        self.requests: Counter[str] = Counter()
        self.seconds = 0.0
        self._seen: Counter[str] = Counter()
        self.lock = threading.Lock()

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        shots = int(body["shots"])
        histograms = []
        for number, one in enumerate(body["body"]["circuits"]):
            n_qubits = json.loads(body["metadata"]["qubit_numbers"])[number]
            text = json.dumps([one["circuit"], shots])
            # The same noise for the same job of a repeated run, and another for the next of its
            # kind.
            digest = hashlib.sha256(f"{text}{self._seen[text]}".encode()).digest()
            self._seen[text] += 1
            p = probabilities(one["circuit"], n_qubits)
            rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
            counts = rng.multinomial(shots, p / p.sum())
            histograms.append({str(k): c / shots for k, c in enumerate(counts) if c})
        job = {
            "id": f"job-{len(self.jobs)}",
            "name": body.get("name"),
            "status": "submitted",
            "target": body["target"],
            "qubits": str(body["body"]["qubits"]),
            "metadata": body["metadata"],
            "results": histograms,
            "circuits": [one["circuit"] for one in body["body"]["circuits"]],
            "polls": self.polls,
            "completed": False,
            "fault": "",
        }
        self.jobs[job["id"]] = job
        return job

    def poll(self, job: dict[str, Any], fault: str) -> None:
        if fault in ("failed", "canceled"):
            job["status"] = fault
            if fault == "failed":
                job["failure"] = {"error": "the ions escaped", "code": "internal_error"}
        elif job["status"] in ("submitted", "running"):
            job["status"] = "running" if job["polls"] > 0 else "completed"
            job["polls"] -= 1
            if fault == "wrong keys":
                measured = [{"measurement0": f"other{chr(31)}0"} for _ in job["results"]]
                job["metadata"]["measurements"] = json.dumps(measured)

    def shown(self, job: dict[str, Any]) -> dict[str, Any]:
        hidden = ("results", "circuits", "polls", "completed", "fault")
        return {key: value for key, value in job.items() if key not in hidden}


class Handler(BaseHTTPRequestHandler):
    ionq: IonQ
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self._serve("post")

    def do_GET(self) -> None:
        parts = self.path.split("?")[0].strip("/").split("/")
        self._serve({2: "list", 3: "status", 4: "results"}[len(parts)], *parts[2:3])

    def _serve(self, kind: str, job_id: str = "") -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        if self.headers.get("Authorization") != f"apiKey {KEY}":
            self._answer(401, {"error": "Unauthorized"})
            return
        with self.ionq.lock:
            self.ionq.requests[kind] += 1
            faults = self.ionq.faults.get(kind, [])
            fault = faults.pop(0) if faults else ""
            if fault.isdigit():
                self._answer(int(fault), {"error": "fault", "message": "a fault for tests"})
                return
            if fault == "drop before":
                self.close_connection = True
                self.connection.close()
                return
            answer = self._handled(kind, job_id, body, fault)
        time.sleep(self.ionq.seconds)
        if fault == "hang":
            time.sleep(1.0)
        if answer is None:
            self._answer(404, {"error": "Not Found"})
        else:
            self._answer(200, answer, broken=fault == "drop")

    def _handled(self, kind: str, job_id: str, body: Any, fault: str) -> dict[str, Any] | None:
        ionq = self.ionq
        if kind == "post":
            return {"id": ionq.create(body)["id"], "status": "ready"}
        if kind == "list":
            return {"jobs": [ionq.shown(job) for job in reversed(ionq.jobs.values())]}
        job = ionq.jobs.get(job_id)
        if job is None:
            return None
        if kind == "status":
            ionq.poll(job, fault)
            return ionq.shown(job)
        results = {f"{job_id}-{k}": histogram for k, histogram in enumerate(job["results"])}
        if fault == "empty":
            return {}
        if fault == "too few shots":
            results = {
                k: {state: p / 2 for state, p in histogram.items()}
                for k, histogram in results.items()
            }
        if fault == "too few circuits":
            results.popitem()
        return results

    def _answer(self, status: int, answer: Any, broken: bool = False) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if broken else data)
        if broken:
            self.close_connection = True
            self.wfile.flush()
            self.connection.close()

    def log_message(self, *args: Any) -> None:
        pass

    def handle(self) -> None:
        # A client that was killed, or has stopped waiting.
        with contextlib.suppress(OSError, ValueError):
            super().handle()


@contextlib.contextmanager
def serving() -> Iterator[tuple[IonQ, str]]:
    """Serves; gives the service and its address."""
    ionq = IonQ()
    handler = type("Handler", (Handler,), {"ionq": ionq})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield ionq, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
