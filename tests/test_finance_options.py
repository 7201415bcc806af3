"""Option prices by amplitude estimation agree with closed forms, and so do the circuits."""

from __future__ import annotations

import math
from typing import Any

import cirq
import numpy as np
import pytest
import sympy

from qkeras_hybrid import ArgumentError, compile_circuit, engines, finance, noise
from qkeras_hybrid.finance.loading import distribution_circuit, function_circuit, multiplexed_ry

# The European call of qiskit-finance's tutorial.
PRICES = finance.LogNormal(2.0, volatility=0.4, rate=0.05, maturity=40 / 365, n_qubits=3)
CALL = finance.EuropeanOption(PRICES, strike=1.896)
PUT = finance.EuropeanOption(PRICES, strike=1.896, kind="put")

ROUNDING = 1e-12  # some hundred operations in float64


def objective_probability(circuit: cirq.Circuit, n_qubits: int) -> float:
    qubits = cirq.LineQubit.range(n_qubits)
    state = circuit.final_state_vector(qubit_order=qubits, dtype=np.complex128)
    return float(np.sum(np.abs(state[1::2]) ** 2))


def test_the_call_of_the_tutorial_has_the_value_and_the_delta_that_are_printed_there() -> None:
    assert CALL.expected_payoff == pytest.approx(0.1622760935, abs=1e-9)
    assert CALL.in_the_money == pytest.approx(0.8097973991, abs=1e-9)


def test_the_circuit_holds_the_expected_payoff_exactly() -> None:
    for option in (CALL, PUT):
        amplitude = option.problem().probability()
        assert amplitude * option.payoff.max() == pytest.approx(
            option.expected_payoff, abs=ROUNDING
        )
        assert option.price_of(amplitude) == pytest.approx(option.grid_price, abs=ROUNDING)
        in_the_money = option.in_the_money_problem().probability()
        assert in_the_money == pytest.approx(option.in_the_money, abs=ROUNDING)


@pytest.mark.parametrize("k", [0, 1, 2, 7, 100])
def test_after_k_iterates_the_circuit_gives_the_sine(k: int) -> None:
    problem = CALL.problem()
    theta = math.asin(math.sqrt(CALL.expected_payoff / CALL.payoff.max()))
    expected = math.sin((2 * k + 1) * theta) ** 2
    # An error of the state grows with the number of iterates.
    assert problem.probability(k) == pytest.approx(expected, abs=(k + 1) * 1e-13)


@pytest.mark.parametrize("k", [0, 2])
def test_the_whole_circuit_on_an_engine_and_on_cirq_gives_the_same(k: int) -> None:
    problem = CALL.problem()
    circuit = problem.circuit(k)
    assert objective_probability(circuit, 4) == pytest.approx(problem.probability(k), abs=ROUNDING)
    compiled = compile_circuit(circuit, cirq.Z(problem.objective))
    job = compiled.job(gradient=False)
    run = engines.prepare(job, engines.choose(job))
    mean = float(np.asarray(run(np.zeros((1, 0), "float32"), np.zeros(0, "float32")))[0, 0])
    assert (1 - mean) / 2 == pytest.approx(problem.probability(k), abs=1e-5)  # float32


def test_an_objective_may_be_any_qubit() -> None:
    a, b = cirq.LineQubit.range(2)
    circuit = cirq.Circuit(cirq.ry(0.8)(a), cirq.CNOT(a, b), cirq.H(b))
    problem = finance.AmplitudeProblem(circuit, objective=a)
    assert problem.probability(1) == pytest.approx(math.sin(3 * 0.4) ** 2, abs=ROUNDING)


def test_a_single_qubit_has_a_grover_iterate() -> None:
    problem = finance.AmplitudeProblem(cirq.Circuit(cirq.ry(0.8)(cirq.q("a"))))
    assert problem.probability(3) == pytest.approx(math.sin(7 * 0.4) ** 2, abs=ROUNDING)


def test_a_multiplexed_rotation_is_a_rotation_for_each_basis_state() -> None:
    angles = np.random.default_rng(0).uniform(-4, 4, 8)
    *controls, target = cirq.LineQubit.range(4)
    circuit = cirq.Circuit(multiplexed_ry(angles, controls, target))
    blocks = [cirq.unitary(cirq.ry(angle)) for angle in angles]
    expected = np.zeros((16, 16), complex)
    for j, block in enumerate(blocks):
        expected[2 * j : 2 * j + 2, 2 * j : 2 * j + 2] = block
    actual = circuit.unitary(qubit_order=[*controls, target], dtype=np.complex128)
    assert np.allclose(actual, expected, atol=ROUNDING)


def test_distributions_with_zeros_load_exactly() -> None:
    probabilities = np.array([0, 0, 0, 0, 0.25, 0, 0.75, 0])
    state = distribution_circuit(probabilities, cirq.LineQubit.range(3)).final_state_vector(
        dtype=np.complex128
    )
    assert np.allclose(state, np.sqrt(probabilities), atol=ROUNDING)


def test_a_function_of_zero_and_one_loads_exactly() -> None:
    *qubits, target = cirq.LineQubit.range(3)
    circuit = cirq.Circuit(cirq.H.on_each(*qubits))
    circuit += function_circuit(np.array([0.0, 1.0, 1.0, 1.0]), qubits, target)
    assert objective_probability(circuit, 3) == pytest.approx(0.75, abs=ROUNDING)


def test_call_minus_put_is_forward_minus_strike_on_the_grid_and_in_closed_form() -> None:
    forward = PRICES.probabilities @ PRICES.grid
    on_grid = CALL.discount * (forward - CALL.strike)
    assert CALL.grid_price - PUT.grid_price == pytest.approx(on_grid, abs=ROUNDING)
    closed = PRICES.spot - CALL.discount * CALL.strike
    assert CALL.black_scholes - PUT.black_scholes == pytest.approx(closed, abs=ROUNDING)


def test_black_scholes_gives_the_price_of_hulls_example() -> None:
    # Hull, Options, Futures, and Other Derivatives, section 15.9: 4.76 and 0.81.
    prices = finance.LogNormal(42.0, 0.2, 0.1, 0.5)
    assert finance.EuropeanOption(prices, 40.0).black_scholes == pytest.approx(4.76, abs=0.005)
    put = finance.EuropeanOption(prices, 40.0, "put")
    assert put.black_scholes == pytest.approx(0.81, abs=0.005)


def test_a_finer_and_wider_grid_comes_closer_to_black_scholes() -> None:
    errors = []
    for n_qubits in (3, 6, 10):
        prices = finance.LogNormal(2.0, 0.4, 0.05, 40 / 365, n_qubits, deviations=6)
        option = finance.EuropeanOption(prices, 1.896)
        errors.append(abs(option.grid_price - option.black_scholes))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-5


@pytest.mark.parametrize("seed", range(5))
def test_the_iterative_method_is_as_precise_as_it_was_asked_to_be(seed: int) -> None:
    problem = CALL.problem()
    found = finance.iterative(problem, 0.002, alpha=1e-6, seed=seed)
    low, high = found.interval
    assert (high - low) / 2 <= 0.002
    assert low <= problem.probability() <= high
    assert found.oracle_calls == sum(
        n * (2 * k + 1) for k, n in zip(found.powers, found.shots, strict=True)
    )


@pytest.mark.parametrize("amplitude", [0.0, 1e-4, 0.5, 0.9999, 1.0])
def test_both_methods_estimate_amplitudes_at_and_near_the_ends(amplitude: float) -> None:
    angle = 2 * math.asin(math.sqrt(amplitude))
    problem = finance.AmplitudeProblem(cirq.Circuit(cirq.ry(angle)(cirq.q("a"))))
    for found in (
        finance.iterative(problem, 0.01, alpha=1e-6, seed=1),
        finance.maximum_likelihood(problem, alpha=1e-6, seed=1),
    ):
        low, high = found.interval
        assert low - ROUNDING <= amplitude <= high + ROUNDING
        assert found.value == pytest.approx(amplitude, abs=0.01)


def test_intervals_hold_the_true_value_as_often_as_they_say() -> None:
    problem = CALL.problem()
    true = problem.probability()
    held = np.zeros(2)
    for seed in range(300):
        found = (
            finance.iterative(problem, 0.02, seed=seed),
            finance.maximum_likelihood(problem, (0, 1, 2, 4), seed=seed),
        )
        held += [f.interval[0] <= true <= f.interval[1] for f in found]
    # 95 %; of 300, three standard deviations are 3.8 points.
    assert (held / 300 > 0.912).all()


def test_the_error_falls_faster_than_that_of_sampling() -> None:
    problem = CALL.problem()
    true = problem.probability()
    errors = {}
    for largest in (1, 6):
        powers = (0, *(2**j for j in range(largest + 1)))
        found = [finance.maximum_likelihood(problem, powers, seed=s) for s in range(40)]
        calls = found[0].oracle_calls
        deviation = np.sqrt(np.mean([(f.value - true) ** 2 for f in found]))
        errors[calls] = deviation * math.sqrt(calls)  # constant for sampling
    few, many = sorted(errors)
    assert errors[many] < errors[few] / 2


def test_monte_carlo_holds_the_exact_prices() -> None:
    for on_grid, true in ((True, CALL.grid_price), (False, CALL.black_scholes)):
        mean, (low, high) = CALL.monte_carlo(20_000, on_grid=on_grid, alpha=1e-5, seed=3)
        assert low < true < high
        assert low < mean < high


def test_the_study_gives_monte_carlo_as_many_samples() -> None:
    table = finance.option_study(CALL, epsilons=[0.02], largest_powers=[3], seeds=[1, 2])
    assert len(table) == 2 + 2 * 6
    estimates = table[table.samples > 0]
    assert (estimates.groupby(["seed", "samples"]).size() == 3).all()
    assert table.price.notna().all()
    again = finance.option_study(CALL, epsilons=[0.02], largest_powers=[3], seeds=[1, 2])
    assert table.equals(again)


def test_an_engine_measures_the_circuit_and_noise_spoils_it() -> None:
    problem = CALL.problem()
    rng = np.random.default_rng(0)
    shots = 4000
    ideal = problem.hits(2, shots, rng, engine="auto") / shots
    # Five standard deviations.
    assert ideal == pytest.approx(problem.probability(2), abs=5 * 0.5 / math.sqrt(shots))
    noisy = problem.hits(2, shots, rng, noise=noise.depolarizing(0.02)) / shots
    assert abs(noisy - 0.5) < abs(ideal - 0.5) / 2


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"volatility": -0.2}, "volatility"),
        ({"volatility": 0.0}, "volatility"),
        ({"volatility": math.nan}, "volatility"),
        ({"maturity": -1.0}, "maturity"),
        ({"maturity": 0.0}, "maturity"),
        ({"spot": 0.0}, "spot"),
        ({"rate": math.inf}, "rate"),
        ({"n_qubits": 0}, "n_qubits"),
        ({"n_qubits": 11}, "n_qubits"),
        ({"n_qubits": 2.5}, "n_qubits"),
        ({"deviations": 0.0}, "deviations"),
        ({"deviations": 1e9}, "deviations"),
        ({"volatility": 50.0}, "volatility"),
        ({"maturity": 1e-30}, "volatility"),
    ],
)
def test_a_wrong_distribution_is_refused(arguments: dict[str, Any], argument: str) -> None:
    with pytest.raises(ArgumentError) as error:
        finance.LogNormal(**{"spot": 2.0, "volatility": 0.4} | arguments)
    assert error.value.argument == argument


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"strike": -1.0}, "strike"),
        ({"strike": 100.0}, "strike"),
        ({"strike": 0.1, "kind": "put"}, "strike"),
        ({"kind": "chooser"}, "kind"),
        ({"prices": 2.0}, "prices"),
    ],
)
def test_a_wrong_option_is_refused(arguments: dict[str, Any], argument: str) -> None:
    with pytest.raises(ArgumentError) as error:
        finance.EuropeanOption(**{"prices": PRICES, "strike": 2.0} | arguments)
    assert error.value.argument == argument


@pytest.mark.parametrize("bad", [0.0, 1.0, -0.1, math.nan, "x"])
def test_epsilon_and_alpha_must_lie_between_0_and_1(bad: Any) -> None:
    problem = CALL.problem()
    with pytest.raises(ArgumentError, match="`alpha`"):
        finance.iterative(problem, 0.1, alpha=bad)
    with pytest.raises(ArgumentError, match="`alpha`"):
        finance.maximum_likelihood(problem, alpha=bad)
    with pytest.raises(ArgumentError, match="`epsilon`"):
        finance.iterative(problem, bad)


def test_a_wrong_problem_is_refused() -> None:
    with pytest.raises(ArgumentError, match="at most 11"):
        finance.AmplitudeProblem(cirq.Circuit(cirq.H.on_each(*cirq.LineQubit.range(12))))
    with pytest.raises(ArgumentError, match="`circuit`"):
        finance.AmplitudeProblem(cirq.Circuit())
    with pytest.raises(ArgumentError, match="`objective`"):
        finance.AmplitudeProblem(cirq.Circuit(cirq.H(cirq.q("a"))), objective=cirq.q("b"))
    qubit = cirq.q("a")
    for wrong in (cirq.measure(qubit), cirq.depolarize(0.1)(qubit)):
        with pytest.raises(ArgumentError, match="be unitary"):
            finance.AmplitudeProblem(cirq.Circuit(cirq.H(qubit), wrong))
    with pytest.raises(ArgumentError, match="numbers as parameters"):
        finance.AmplitudeProblem(cirq.Circuit(cirq.rx(sympy.Symbol("t"))(qubit)))
    for powers in ([], [-1], [0.5], [20_000]):
        with pytest.raises(ArgumentError, match="`powers`"):
            finance.maximum_likelihood(CALL.problem(), powers)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="`shots`"):
        finance.iterative(CALL.problem(), 0.1, shots=0)
    with pytest.raises(ArgumentError, match="`n_samples`"):
        CALL.monte_carlo(1)


def test_options_are_values() -> None:
    again = finance.EuropeanOption.from_config(CALL.get_config())
    assert again == CALL
    assert hash(again) == hash(CALL)
    assert again != PUT


@pytest.mark.parametrize("shots", [1, 5, 10])
def test_iterative_estimation_ends_with_few_shots(shots: int) -> None:
    for seed, amplitude in enumerate((0.0917, 0.3, 0.5, 0.99)):
        circuit = cirq.Circuit(cirq.ry(2 * np.arcsin(np.sqrt(amplitude)))(cirq.LineQubit(0)))
        problem = finance.AmplitudeProblem(circuit)
        found = finance.iterative(problem, 0.05, shots=shots, seed=seed)
        assert len(found.powers) < 2000
        assert found.interval[1] - found.interval[0] < 0.11
