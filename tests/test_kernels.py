"""Kernel matrices: what an entry is, symmetric, positive, beyond memory, from shots, bad input."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import cirq
import joblib
import keras
import numpy as np
import pytest
import sympy

from qkeras_hybrid import PQC, PQCDense, QuantumEmbedding, QuantumKernel
from qkeras_hybrid.encodings import ZZEncoding
from qkeras_hybrid.engines import SamplerEngine
from qkeras_hybrid.kernels import (
    FidelityKernel,
    ProjectedKernel,
    blocks,
    repaired,
    smallest_eigenvalue,
)
from qkeras_hybrid.kernels.fidelity import _Pairs

X = np.random.default_rng(1234).random((4, 2))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes matrices of a few samples of several blocks."""
    monkeypatch.setattr(
        blocks,
        "_slices",
        lambda count: [slice(i, min(i + 3, count)) for i in range(0, count, 3)],
    )


def states_of(circuit: cirq.Circuit, x: np.ndarray) -> np.ndarray:
    simulator = cirq.Simulator(dtype=np.complex128)
    names = sorted(cirq.parameter_names(circuit))
    return np.array(
        [
            simulator.simulate(circuit, dict(zip(names, row, strict=True))).final_state_vector
            for row in x
        ]
    )


def reduced(state: np.ndarray, qubits: tuple[int, ...], n: int) -> np.ndarray:
    tensor = state.reshape((2,) * n)
    rest = [q for q in range(n) if q not in qubits]
    moved = np.transpose(tensor, (*qubits, *rest)).reshape(2 ** len(qubits), -1)
    return moved @ moved.conj().T


def test_a_fidelity_of_rotated_qubits_is_a_product_of_cosines() -> None:
    found = FidelityKernel("angle", n_qubits=2).matrix(X)
    expected = np.prod(np.cos((X[:, None] - X[None]) / 2) ** 2, axis=2)
    # float64 rounding.
    np.testing.assert_allclose(found, expected, atol=1e-14)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_blocks_make_the_matrix_of_all_overlaps(dtype: str, tolerance: float) -> None:
    x = np.random.default_rng(0).normal(size=(8, 3))
    y = np.random.default_rng(1).normal(size=(5, 3))
    kernel = FidelityKernel(ZZEncoding(), n_qubits=3, dtype=dtype)
    a, b = kernel.features(x), kernel.features(y)
    np.testing.assert_allclose(kernel.matrix(x), abs(a.conj() @ a.T) ** 2, atol=tolerance)
    np.testing.assert_allclose(kernel.matrix(x, y), abs(a.conj() @ b.T) ** 2, atol=tolerance)
    gram = kernel.matrix(x)
    assert (gram == gram.T).all()
    assert (np.diag(gram) == 1).all()
    assert gram.dtype == dtype
    assert smallest_eigenvalue(gram) > -tolerance


def test_float32_features_are_computed_in_float32_and_all_others_in_float64() -> None:
    kernel = FidelityKernel("angle")
    assert kernel.matrix(X).dtype == "float64"
    assert kernel.matrix(X.astype("float32")).dtype == "float32"
    assert kernel.matrix([[1, 2], [3, 4]]).dtype == "float64"


def test_each_state_is_prepared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from qkeras_hybrid.kernels.feature_maps import FeatureMap

    prepared = []
    states = FeatureMap.states
    monkeypatch.setattr(
        FeatureMap, "states", lambda self, x, *a: prepared.append(len(x)) or states(self, x, *a)
    )
    FidelityKernel("angle").matrix(np.ones((20, 2)), np.ones((7, 2)))
    assert prepared == [20, 7]


@pytest.mark.parametrize("subsystem", [1, 2])
def test_a_projected_kernel_is_that_of_the_reduced_states(subsystem: int) -> None:
    n = 3
    x = np.random.default_rng(2).normal(size=(4, n))
    kernel = ProjectedKernel("zz", n, subsystem=subsystem, kind="linear")
    states = FidelityKernel("zz", n).features(x)
    sets = [(q,) for q in range(n)] if subsystem == 1 else [(0, 1), (0, 2), (1, 2)]
    rho = [[reduced(state, qubits, n) for qubits in sets] for state in states]
    linear = [
        [sum(np.trace(a @ b).real for a, b in zip(r, s, strict=True)) for s in rho] for r in rho
    ]
    np.testing.assert_allclose(kernel.matrix(x), linear, atol=1e-10)
    gaussian = [
        [
            np.exp(-0.3 * sum(np.sum(abs(a - b) ** 2) for a, b in zip(r, s, strict=True)))
            for s in rho
        ]
        for r in rho
    ]
    rbf = ProjectedKernel("zz", n, subsystem=subsystem, gamma=0.3).matrix(x)
    np.testing.assert_allclose(rbf, gaussian, atol=1e-10)
    assert (np.diag(rbf) == 1).all()


def test_a_projected_kernel_of_all_qubits_is_the_fidelity() -> None:
    found = ProjectedKernel("zz", 2, kind="linear", subsystem=2).matrix(X)
    np.testing.assert_allclose(found, FidelityKernel("zz", 2).matrix(X), atol=1e-12)


def test_a_circuit_is_a_feature_map() -> None:
    a, b, w = sympy.symbols("a b w")
    q, r = cirq.LineQubit.range(2)
    circuit = cirq.Circuit(cirq.rx(a)(q), cirq.ry(b)(r), cirq.CNOT(q, r), cirq.rz(w)(r))
    kernel = FidelityKernel(circuit, inputs=[a, b], weights=[0.4])
    states = states_of(cirq.resolve_parameters(circuit, {"w": 0.4}), X)
    np.testing.assert_allclose(kernel.matrix(X), abs(states.conj() @ states.T) ** 2, atol=1e-6)
    again = FidelityKernel.from_config(kernel.get_config())
    assert again == kernel
    assert (again.matrix(X) == kernel.matrix(X)).all()


def test_a_layer_is_a_feature_map_with_its_weights() -> None:
    layer = PQCDense(2, n_qubits=2, encoding="reuploading", seed=1)
    layer.build((None, 2))
    kernel = FidelityKernel(layer)
    assert kernel.weights == tuple(layer.symbol_values().values())
    embedding = QuantumEmbedding(2, encoding="zz", output="state")
    states = keras.ops.convert_to_numpy(embedding(X.astype("float32")))
    found = FidelityKernel(QuantumEmbedding(2, encoding="zz")).matrix(X)
    np.testing.assert_allclose(found, abs(states.conj() @ states.T) ** 2, atol=1e-5)


def test_scale_multiplies_the_features() -> None:
    scaled = FidelityKernel("zz", 2, scale=0.5).matrix(X)
    np.testing.assert_array_equal(scaled, FidelityKernel("zz", 2).matrix(X * 0.5))
    assert FidelityKernel("zz", 2).with_changes(scale=0.5) == FidelityKernel("zz", 2, scale=0.5)


@pytest.mark.parametrize(
    "kernel",
    [
        FidelityKernel("zz", 3, scale=0.5, shots=10, noise="depolarizing:0.01", seed=3),
        ProjectedKernel(ZZEncoding(n_layers=1), kind="linear", subsystem=2, psd="shrink"),
        FidelityKernel(
            PQC(cirq.Circuit(cirq.rx(sympy.Symbol("x"))(cirq.q(0))), inputs=["x"], output="state")
        ),
    ],
)
def test_a_kernel_comes_back_from_its_config_a_pickle_and_keras(kernel: Any) -> None:
    assert type(kernel).from_config(kernel.get_config()) == kernel
    assert pickle.loads(pickle.dumps(kernel)) == kernel
    serialized = keras.saving.serialize_keras_object(kernel)
    assert keras.saving.deserialize_keras_object(serialized) == kernel


def test_shots_estimate_the_fidelity_by_inversion_tests() -> None:
    exact = FidelityKernel("zz", 2).matrix(X)
    kernel = FidelityKernel("zz", 2, shots=4000, seed=0)
    found = kernel.matrix(X)
    # Five standard deviations of a frequency of 4000 shots, at most 1 / (2 sqrt(4000)).
    np.testing.assert_allclose(found, exact, atol=5 * 0.0079)
    assert (found == kernel.matrix(X)).all()
    assert (np.diag(found) == 1).all()
    assert (found == found.T).all()
    np.testing.assert_allclose(kernel.matrix(X, X[:2]), exact[:, :2], atol=5 * 0.0079)


def test_a_bell_measurement_estimates_the_fidelity_too() -> None:
    exact = FidelityKernel("zz", 2).matrix(X)
    found = FidelityKernel("zz", 2, shots=4000, seed=0, test="swap").matrix(X)
    # Five standard deviations of a mean of 4000 signs.
    np.testing.assert_allclose(found, exact, atol=5 / np.sqrt(4000))
    assert (np.diag(found) == 1).all()


@pytest.mark.parametrize("test", ["inversion", "swap"])
def test_a_device_compares_states(test: str) -> None:
    engine = SamplerEngine(lambda seed: cirq.Simulator(seed=seed), shots=2000)
    kernel = FidelityKernel("angle", 2, engine=engine, test=test, seed=1)
    exact = FidelityKernel("angle", 2).matrix(X[:3])
    found = kernel.with_changes(scale=1.0).matrix(X[:3])
    np.testing.assert_allclose(found, exact, atol=5 / np.sqrt(2000))


def test_shots_estimate_reduced_states() -> None:
    exact = ProjectedKernel("zz", 2).matrix(X)
    found = ProjectedKernel("zz", 2, shots=4000, seed=0).matrix(X)
    # An expectation value is off by 1/63; a distance, of six of them, by some times that.
    np.testing.assert_allclose(found, exact, atol=0.1)


def test_noise_lowers_the_diagonal_of_the_inversion_test() -> None:
    found = FidelityKernel("angle", 1, noise="depolarizing:0.1").matrix(X[:, :1])
    # Each of the two gates, the rotation and its inverse, depolarizes by 4/3 of 0.1.
    np.testing.assert_allclose(np.diag(found), 0.5 + 0.5 * (1 - 4 * 0.1 / 3) ** 2, atol=1e-6)


@pytest.mark.parametrize(
    "kernel",
    [
        FidelityKernel("zz", 2),
        FidelityKernel("angle", 2, noise="depolarizing:0.1"),
        ProjectedKernel("zz", 2),
        ProjectedKernel("zz", 2, kind="linear"),
        ProjectedKernel("angle", 2, kind="linear", noise="depolarizing:0.1"),
    ],
)
def test_the_diagonal_is_that_of_the_matrix(kernel: Any) -> None:
    np.testing.assert_allclose(kernel.diagonal(X), np.diag(kernel.matrix(X)), atol=1e-12)


def test_a_matrix_goes_into_a_file(tmp_path: Path) -> None:
    path = tmp_path / "kernel.npy"
    found = FidelityKernel("zz", 2).matrix(X, out=path)
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(np.load(path), FidelityKernel("zz", 2).matrix(X))


def test_states_beyond_memory_lie_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FidelityKernel("zz", 2)
    expected = kernel.matrix(X)
    monkeypatch.setattr(FidelityKernel, "_memory", staticmethod(lambda taken=0: 10))
    assert isinstance(kernel.features(X), np.memmap)
    np.testing.assert_array_equal(kernel.matrix(X), expected)


def test_a_matrix_beyond_memory_names_the_bytes_and_the_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blocks, "available_memory", lambda: 100)
    with pytest.raises(ValueError, match=r"4 x 4 entries, 128 bytes.*out=.*Nyström"):
        FidelityKernel("zz", 2).matrix(X)


@pytest.mark.usefixtures("small_blocks")
def test_joblib_spreads_the_blocks() -> None:
    x = np.random.default_rng(0).normal(size=(8, 2))
    kernel = FidelityKernel("zz", 2)
    with joblib.parallel_config(backend="threading"):
        found = kernel.matrix(x, n_jobs=2)
    np.testing.assert_array_equal(found, kernel.matrix(x))


class Killed(blocks.Fidelity):
    """A rule whose first block costs the process that computes it its life."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def block(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        try:
            os.close(os.open(self.mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return super().block(first, second)
        os._exit(1)


@pytest.mark.slow
@pytest.mark.usefixtures("small_blocks")
def test_a_killed_worker_costs_its_block_only(tmp_path: Path) -> None:
    x = FidelityKernel("zz", 2).features(np.random.default_rng(0).normal(size=(8, 2)))
    found = blocks.matrix(Killed(str(tmp_path / "killed")), x, n_jobs=2)
    assert (tmp_path / "killed").exists()
    np.testing.assert_allclose(found, blocks.matrix(blocks.Fidelity(), x), atol=1e-14)


def test_lost_blocks_are_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[Any] = []

    class Dying:
        def __init__(self, **_: Any) -> None:
            pass

        def __call__(self, work: list[Any]) -> Any:
            for function, arguments, _ in work:
                if len(computed) == 2:
                    computed.append(None)
                    raise RuntimeError("a worker ended")
                computed.append(arguments)
                yield function(*arguments)

    monkeypatch.setattr(blocks, "_slices", lambda n: [slice(i, i + 1) for i in range(n)])
    monkeypatch.setattr(blocks.joblib, "Parallel", Dying)
    x = FidelityKernel("zz", 2).features(X)
    found = blocks.matrix(blocks.Fidelity(), x, n_jobs=2)
    np.testing.assert_allclose(found, abs(x.conj() @ x.T) ** 2, atol=1e-14)
    assert len(computed) == 11  # ten blocks, and the one that was lost


def test_a_backend_of_joblib_may_give_all_blocks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class AtOnce:
        def __init__(self, n_jobs: int, **more: Any) -> None:
            if more:
                raise ValueError("this backend has no generators")

        def __call__(self, work: list[Any]) -> list[Any]:
            return [function(*arguments) for function, arguments, _ in work]

    monkeypatch.setattr(blocks.joblib, "Parallel", AtOnce)
    expected = FidelityKernel("zz", 2).matrix(X)
    np.testing.assert_array_equal(FidelityKernel("zz", 2).matrix(X, n_jobs=2), expected)


def test_a_progress_bar_is_shown_on_the_error_stream(capfd: pytest.CaptureFixture[str]) -> None:
    FidelityKernel("zz", 2).matrix(X, progress=True)
    assert "kernel matrix" in capfd.readouterr().err


INDEFINITE = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.9], [0.0, 0.9, 1.0]])


@pytest.mark.parametrize("how", ["project", "shrink"])
def test_a_repaired_matrix_is_positive_and_keeps_its_diagonal(how: str) -> None:
    found = repaired(INDEFINITE, how)
    assert smallest_eigenvalue(found) > -1e-12
    np.testing.assert_allclose(np.diag(found), 1, atol=1e-12)
    assert repaired(np.eye(3), how) is not None


def test_shrinking_takes_the_least_share_of_the_identity() -> None:
    # Eigenvalues 1 and 1 +- 0.9 sqrt(2); (1 - s)(1 - 0.9 sqrt(2)) + s = 0.
    smallest = 1 - 0.9 * np.sqrt(2)
    share = -smallest / (1 - smallest)
    expected = (1 - share) * INDEFINITE + share * np.eye(3)
    np.testing.assert_allclose(repaired(INDEFINITE, "shrink"), expected, atol=1e-12)


@pytest.mark.parametrize("how", ["project", "shrink"])
def test_a_kernel_from_shots_is_made_positive(how: str) -> None:
    x = np.random.default_rng(0).normal(size=(12, 2)) / 10
    raw = FidelityKernel("zz", 2, shots=20, seed=0)
    assert smallest_eigenvalue(raw.matrix(x)) < -0.01
    mended = raw.with_changes(psd=how).matrix(x)
    assert smallest_eigenvalue(mended) > -1e-6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FidelityKernel("zz").matrix([[1.0, np.nan]]), "nan in row 0, column 1"),
        (lambda: FidelityKernel("zz").matrix([[1.0, np.inf]]), "inf in row 0, column 1"),
        (lambda: FidelityKernel("zz").matrix([1.0, 2.0]), r"shape \(n_samples, n_features\)"),
        (lambda: FidelityKernel("zz").matrix([["a"]]), "hold real numbers"),
        (lambda: FidelityKernel("zz").matrix(X, X[:, :1]), "`y` must have 2 features, like `x`"),
        (lambda: FidelityKernel("nothing"), "`encoding` must be one of"),
        (lambda: FidelityKernel("zz", test="swap"), '`test` must be "inversion" without'),
        (lambda: FidelityKernel("zz", test="hadamard"), "`test` must be one of"),
        (lambda: FidelityKernel("zz", 0), "`n_qubits` must be"),
        (lambda: FidelityKernel("zz", scale=np.nan), "`scale` must be a finite number"),
        (
            lambda: FidelityKernel("zz", inputs=["x"]),
            "`inputs` must be None unless `encoding` is a circuit",
        ),
        (lambda: FidelityKernel("zz", psd="mend"), "`psd` must be one of 'project', 'shrink'"),
        (lambda: FidelityKernel("zz", dtype="float16"), "`dtype` must be one of"),
        (lambda: FidelityKernel("zz", shots=0), "`shots` must be"),
        (lambda: FidelityKernel("zz", shots=5).features(X), "`shots` must be None"),
        (lambda: FidelityKernel(QuantumEmbedding(2), 2), "`n_qubits` must be None for a circuit"),
        (lambda: FidelityKernel("reuploading").matrix(X), "hold the 12 weights"),
        (lambda: FidelityKernel("reuploading", weights=[1.0]).matrix(X), r"have shape \(12,\)"),
        (lambda: FidelityKernel("amplitude", 1).matrix(np.ones((2, 5))), "needs 3 qubits"),
        (lambda: ProjectedKernel("zz", kind="cubic"), "`kind` must be one of"),
        (lambda: ProjectedKernel("zz", gamma=-1.0), "`gamma` must be positive"),
        (lambda: ProjectedKernel("zz", subsystem=3), "`subsystem` must be 1 or 2"),
        (
            lambda: ProjectedKernel("zz", 1, subsystem=2).matrix(X),
            "at most the number of qubits, 1",
        ),
        (lambda: FidelityKernel("zz").matrix(X, out="kernel.txt"), "ends in .npy"),
        (lambda: repaired(INDEFINITE, "mend"), "`psd` must be one of"),
        (lambda: repaired(np.ones((2, 3)), "shrink"), "square kernel matrix"),
        (lambda: repaired(np.array([[1, 0], [0.5, 1]]), "shrink"), "be symmetric"),
        (lambda: repaired(np.array([[1, np.nan], [0.5, 1]]), "shrink"), r"nan at \[0, 1\]"),
    ],
)
def test_bad_input_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# What a review found.


def test_features_that_are_too_large_are_told() -> None:
    with pytest.raises(ValueError, match="be so small that its angles"):
        FidelityKernel("zz", 3).matrix([[1e200, 1e200, 0.0], [1.0, 2.0, 3.0]])
    with pytest.raises(ValueError, match="`weights` must"):
        FidelityKernel("reuploading", 1, weights=[float("nan")] * 3)


def test_whole_numbers_are_computed_in_float64() -> None:
    x = np.random.default_rng(0).integers(100, 500, (5, 2))
    kernel = FidelityKernel("zz", 2)
    np.testing.assert_array_equal(kernel.matrix(x), kernel.matrix(x.astype(float)))


def test_shots_of_the_same_sample_in_rows_and_columns_are_others() -> None:
    x = np.random.default_rng(0).uniform(0, np.pi, (40, 2))
    kernel = ProjectedKernel("angle", 2, kind="linear", shots=20, seed=1)
    exact = ProjectedKernel("angle", 2, kind="linear").matrix(x, x)
    error = np.diag(kernel.matrix(x, x) - exact)
    # The same estimate twice would add its variance: about 3 values of 1/20, halved, a qubit.
    assert abs(error.mean()) < 0.08


def test_a_kernel_layer_is_no_feature_map() -> None:
    layer = QuantumKernel(3, train_scale=True)
    with pytest.raises(ValueError, match="be a feature map, not a kernel"):
        FidelityKernel(layer)


def test_measured_entries_are_not_spread() -> None:
    with pytest.raises(ValueError, match="`n_jobs` must be None"):
        FidelityKernel("angle", 1, shots=10).matrix([[0.1], [0.2]], n_jobs=2)


@pytest.mark.parametrize("above", [None, 0, 1])
def test_measured_pairs_are_each_entry_once(above: int | None, monkeypatch: Any) -> None:
    monkeypatch.setattr("qkeras_hybrid.kernels.fidelity._PAIRS_AT_ONCE", 10)
    found = [pair for i, j in _Pairs((7, 7), above) for pair in zip(i, j, strict=True)]
    wanted = [(i, j) for i in range(7) for j in range(7) if above is None or j >= i + above]
    assert found == wanted
