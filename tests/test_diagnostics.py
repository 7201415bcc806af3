"""What tells whether a circuit can be trained, and what it can express."""

from __future__ import annotations

import math
from typing import Any

import cirq
import keras
import numpy as np
import pytest
import sympy
from keras import ops

from qkeras_hybrid import PQC, PQCDense, compile_circuit, diagnostics, engines
from qkeras_hybrid._states import batches_of_states, best_precision
from qkeras_hybrid.callbacks import WatchGradients
from qkeras_hybrid.program import Compiled

Q = cirq.LineQubit.range(6)


def rotations(n: int) -> Compiled:
    """`<Z...Z>` of a rotation each is the product of their cosines."""
    weights = sympy.symbols(f"w:{n}")
    circuit = cirq.Circuit(cirq.ry(w)(q) for w, q in zip(weights, Q, strict=False))
    return compile_circuit(circuit, "Z" * n)


def idle(n: int) -> Compiled:
    return compile_circuit(cirq.Circuit(cirq.I.on_each(*Q[:n])))


def wave(expression: str = "x", n: int = 1) -> Compiled:
    x = sympy.symbols(f"x:{n}") if n > 1 else [sympy.Symbol("x")]
    angles = [sympy.sympify(expression)] if n == 1 else x
    circuit = cirq.Circuit(cirq.ry(a)(cirq.LineQubit(i)) for i, a in enumerate(angles))
    return compile_circuit(circuit, "Z0", inputs=x)


def states(compiled: Compiled, values: np.ndarray) -> np.ndarray:
    return np.concatenate(list(batches_of_states(compiled, values)))


def haar(n: int, samples: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    found = rng.normal(size=(samples, 2**n)) + 1j * rng.normal(size=(samples, 2**n))
    return np.asarray(found / np.linalg.norm(found, axis=1)[:, None])


# Gradients.


@pytest.mark.parametrize("n", [1, 3])
def test_the_variance_of_a_product_of_cosines_halves_with_each_qubit(n: int) -> None:
    found = diagnostics.gradient_variance(rotations(n), samples=4000, seed=1)
    assert found.low < 2.0**-n < found.high
    # Of 4,000 samples, a tenth is more than three standard errors.
    assert found.variance == pytest.approx(2.0**-n, rel=0.1)


def test_a_sweep_finds_the_rate_of_a_barren_plateau() -> None:
    sweep = diagnostics.gradient_sweep(
        lambda n, _: rotations(n), qubits=[1, 2, 3, 4], layers=[1], samples=2000
    )
    assert sweep.rate() == pytest.approx(2.0, rel=0.1)
    assert "divides the variance by 2" in str(sweep)
    assert [row.n_qubits for row in sweep.rows] == [1, 2, 3, 4]


def test_the_shot_floor_is_the_variance_of_the_parameter_shift_rule() -> None:
    # Where <Z> is 0, a shot is +1 or -1 with the variance 1, and half the difference of two means
    # of 50 shots has the variance (1/50 + 1/50) / 4.
    found = diagnostics.gradient_variance(rotations(1), shots=50, samples=500)
    assert found.floor == pytest.approx((1 / 50 + 1 / 50) / 4)
    assert found.visible
    assert found.shots_needed == math.ceil(0.5 / found.variance)


def test_more_layers_than_a_device_sees_are_told() -> None:
    found = diagnostics.gradient_variance(rotations(6), shots=10, samples=500)
    assert not found.visible
    assert "would not see it" in str(found)


def test_a_gradient_that_is_zero_takes_infinitely_many_shots() -> None:
    weight = sympy.Symbol("w")
    unseen = compile_circuit(cirq.Circuit(cirq.rz(weight)(Q[0])), "Z")
    found = diagnostics.gradient_variance(unseen, samples=10)
    assert found.variance == pytest.approx(0.0, abs=1e-12)  # rounding
    assert found.shots_needed > 1e12


def test_a_layer_is_diagnosed_at_given_inputs() -> None:
    layer = PQCDense(1, n_qubits=2, n_layers=1)
    layer.build((None, 2))
    found = diagnostics.gradient_variance(layer, inputs=[0.0, 0.0], samples=20)
    other = diagnostics.gradient_variance(layer, samples=20)
    assert found.n_qubits == 2
    assert found.variance != other.variance


# States.


@pytest.mark.parametrize("n", [1, 2, 4, 6])
def test_an_idle_circuit_has_the_largest_divergence(n: int) -> None:
    found = diagnostics.expressibility(idle(n))
    assert found.divergence == pytest.approx((2**n - 1) * math.log(75), rel=1e-12)
    assert found.low == pytest.approx(found.high)


def test_rotations_of_all_axes_come_close_to_haar_states_of_a_qubit() -> None:
    a, b = sympy.symbols("a b")
    # A turn by `arccos(u)` with `u` even in [-1, 1] makes the height on the sphere even.
    even = sympy.acos(a / sympy.pi - 1)
    sphere = compile_circuit(cirq.Circuit(cirq.ry(even)(Q[0]), cirq.rz(b)(Q[0])))
    found = diagnostics.expressibility(sphere)
    assert found.divergence < 2 * found.floor
    assert diagnostics.expressibility(rotations(1)).divergence > 10 * found.floor


def test_the_interval_of_a_divergence_holds_it_and_is_as_wide_as_seeds_scatter() -> None:
    # Few pairs: a sample's divergence lies above that of the distribution, and that of a sample
    # drawn from the sample lies above it again.
    found = [diagnostics.expressibility(rotations(1), pairs=60, seed=s) for s in range(60)]
    assert all(one.low <= one.divergence <= one.high for one in found)
    scatter = np.std([one.divergence for one in found])
    width = np.mean([one.high - one.low for one in found])
    # 95 % of a normal distribution are 3.92 standard deviations; 60 seeds know theirs to 10 %.
    assert width == pytest.approx(3.92 * scatter, rel=0.4)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_haar_states_have_their_mean_measure(n: int) -> None:
    size = 2**n
    measures = diagnostics.meyer_wallach(haar(n, 4000))
    # Four standard errors.
    slack = 4 * measures.std() / math.sqrt(len(measures))
    assert measures.mean() == pytest.approx((size - 2) / (size + 1), abs=slack)
    found = diagnostics.entangling_capability(rotations(n), samples=10)
    assert found.haar == pytest.approx((size - 2) / (size + 1))


def test_products_have_the_measure_0_and_a_ghz_state_has_1() -> None:
    product = diagnostics.entangling_capability(rotations(3), samples=20)
    assert product.mean == pytest.approx(0.0, abs=1e-6)  # float32 under JAX
    ghz = np.zeros((1, 8))
    ghz[0, [0, 7]] = 1 / math.sqrt(2)
    assert diagnostics.meyer_wallach(ghz) == pytest.approx([1.0])


def test_a_pair_of_qubits_has_the_measure_of_its_concurrence() -> None:
    # Of two qubits it is the tangle `4 |ad - bc|**2` (Coffman, Kundu, Wootters 2000).
    vectors = haar(2, 50)
    a, b, c, d = vectors.T
    tangle = 4 * np.abs(a * d - b * c) ** 2
    np.testing.assert_allclose(diagnostics.meyer_wallach(vectors), tangle, atol=1e-12)


# Waves.


def test_a_circuit_is_the_sum_of_its_waves() -> None:
    x, y, w = sympy.symbols("x y w")
    circuit = cirq.Circuit(
        cirq.ry(x)(Q[0]), cirq.rx(2 * y)(Q[1]), cirq.CX(*Q[:2]), cirq.ry(w)(Q[1]), cirq.rx(x)(Q[1])
    )
    compiled = compile_circuit(circuit, ["ZZ", "X1"], inputs=[x, y])
    spectrum = diagnostics.fourier_spectrum(compiled, weights=[0.7])
    assert spectrum.frequencies.shape == (15, 2)  # -2 to 2 in x, -2, 0 and 2 in y
    here = np.random.default_rng(0).uniform(-3, 3, (20, 2))
    job = compiled.job(best_precision())
    run = engines.prepare(job, engines.choose(job))
    x_and_w = (ops.convert_to_tensor(v, dtype=job.dtype) for v in (here, [0.7]))
    there = run(*x_and_w)
    # Rounding; float32 under JAX.
    np.testing.assert_allclose(spectrum(here), ops.convert_to_numpy(there), atol=1e-5)


def test_factors_of_an_input_need_not_be_whole() -> None:
    x = sympy.Symbol("x")
    circuit = cirq.Circuit(cirq.ry(0.5 * x)(Q[0]), cirq.ry(0.75 * x)(Q[0]))
    spectrum = diagnostics.fourier_spectrum(compile_circuit(circuit, "Z", inputs=[x]), weights=[])
    (frequency, amplitude), *_ = spectrum.strongest()
    assert frequency == pytest.approx((1.25,))
    assert amplitude == pytest.approx(1.0, abs=1e-5)
    assert "frequency (1.25,)" in str(spectrum)


def test_a_trained_layer_has_the_waves_that_it_learned() -> None:
    layer = PQCDense(1, n_qubits=1, n_layers=1, encoding="angle")
    layer.build((None, 1))
    layer.assign_symbol_values({"w0": 0.0, "w1": 0.0, "w2": 0.0})
    spectrum = diagnostics.fourier_spectrum(layer)
    # <Z> after a turn by x about X or Y is cos(x).
    assert spectrum.strongest()[0] == (pytest.approx((1.0,)), pytest.approx(1.0, abs=1e-5))


def test_one_input_of_many_is_looked_at_with_the_others_fixed() -> None:
    x = sympy.symbols("x:3")
    circuit = cirq.Circuit(cirq.ry(s)(q) for s, q in zip(x, Q, strict=False))
    compiled = compile_circuit(circuit, "ZZZ", inputs=x)
    spectrum = diagnostics.fourier_spectrum(compiled, weights=[], along=[1], inputs=[0.3, 9.0, 0.4])
    height = math.cos(0.3) * math.cos(0.4) / 2
    found = np.abs(spectrum.coefficients[:, 0])
    np.testing.assert_allclose(found, [height, 0.0, height], atol=1e-6)  # float32 under JAX


# Fisher information.


def test_the_fisher_information_of_rotations_is_known() -> None:
    a, b = sympy.symbols("a b")
    compiled = compile_circuit(cirq.Circuit(cirq.rx(a)(Q[0]), cirq.ry(b)(Q[0])))
    found = diagnostics.quantum_fisher(compiled, weights=[0.3, 0.9])
    # Four times the variance of Y/2 in the state that `rx(a)` makes.
    np.testing.assert_allclose(found.matrix, [[1, 0], [0, math.cos(0.3) ** 2]], atol=1e-6)
    assert found.rank == 2
    assert "All 2 weights" in str(found)


@pytest.mark.parametrize("power", [1, 2])
def test_the_fisher_information_is_that_of_differences(power: int) -> None:
    a, b, c = sympy.symbols("a b c")
    circuit = cirq.Circuit(
        cirq.H.on_each(*Q[:3]),
        cirq.rx(a)(Q[0]),
        cirq.CZ(*Q[:2]) ** (b / sympy.pi),
        cirq.ry(sympy.sin(c) * a**power)(Q[2]),
        cirq.CX(*Q[1:3]),
        cirq.rz(2 * c)(Q[1]),
        cirq.rx(c)(Q[1]),
    )
    compiled = compile_circuit(circuit, weights=[a, b, c])
    here = np.array([0.3, -0.4, 0.7])
    # The error is of second order in the step; float32 needs a larger one.
    step, tolerance = (1e-3, 1e-4) if best_precision() == "float64" else (0.03, 1e-2)

    def fidelity(move: np.ndarray) -> float:
        pair = states(compiled, np.array([here, here + move]))
        return float(abs(np.vdot(pair[0], pair[1])) ** 2)

    # `1 - |<psi(w)|psi(w + d)>|**2 = d F d / 4` up to fourth order.
    matrix = diagnostics.quantum_fisher(compiled, weights=here).matrix
    for direction in np.random.default_rng(0).normal(size=(5, 3)):
        lost = 2.0 - fidelity(step * direction) - fidelity(-step * direction)
        curve = lost / 2 * 4 / step**2
        assert direction @ matrix @ direction == pytest.approx(curve, rel=tolerance)


def test_the_rank_is_at_most_that_of_the_states() -> None:
    layer = PQCDense(1, n_qubits=2, n_layers=6)
    layer.build((None, 2))
    rng = np.random.default_rng(0)
    layer.assign_symbol_values({s: rng.uniform(0, 6) for s in layer.symbols})
    found = diagnostics.quantum_fisher(layer, x=[[0.1, 0.2]])
    # States of two qubits have 2 (4 - 1) real dimensions.
    assert found.rank == 6
    assert "6 of 36 weights change" in str(found)
    more = diagnostics.quantum_fisher(layer, x=rng.normal(size=(3, 2)))
    assert more.rank > 6


# While a model trains.


def watched(observable: str, n: int, **options: Any) -> tuple[Any, WatchGradients]:
    """Trains rotations of `n` qubits that start where their derivatives are `2**-n` or so."""
    circuit = cirq.Circuit(cirq.ry(w)(q) for w, q in zip(sympy.symbols(f"w:{n}"), Q, strict=False))
    layer = PQC(circuit, observable, inputs=[], name="circuit")
    model = keras.Sequential(
        [keras.Input((0,)), layer, keras.layers.Dense(1, name="head", trainable=False)]
    )
    layer.assign_symbol_values({s: 1.5 for s in layer.symbols})
    model.compile("sgd", "mse")
    x, y = np.zeros((2, 0)), np.ones((2, 1))
    watch = WatchGradients(x, y, **options)
    return model.fit(x, y, epochs=5, verbose=0, callbacks=[watch]), watch


def test_a_training_on_a_barren_plateau_is_warned_of_and_stopped() -> None:
    with pytest.warns(UserWarning, match="'circuit' is on a barren plateau"):
        history, watch = watched("ZZZZZZ", 6, patience=2, stop=True)
    assert len(history.history["loss"]) == 2
    assert watch.message is not None


def test_the_norm_of_each_layer_that_trains_is_in_the_history() -> None:
    history, watch = watched("Z0", 1)
    assert watch.message is None
    norms = history.history["gradient_norm/circuit"]
    assert len(norms) == 5
    assert min(norms) > 0
    assert "gradient_norm/head" not in history.history
    assert watch.norms == {"circuit": norms}
    assert len(watch.plot().axes[0].lines) == 1


def test_a_small_gradient_after_a_successful_training_is_no_plateau() -> None:
    layer = PQC(cirq.Circuit(cirq.ry(sympy.Symbol("w"))(Q[0])), "Z", inputs=[])
    model = keras.Sequential([keras.Input((0,)), layer])
    layer.assign_symbol_values({"w": 0.1})
    model.compile(keras.optimizers.SGD(1.0), "mse")
    x, y = np.zeros((1, 0)), np.array([[math.cos(0.9)]])
    watch = WatchGradients(x, y, patience=1, threshold=1e-2)
    model.fit(x, y, epochs=20, verbose=0, callbacks=[watch])
    assert watch.measured()[1][0][1] < 1e-2
    assert watch.message is None


# Effective dimension.


def turned() -> keras.Model:
    """Probabilities `cos(w/2)**2` and `sin(w/2)**2`."""
    circuit = cirq.Circuit(cirq.ry(sympy.Symbol("w"))(Q[0]))
    layer = PQC(circuit, inputs=[], output="probabilities")
    return keras.Sequential([keras.Input((0,)), layer])


def logits() -> keras.Model:
    return keras.Sequential([keras.Input((2,)), PQCDense(2)])


def test_a_turned_qubit_has_a_fisher_information_of_one() -> None:
    found = diagnostics.fisher_matrices(turned(), np.zeros((1, 0)), draws=3, low=0.2, high=2.9)
    np.testing.assert_allclose(found, np.ones((3, 1, 1)), rtol=1e-4)


def test_the_fisher_information_of_a_logistic_regression_is_the_textbooks() -> None:
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(3, activation="softmax", use_bias=False)]
    )
    before = model.get_weights()
    x = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")
    (found,) = diagnostics.fisher_matrices(model, x, draws=1, seed=5)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    kernel = np.random.default_rng(5).uniform(-1, 1, (2, 3))
    expected = np.zeros((6, 6))
    for row in x:
        p = np.exp(row @ kernel) / np.exp(row @ kernel).sum()
        expected += np.kron(np.outer(row, row), np.diag(p) - np.outer(p, p)) / len(x)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_parameters_that_do_the_same_count_once() -> None:
    a, b = sympy.symbols("a b")
    circuit = cirq.Circuit(cirq.ry(a)(Q[0]), cirq.ry(b)(Q[0]))
    layer = PQC(circuit, inputs=[], output="probabilities")
    model = keras.Sequential([keras.Input((0,)), layer])
    # The Fisher matrix is all ones: det(1 + k F) = 1 + 2 k.
    found = diagnostics.effective_dimension(model, np.zeros((1, 0)), [10**6], draws=2)
    k = 10**6 / (2 * math.pi * math.log(10**6))
    assert found.n_parameters == 2
    assert found.dimensions[0] == pytest.approx(math.log(1 + 2 * k) / math.log(k), rel=1e-3)


# Plots.


@pytest.mark.parametrize(
    "make",
    [
        lambda: diagnostics.expressibility(idle(1), pairs=10),
        lambda: diagnostics.entangling_capability(rotations(2), samples=10),
        lambda: diagnostics.fourier_spectrum(wave(), weights=[]),
        lambda: diagnostics.quantum_fisher(rotations(2), weights=[0.1, 0.2]),
        lambda: diagnostics.gradient_sweep("sim2", qubits=[2, 3], layers=[1, 2], samples=10),
        lambda: diagnostics.effective_dimension(turned(), np.zeros((1, 0)), draws=2),
    ],
)
def test_each_diagnosis_is_plotted_and_said(make: Any, tmp_path: Any) -> None:
    found = make()
    found.plot().savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 5000
    assert len(str(found)) > 40


# Bad input.


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: diagnostics.expressibility("sim1"), "`circuit` must be a built quantum layer"),
        (lambda: diagnostics.expressibility(PQCDense(1)), "not built yet"),
        (lambda: diagnostics.expressibility(idle(1), pairs=1), "`pairs` must be a whole number"),
        (lambda: diagnostics.expressibility(idle(1), bins=0), "`bins`"),
        (lambda: diagnostics.expressibility(idle(1), level=1.0), "`level` must be between"),
        (lambda: diagnostics.expressibility(idle(1), inputs=[1.0]), "hold 0 finite numbers"),
        (lambda: diagnostics.gradient_variance(idle(1)), "must have weights"),
        (lambda: diagnostics.gradient_variance(rotations(1).reading(idle(1).readout)), "observ"),
        (lambda: diagnostics.gradient_sweep("none"), "'ansatz'|`ansatz`"),
        (lambda: diagnostics.fourier_spectrum(wave(), weights=[], along=0), "list of indices"),
        (lambda: diagnostics.meyer_wallach(np.zeros((0, 4))), "`vectors` must have shape"),
        (lambda: diagnostics.fisher_matrices(PQCDense(1), np.ones((1, 2))), "built Keras model"),
        (lambda: diagnostics.fisher_matrices(turned(), np.ones((0, 0))), "`x` must hold finite"),
        (lambda: diagnostics.fisher_matrices(turned(), np.ones((1, 0)), low=1), "below `high`"),
        (
            lambda: diagnostics.fisher_matrices(logits(), np.ones((1, 2))),
            "probabilities of classes",
        ),
        (lambda: diagnostics.effective_dimension(turned(), np.ones((1, 0)), []), "`n_samples`"),
        (lambda: diagnostics.gradient_sweep(qubits=[]), "`qubits` must hold at least one number"),
        (lambda: diagnostics.gradient_sweep(qubits=[2], layers=[1], samples=9).rate(), "two"),
        (lambda: diagnostics.meyer_wallach(np.ones((2, 3))), r"\(batch, 2\*\*n_qubits\)"),
        (lambda: diagnostics.meyer_wallach(np.ones((2, 4))), "normalised"),
        (lambda: diagnostics.fourier_spectrum(idle(1), weights=[]), "must have inputs"),
        (lambda: diagnostics.fourier_spectrum(wave()), "`weights` must hold 0"),
        (lambda: diagnostics.fourier_spectrum(wave(), weights=[], along=[1]), "`along`"),
        (lambda: diagnostics.fourier_spectrum(wave("sin(x)"), weights=[]), "affine in x"),
        (lambda: diagnostics.fourier_spectrum(wave(n=12), weights=[]), "Name fewer"),
        (lambda: diagnostics.fourier_spectrum(wave(), weights=[], inputs=[np.nan]), "finite"),
        (lambda: WatchGradients([], [], threshold=0.0), "`threshold` must be above 0"),
        (lambda: WatchGradients([], [], patience=0), "`patience`"),
        (lambda: diagnostics.quantum_fisher(idle(1)), "must have weights"),
        (lambda: diagnostics.quantum_fisher(rotations(2)), "`weights` must hold 2"),
        (lambda: diagnostics.quantum_fisher(rotations(1), weights=["a"]), "`weights`"),
        (
            lambda: diagnostics.quantum_fisher(rotations(1), weights=[0.1], tolerance=0.0),
            "`tolerance`",
        ),
        (lambda: diagnostics.quantum_fisher(rotations(1), weights=[1.0], x=[[1.0]]), "columns"),
    ],
)
def test_wrong_arguments_are_told(call: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()


def test_a_circuit_with_noise_is_refused() -> None:
    noisy = cirq.Circuit(cirq.ry(sympy.Symbol("w"))(Q[0]), cirq.depolarize(0.1)(Q[0]))
    compiled = compile_circuit(noisy, "Z")
    with pytest.raises(ValueError, match="Leave the noise out"):
        diagnostics.gradient_variance(compiled)
    with pytest.raises(ValueError, match="Leave the noise out"):
        diagnostics.expressibility(compiled)


# What a review found.


def test_a_factor_raises_the_noise_of_a_derivative() -> None:
    a = sympy.Symbol("a")
    circuits = {f: cirq.Circuit(cirq.ry(f * a)(Q[0])) for f in (1, 3)}
    noise = {
        f: diagnostics.gradient_variance(compile_circuit(c, "Z"), samples=10).noise
        for f, c in circuits.items()
    }
    assert noise == {1: pytest.approx(0.5), 3: pytest.approx(4.5)}


def test_states_come_in_batches_of_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = diagnostics.expressibility(rotations(2), pairs=50)
    monkeypatch.setattr("qkeras_hybrid._states._LARGEST", 500)
    parts = diagnostics.expressibility(rotations(2), pairs=50)
    np.testing.assert_array_equal(whole.histogram, parts.histogram)


def test_a_loss_that_is_nan_is_warned_of() -> None:
    layer = PQC(cirq.Circuit(cirq.ry(sympy.Symbol("w"))(Q[0])), "Z", inputs=[], check_finite=False)
    model = keras.Sequential([keras.Input((0,)), layer])
    layer.assign_symbol_values({"w": float("nan")})
    model.compile("sgd", "mse")
    watch = WatchGradients(np.zeros((1, 0)), np.zeros((1, 1)), stop=True)
    with pytest.warns(UserWarning, match="The loss is nan"):
        history = model.fit(
            np.zeros((1, 0)), np.zeros((1, 1)), epochs=5, verbose=0, callbacks=[watch]
        )
    assert len(history.history["loss"]) == 1
