"""Commuting Pauli strings, measured together; gradients from shots; more shots when they drown."""

from __future__ import annotations

import itertools
import math
from typing import Any

import cirq
import keras
import numpy as np
import pytest
import sympy
from keras import ops

import qkeras_hybrid as qh
from qkeras_hybrid import PQC, SPSA, ParameterShift, _commuting, engines, noise
from qkeras_hybrid.callbacks import RaiseShots
from qkeras_hybrid.engines import ReadoutMitigation, StatevectorEngine
from qkeras_hybrid.observables import PauliTerm
from qkeras_hybrid.program import compile_circuit
from qkeras_hybrid.readouts import Expectation, Setting
from qkeras_hybrid.testing import value_and_gradients
from test_one_file import SamplerEngine

Q = cirq.LineQubit.range(4)
A, B, W = sympy.symbols("a b w")
BELL = ["Z0*Z1 + 0.5*X0*X1 - Y0*Y1", "X0*X1"]


def random_commuting(rng: np.random.Generator, n: int, k: int) -> list[dict[int, str]]:
    """Returns strings that commute: products of Z, seen after a random Clifford circuit."""
    circuit = cirq.Circuit()
    qubits = cirq.LineQubit.range(n)
    for _ in range(4 * n):
        a, b = rng.choice(n, 2, replace=False)
        circuit.append(
            [cirq.H(qubits[a]), cirq.S(qubits[b]), cirq.CX(qubits[a], qubits[b])][
                int(rng.integers(3))
            ]
        )
    found = []
    for _ in range(k):
        mask = rng.integers(0, 2, n)
        mask[int(rng.integers(n))] = 1
        string = cirq.PauliString({q: cirq.Z for q, m in zip(qubits, mask, strict=True) if m})
        found.append({q.x: str(p) for q, p in string.after(circuit).items()})
    return found


def test_a_clifford_circuit_makes_random_commuting_strings_products_of_z() -> None:
    rng = np.random.default_rng(5)
    known = {"h": cirq.H, "s_dagger": cirq.S**-1, "cx": cirq.CX}
    for _ in range(40):
        n = int(rng.integers(2, 7))
        strings = random_commuting(rng, n, int(rng.integers(1, 2 * n)))
        found = _commuting.diagonalised(strings)
        circuit = cirq.Circuit(known[g].on(*map(cirq.LineQubit, on)) for g, on in found.gates)
        for string, sign, on in zip(strings, found.signs, found.qubits, strict=True):
            paulis = {cirq.LineQubit(q): getattr(cirq, p) for q, p in string.items()}
            after = cirq.PauliString(paulis).after(circuit)
            assert after == cirq.PauliString(sign, *(cirq.Z(cirq.LineQubit(q)) for q in on))


def test_groups_commute_and_hold_every_string() -> None:
    rng = np.random.default_rng(1)
    strings = [
        {q: "XYZ"[int(rng.integers(3))] for q in range(4) if rng.random() < 0.7} for _ in range(30)
    ]
    groups = _commuting.groups(strings)
    assert sorted(map(str, itertools.chain(*groups))) == sorted(map(str, strings))
    for group in groups:
        assert all(_commuting.commute(a, b) for a, b in itertools.combinations(group, 2))


def test_bell_strings_need_one_setting_where_qubit_wise_they_need_three() -> None:
    compiled = compile_circuit(cirq.Circuit(cirq.I.on_each(*Q[:2])), BELL)
    readout = compiled.readout
    assert isinstance(readout, Expectation)
    assert len(readout.settings(compiled.program)) == 3
    together = Expectation(readout.observables, "commuting")
    (setting,) = together.settings(compiled.program)
    assert setting.reads(PauliTerm(1.0, "YY", (0, 1)))
    assert not setting.reads(PauliTerm(1.0, "Z", (0,)))
    # What agrees on each qubit needs no gates on two.
    plain = Expectation(compile_circuit(cirq.Circuit(cirq.X(Q[0])), ["Z", "X"]).observables)
    alone = Expectation(plain.observables, "commuting").settings(compiled.program)
    assert alone == (Setting("Z", (0,)), Setting("X", (0,)))


@pytest.mark.parametrize("engine", [StatevectorEngine(), SamplerEngine(), engines.NativeEngine()])
def test_commuting_strings_are_measured_together_with_their_covariance(engine: Any) -> None:
    t = 0.8
    circuit = cirq.Circuit(cirq.ry(t)(Q[0]), cirq.CX(*Q[:2]))
    compiled = compile_circuit(circuit, BELL)
    readout = Expectation(compiled.observables, "commuting")
    sampling = isinstance(engine, SamplerEngine)
    shots, n = (4000, 1) if sampling else (20, 10_000)
    job = compiled.reading(readout).job(shots=shots, gradient=False)
    if engines.refusal(job, engine) is not None:
        pytest.skip("not here")
    found = ops.convert_to_numpy(
        engines.prepare(job, engine)(ops.zeros((n, 0)), ops.zeros((0,)), 3)
    )
    # <ZZ> = 1, <XX> = sin t = -<YY>: in each shot YY = -XX, so the sum is 1 + 1.5 XX.
    np.testing.assert_allclose(found[:, 0], 1 + 1.5 * found[:, 1], atol=1e-5)
    variance = (1 - math.sin(t) ** 2) / shots
    assert abs(found[:, 1].mean() - math.sin(t)) < 3 * math.sqrt(variance / n)
    if not sampling:
        assert found[:, 1].astype(float).var() == pytest.approx(variance, rel=0.05)


def test_random_observables_have_the_same_mean_in_either_grouping() -> None:
    rng = np.random.default_rng(3)
    circuit = cirq.testing.random_circuit(Q, 8, 0.8, random_state=2)
    terms = [
        "*".join(f"{'XYZ'[int(rng.integers(3))]}{q}" for q in range(4) if rng.random() < 0.7)
        or "X0"
        for _ in range(12)
    ]
    compiled = compile_circuit(circuit, terms, qubits=Q)
    run = engines.prepare(compiled.job(gradient=False), StatevectorEngine())
    nothing = ops.zeros((1, 0)), ops.zeros((0,))
    exact = ops.convert_to_numpy(run(*nothing))
    shots = 20_000
    readout = Expectation(compiled.observables, "commuting")
    settings = readout.settings(compiled.program)
    assert len(settings) < len(compiled.readout.settings(compiled.program))
    job = compiled.reading(readout).job(shots=shots, gradient=False)
    found = ops.convert_to_numpy(engines.prepare(job, StatevectorEngine())(*nothing, 5))
    # A setting has at least a third of the mean number of shots; five standard deviations.
    np.testing.assert_allclose(found, exact, atol=5 / math.sqrt(shots / 4))


def test_a_layer_takes_the_grouping_as_its_output_and_is_saved_with_it(tmp_path: Any) -> None:
    circuit = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.CX(*Q[:2]))
    given = {"inputs": [A], "shots": 50, "seed": 1}
    layer = PQC(circuit, BELL, output=Expectation(grouping="commuting"), **given)
    model = keras.Sequential([keras.Input((1,)), layer])
    assert len(layer.readouts[0].settings(layer.program)) == 1
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras").layers[0]
    assert again.readouts == layer.readouts
    assert PQC(circuit, BELL, **given).readouts[0].grouping == "qubit_wise"


def test_readout_errors_after_a_clifford_circuit_are_corrected_bit_by_bit() -> None:
    circuit = cirq.Circuit(cirq.ry(0.8)(Q[0]), cirq.CX(*Q[:2]))
    compiled = compile_circuit(circuit, BELL)
    readout = Expectation(compiled.observables, "commuting")
    job = compiled.reading(readout).job(shots=20_000, noise=noise.readout_error(0.1, 0.2))
    assert "qubit-wise" in str(engines.refusal(job, ReadoutMitigation(StatevectorEngine())))
    for method in ("m3", "full"):
        engine = ReadoutMitigation(StatevectorEngine(), method)
        found = engines.prepare(job, engine)(ops.zeros((1, 0)), ops.zeros((0,)), 1)
        exact = [[1 + 1.5 * math.sin(0.8), math.sin(0.8)]]
        limit = 6 * 2.5 / 0.49 / math.sqrt(20_000)
        np.testing.assert_allclose(ops.convert_to_numpy(found), exact, atol=limit)


def test_an_unknown_grouping_is_refused() -> None:
    with pytest.raises(ValueError, match="`grouping` must be one of 'qubit_wise', 'commuting'"):
        Expectation((), "all")


# Gradients from shots.

TURNED = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.CX(*Q[:2]), cirq.rx(B)(Q[1]), cirq.ry(A * 0.5)(Q[1]))
OBSERVABLES = ["Z0 - 0.5*X0*Z1", "Y1"]


def slopes_from_shots(method: Any, shots: int | None, n: int) -> np.ndarray:
    """Returns `n` estimates of the gradient of the sum of both observables in `a` and `b`."""
    compiled = compile_circuit(TURNED, OBSERVABLES, inputs=[A, B])
    dtype = "float32" if shots else "float64"
    run = engines.prepare(compiled.job(dtype, shots=shots), StatevectorEngine(), method)
    x = np.tile(np.array([[0.4, 1.1]], dtype), (n, 1))
    _, (found, _) = value_and_gradients(
        lambda inputs, weights: run(inputs, weights, 7), x, np.zeros((0,), dtype)
    )
    return found.astype("float64")


def test_the_shift_rule_is_unbiased_under_shots() -> None:
    exact = slopes_from_shots(ParameterShift(), None, 1)[0]
    found = slopes_from_shots(ParameterShift(), 10, 4000)
    error = found.std(axis=0) / math.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - exact) < 3 * error).all()
    assert (error < 0.02).all()


def test_spsa_under_shots_has_the_mean_of_its_directions() -> None:
    step = 0.3
    compiled = compile_circuit(TURNED, OBSERVABLES, inputs=[A, B])
    job = compiled.job("float64", gradient=False)
    bare = engines.prepare(job.bare(), StatevectorEngine())
    angles = ops.convert_to_numpy(
        job.angles(ops.convert_to_tensor(np.array([[0.4, 1.1]])), ops.zeros((0,), "float64"))
    )

    def total(shift: np.ndarray) -> float:
        found = bare(ops.convert_to_tensor(angles + shift), ops.zeros((0,), "float64"))
        return float(ops.convert_to_numpy(found).sum())

    signs = [np.array(each, float) for each in itertools.product((-1, 1), repeat=angles.shape[1])]
    rows = np.mean([(total(step * s) - total(-step * s)) / (2 * step) * s for s in signs], axis=0)
    # From angles to inputs: a turns the first and half the last, b the second.
    first, second, last = rows
    exact = np.array([first + 0.5 * last, second])
    found = slopes_from_shots(SPSA(samples=1, step=step), 20, 6000)
    error = found.std(axis=0) / math.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - exact) < 3 * error).all()
    # Its own bias is of the order of step**2.
    np.testing.assert_allclose(
        exact, slopes_from_shots(ParameterShift(), None, 1)[0], atol=2 * step**2
    )


# More shots.


def at_half_pi(shots: int, target: float) -> tuple[keras.Model, np.ndarray, np.ndarray]:
    layer = PQC(
        cirq.Circuit(cirq.ry(A)(Q[0]), cirq.ry(W)(Q[0])),
        "Z",
        inputs=[A],
        shots=shots,
        seed=1,
        weight_initializer=keras.initializers.Constant(math.pi / 2),
    )
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(keras.optimizers.SGD(1e-4), "mse")
    return model, np.zeros((4, 1), "float32"), np.full((4, 1), target, "float32")


def test_shots_rise_where_the_gradient_is_mostly_noise_up_to_the_most() -> None:
    # The loss (cos w)**2 is flat there.
    model, x, y = at_half_pi(4, 0.0)
    history = model.fit(x, y, epochs=4, verbose=0, callbacks=[RaiseShots(x, y, factor=3, most=50)])
    assert history.history["shots"] == [4, 12, 36, 50]
    assert model.layers[0].shots == 50
    assert model.layers[0].engine_given == "auto"


def test_shots_stay_where_the_gradient_is_clear() -> None:
    # The slope of (cos w - 1)**2 is 2 there.
    model, x, y = at_half_pi(400, 1.0)
    raising = RaiseShots(x, y)
    history = model.fit(x, y, epochs=2, verbose=0, callbacks=[raising])
    assert history.history["shots"] == [400, 400]
    signal, variance = raising.measured()
    assert signal == pytest.approx(4.0, rel=0.3)
    assert variance < 0.1


def test_shots_are_looked_at_every_so_many_epochs() -> None:
    model, x, y = at_half_pi(4, 0.0)
    history = model.fit(x, y, epochs=4, verbose=0, callbacks=[RaiseShots(x, y, every=2)])
    assert history.history["shots"] == [4, 4, 8, 8]


def test_a_model_without_shots_has_none_to_raise() -> None:
    model, x, y = at_half_pi(4, 0.0)
    qh.set_engine(model, "statevector", shots=None)
    with pytest.raises(ValueError, match="needs a quantum layer with shots"):
        model.fit(x, y, verbose=0, callbacks=[RaiseShots(x, y)])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"factor": 1.0}, "`factor` must be above 1"),
        ({"most": 0}, "`most` must be a whole number"),
        ({"threshold": math.nan}, "`threshold` must be a finite number"),
        ({"threshold": 0}, "`threshold` must be above 0"),
        ({"repeats": 1}, "`repeats` must be at least 2"),
        ({"every": 0}, "`every` must be a whole number"),
    ],
)
def test_wrong_arguments_of_the_callback_are_refused(given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RaiseShots([], [], **given)
