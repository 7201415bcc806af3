"""Circuits trained with Keras's `fit` reach the energies of molecules, on any engine."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import qkeras_hybrid as qh
from qkeras_hybrid import ArgumentError
from qkeras_hybrid.chemistry import (
    UCCSD,
    Excitations,
    GroundState,
    KUpCCGSD,
    WithTemplate,
    angles_model,
    curve_study,
    electrons,
    energy_curve,
    excited_states,
    fit_angles,
    ground_state,
    predicted_energies,
)
from qkeras_hybrid.chemistry.mappings import Encoding
from qkeras_hybrid.chemistry.solving import Solver

pytest.importorskip("openfermion")

H2 = {"bond_length": 0.7414}
FCI = -1.1372701746
STUDY: dict[str, Any] = {"train": [0.6, 0.7, 0.8, 0.9], "between": [0.65], "beyond": [1.0]}
SMALL = {"bond_length": 1.45, "active_space": (2, 3), "taper": True}


def hydrogen(**arguments: Any) -> GroundState:
    return ground_state("H2", **{**H2, **arguments})


@pytest.mark.parametrize(("bond_length", "energy"), [(0.7414, FCI), (0.7, -1.1361895497)])
def test_hydrogen_is_solved_exactly(bond_length: float, energy: float) -> None:
    result = ground_state("H2", bond_length=bond_length, ansatz="uccsd")
    assert result.energy == pytest.approx(energy, abs=1e-6)
    assert result.fci_energy == pytest.approx(energy, abs=2e-7)
    assert result.deviation is not None
    assert result.deviation > -1e-12  # no state is below the lowest one
    assert result.chemically_accurate
    assert result.history[0] == pytest.approx(result.hf_energy, abs=1e-10)
    assert result.history.min() == pytest.approx(result.energy, abs=1e-12)


def test_lithium_hydride_is_solved_to_chemical_accuracy() -> None:
    result = ground_state("LiH", bond_length=1.45, ansatz="uccsd", steps=80)
    assert result.model.get_layer("energy").compiled.n_qubits == 12
    assert result.weights.shape == (92,)
    assert result.energy == pytest.approx(-7.8809823148, abs=1.6e-3)
    assert result.energy > -7.8809823149


@pytest.mark.parametrize("mapping", ["jordan_wigner", "parity", "bravyi_kitaev"])
def test_every_mapping_has_the_same_energies(mapping: str) -> None:
    weights = [0.1, -0.2, 0.15]
    found = electrons("H2", **H2, mapping=mapping)
    solver = Solver(found, None, 1, 0.0, None, "float64", {})
    layer = solver.layer(UCCSD(), inputs=UCCSD().symbols(found))
    energy = solver.energy(layer, np.array([weights]))
    first = electrons("H2", **H2)
    state = _state(first, weights)
    by_hand = (state.conj() @ first.hamiltonian.matrix(first.qubits) @ state).real
    assert energy == pytest.approx(by_hand, abs=1e-9)


def _state(found: Any, weights: list[float]) -> np.ndarray:
    """The state by exponentials of OpenFermion's matrices: the double, then the singles."""
    import openfermion
    from scipy.linalg import expm

    state = np.zeros(16, complex)
    state[0b1100] = 1.0
    for excitation, weight in (("3^ 2^ 1 0", 2), ("2^ 0", 0), ("3^ 1", 1)):
        operator = openfermion.FermionOperator(excitation)
        generator = operator - openfermion.hermitian_conjugated(operator)
        state = (
            expm(weights[weight] * openfermion.get_sparse_operator(generator, 4).toarray()) @ state
        )
    return state


@pytest.mark.parametrize(
    ("ansatz", "off"),
    [
        ("hartree_fock", 0.0205857877),
        ("adapt", 1e-6),
        ("k_upccgsd", 1e-6),
        (WithTemplate(n_layers=3), 1e-4),
        (qh.ansatz.StronglyEntangling(), 1e-4),
    ],
)
def test_every_ansatz_comes_as_far_as_it_can(ansatz: Any, off: float) -> None:
    result = hydrogen(ansatz=ansatz, seed=0)
    if ansatz == "hartree_fock":
        assert result.energy == pytest.approx(result.hf_energy, abs=1e-10)
        assert result.deviation == pytest.approx(off, abs=1e-9)
        return
    assert result.deviation is not None
    assert -1e-12 < result.deviation < off
    assert len(result.weights) == result.ansatz.n_weights(result.electrons)


def test_adapt_takes_the_steepest_excitations_first() -> None:
    result = ground_state("LiH", **{**SMALL, "taper": False}, ansatz="adapt")
    assert isinstance(result.ansatz, Excitations)
    found = result.electrons
    solver = Solver(found, None, 1, 0.0, None, "float64", {"shots": None})
    pool = UCCSD().excitations(found)
    # The slope by an excitation is the derivative of a circuit with that one alone.
    slopes = solver.slopes((), [], pool)
    for excitation, slope in zip(pool, slopes, strict=True):
        layer = solver.layer(Excitations((excitation,)), inputs=["t0"])
        values = ops.convert_to_numpy(layer(np.array([[1e-4], [-1e-4]])))[:, 0]
        assert slope == pytest.approx((values[0] - values[1]) / 2e-4, abs=1e-7)
    assert result.ansatz.chosen[0] == pool[int(np.argmax(np.abs(slopes)))]
    assert result.deviation is not None
    assert result.deviation < 1e-4
    assert hydrogen(ansatz="adapt", max_excitations=1).ansatz.n_weights(found) == 1


@pytest.mark.parametrize(
    ("optimizer", "steps"),
    [(qh.optimizers.QNG(0.3), 60), (qh.optimizers.Rotosolve(), 8), ("sgd", 60)],
    ids=["QNG", "Rotosolve", "sgd"],
)
def test_optimizers_of_the_package_and_of_keras_train(optimizer: Any, steps: int) -> None:
    result = hydrogen(taper=True, optimizer=optimizer, steps=steps)
    assert result.deviation is not None
    assert result.deviation < (1e-2 if optimizer == "sgd" else 1e-9)


@pytest.mark.parametrize("engine", ["native", "statevector", "density"])
def test_the_coprocessor_is_one_argument(engine: str) -> None:
    if engine == "native" and "built" not in qh.engines.native.build_status():
        pytest.skip("the native engine is not built")
    result = hydrogen(taper=True, engine=engine, steps=40)
    assert result.model.get_layer("energy").engine.name == engine
    assert result.deviation is not None
    assert abs(result.deviation) < 1e-4


def test_shots_and_noise_pass_through() -> None:
    exact = hydrogen(taper=True, steps=40)
    estimated = hydrogen(taper=True, steps=1, shots=4000, seed=0, weights=exact.weights)
    assert len(estimated.history) == 1
    # Of two groups of strings with coefficients below 0.8: a deviation of about 0.01.
    assert estimated.history[0] == pytest.approx(exact.energy, abs=0.05)
    assert estimated.history[0] != exact.energy
    noisy = hydrogen(taper=True, steps=1, noise="depolarizing:0.05", weights=exact.weights)
    assert noisy.history[0] > exact.energy + 1e-3


def test_strings_are_measured_together() -> None:
    found = electrons("H2", **H2)
    solver = Solver(found, None, 1, 0.0, None, "float64", {"shots": 100})
    layer = solver.layer(UCCSD(), inputs=[])
    layer(np.zeros((1, 0)))
    (readout,) = layer.readouts
    assert len(readout.settings(layer.compiled.program)) == 5  # for 14 strings


def test_the_model_is_one_of_kerass(tmp_path: Path) -> None:
    result = hydrogen(steps=20)
    path = tmp_path / "hydrogen.keras"
    result.model.save(path)
    loaded = keras.models.load_model(path)
    again = float(ops.convert_to_numpy(loaded(np.zeros((1, 0))))[0, 0])
    assert again == pytest.approx(result.energy, abs=1e-12)
    assert "uccsd" in repr(result)


def test_a_training_goes_on_from_given_weights() -> None:
    first = hydrogen(steps=10)
    second = hydrogen(steps=10, weights=first.weights)
    assert second.history[0] == pytest.approx(first.energy, abs=1e-12)
    assert second.energy <= first.energy


def test_excited_states_come_in_order_and_one_that_is_missed_is_warned_of() -> None:
    lithium = {"bond_length": 1.45, "active_space": (2, 3), "taper": True}
    with pytest.warns(UserWarning, match=r"differs from the exact energy by .* hartree"):
        result = excited_states("LiH", **lithium, k=3, steps=60)
    assert (np.diff(result.energies) >= 0).all()
    np.testing.assert_allclose(
        [ops.convert_to_numpy(model(np.zeros((1, 0)))).item() for model in result.models],
        result.energies,
        atol=1e-6,
    )


def test_excited_states_are_those_of_the_matrix() -> None:
    result = excited_states("H2", **H2, k=3)
    assert result.exact_energies is not None
    # The penalties keep states apart up to what the trainings leave.
    np.testing.assert_allclose(result.energies, result.exact_energies, atol=1e-4)
    assert np.abs(result.overlaps - np.eye(3)).max() < 1e-4
    energy = float(ops.convert_to_numpy(result.models[1](np.zeros((1, 0))))[0, 0])
    assert energy == pytest.approx(result.energies[1])


def test_overlaps_are_measured_where_there_are_shots() -> None:
    result = excited_states("H2", **H2, k=2, shots=500, steps=2, taper=True)
    assert 0 <= result.overlaps[0, 1] <= 1
    assert len(result.histories[1]) == 2
    # Without the triplet, whose symmetry is another one.
    assert result.exact_energies is not None
    assert result.exact_energies[1] == pytest.approx(0.4798361105, abs=1e-9)


def test_angles_generalise_over_bond_lengths() -> None:
    whole = energy_curve("H2", [0.6, 0.8, 1.0, 1.3, 0.7, 0.9])
    known, new = whole.of(slice(4)), whole.of(slice(4, None))
    model = angles_model(known, hidden=(8,), seed=0)
    energies = fit_angles(model, known, steps=200, learning_rate=0.05)
    assert energies.shape == (200,)
    assert energies[-1] < energies[0]
    found = ops.convert_to_numpy(model(new.inputs))[:, 0]
    errors = found - new.fci_energies
    assert (errors > -1e-9).all()  # a state's energy, wherever the network is asked
    assert errors.max() < 1.6e-3
    # What it predicts are weights of the circuit.
    predict = keras.Model(model.inputs, model.get_layer("angles").output)
    angles = ops.convert_to_numpy(predict([new.inputs["bond_length"], new.inputs["coefficients"]]))
    solver = Solver(new.electrons[0], None, 1, 0.0, None, "float64", {})
    layer = solver.layer(UCCSD(), inputs=UCCSD().symbols(new.electrons[0]))
    assert solver.energy(layer, angles[:1]) == pytest.approx(float(found[0]), abs=1e-9)
    np.testing.assert_allclose(predicted_energies(model, new), found, atol=1e-12)
    with pytest.raises(ArgumentError, match="`curve` must have the same Pauli strings"):
        predicted_energies(model, energy_curve("H2", [0.6], taper=True))
    with pytest.raises(ArgumentError, match="`model` must be a model from"):
        predicted_energies(predict, new)


def test_the_study_compares_on_the_same_points() -> None:
    table = curve_study(
        "H2",
        [0.6, 0.8, 1.0, 1.3],
        between=[0.7, 0.9],
        beyond=[1.5],
        hidden=(4,),
        seeds=(0,),
        steps=20,
        taper=True,
    )
    assert set(table.contender) == {
        *("circuit", "Dense", "spline", "spline of the correlation"),
        *("Gaussian process", "Hartree-Fock"),
    }
    spline = table[table.contender == "spline"].iloc[0]
    assert spline.train < 1e-12
    hf = table[table.contender == "Hartree-Fock"].iloc[0]
    found = electrons("H2", bond_length=1.5)
    assert found.fci_energy is not None
    assert hf.beyond == pytest.approx(found.hf_energy - found.fci_energy)


@pytest.mark.parametrize(
    ("function", "arguments", "argument"),
    [
        (ground_state, {**H2, "ansatz": "uccd"}, "ansatz"),
        (ground_state, {**H2, "ansatz": 3}, "ansatz"),
        (ground_state, {**H2, "steps": 0}, "steps"),
        (ground_state, {**H2, "tolerance": float("nan")}, "tolerance"),
        (ground_state, {**H2, "tolerance": -1.0}, "tolerance"),
        (ground_state, {**H2, "dtype": "float16"}, "dtype"),
        (ground_state, {**H2, "weights": [0.0]}, "weights"),
        (ground_state, {**H2, "weights": [float("nan")] * 3}, "weights"),
        (ground_state, {**H2, "weights": [0.0], "ansatz": "adapt"}, "weights"),
        (ground_state, {**H2, "gradient_tolerance": 0}, "gradient_tolerance"),
        (ground_state, {**H2, "max_excitations": 0}, "max_excitations"),
        (ground_state, {**H2, "shots": 0}, "shots"),
        (excited_states, {**H2, "k": 0}, "k"),
        (excited_states, {**H2, "k": 17}, "k"),
        (excited_states, {**H2, "penalty": 0}, "penalty"),
        (excited_states, {**H2, "ansatz": "adapt"}, "ansatz"),
        (excited_states, {**H2, "ansatz": "hartree_fock"}, "ansatz"),
        (energy_curve, {"bond_lengths": []}, "bond_lengths"),
        (energy_curve, {"bond_lengths": [0.7, 0.7]}, "bond_lengths"),
        (energy_curve, {"bond_lengths": [0.7, float("inf")]}, "bond_lengths"),
        (energy_curve, {"bond_lengths": 0.7}, "bond_lengths"),
        (energy_curve, {"bond_lengths": "abc"}, "bond_lengths"),
        (energy_curve, {"bond_lengths": [0.7, -0.7]}, "bond_lengths"),
        (energy_curve, {"bond_lengths": None}, "bond_lengths"),
        (curve_study, {"train": [0.6, 0.7], "between": [0.65], "beyond": [1]}, "train"),
        (curve_study, {**STUDY, "train": "abcd"}, "train"),
        (curve_study, {**STUDY, "between": [1]}, "between"),
        (curve_study, {**STUDY, "between": []}, "between"),
        (curve_study, {**STUDY, "between": 0.65}, "between"),
        (curve_study, {**STUDY, "beyond": []}, "beyond"),
        (curve_study, {**STUDY, "beyond": [0.75]}, "beyond"),
        (curve_study, {**STUDY, "beyond": ["far"]}, "beyond"),
        (curve_study, {**STUDY, "seeds": ()}, "seeds"),
        (curve_study, {**STUDY, "seeds": 3}, "seeds"),
        (curve_study, {**STUDY, "seeds": [0, -1]}, "seeds"),
        (ground_state, {**H2, "seed": -1}, "seed"),
        (ground_state, {**H2, "seed": 0.5}, "seed"),
        (excited_states, {**H2, "seed": -1}, "seed"),
        (ground_state, {**H2, "steps": 10**15}, "steps"),
        (ground_state, {**H2, "ansatz": "adapt", "active_space": (2, 1)}, "ansatz"),
        (ground_state, {**H2, "ansatz": Excitations(((0, 4),))}, "chosen"),
        (ground_state, {**H2, "ansatz": Excitations(((0, 1, 2, 9),))}, "chosen"),
    ],
)
def test_wrong_arguments_are_named(function: Any, arguments: dict[str, Any], argument: str) -> None:
    with pytest.raises(ArgumentError) as error:
        function("H2", **arguments)
    assert error.value.argument == argument


def test_excitations_are_of_different_spin_orbitals_that_are_there() -> None:
    for chosen in (3, [3], "ab", [(0, 1, 2)], [(0, 0)], [(-1, 2)], [(0.5, 2)], [(0, 1, 2, 2)]):
        with pytest.raises(ArgumentError, match="`chosen` must be excitations"):
            Excitations(chosen)
    assert Excitations([[0, 2]]).chosen == ((0, 2),)
    found = electrons("H2", **H2)
    for excitation in ((0, 4), (0,), (0, 0), (0, 1, 2, -1)):
        with pytest.raises(ArgumentError, match="`excitation` must be two or four different"):
            found.generator(excitation)


def test_predictions_have_seeds_and_angles_have_bounds() -> None:
    curve = energy_curve("H2", [0.6, 0.8])
    with pytest.raises(ArgumentError, match="`seed` must be"):
        angles_model(curve, seed=-1)
    model = angles_model(curve, hidden=(), seed=2**32 - 1)
    with pytest.raises(ArgumentError, match="`learning_rate` must be above 0"):
        fit_angles(model, curve, learning_rate=0)
    # 15 coefficients, a length and a target for each of two bond lengths, 10^12 times and twice.
    with pytest.raises(ArgumentError, match=r"`steps` must fit into memory.*TiB"):
        fit_angles(model, curve, steps=10**12)


def test_circuits_of_hours_are_refused_before_they_are_written() -> None:
    small = electrons("H2", **H2)
    n = 14
    # 28 spin orbitals with 14 electrons: 2,590 excitations of each pair of spins and more.
    values = replace(
        small.integrals, one=np.zeros((n, n)), two=np.zeros((n,) * 4), spins=(n // 2, n // 2)
    )
    large = replace(small, integrals=values, encoding=Encoding.of("jordan_wigner", 2 * n))
    same, other = math.comb(7, 2) ** 2, 7**4
    count = 8 * (2 * same + other) + 2 * 2 * 49
    for ansatz, number in ((UCCSD(), count), (KUpCCGSD(20), 20 * 91 * (8 + 4))):
        with pytest.raises(ArgumentError, match=f"at most 20,000 exponentials.*{number:,} on 28"):
            ansatz.n_weights(large)
    with pytest.raises(ArgumentError, match="'adapt', which has"):
        ground_state(large, ansatz="adapt")
    with pytest.raises(ArgumentError, match="at most 20,000 exponentials"):
        Excitations([(0, 1, 2, 3)] * 3000).circuit(small)
    with pytest.raises(ArgumentError, match="`n_layers` must be at most 1,000"):
        WithTemplate(n_layers=10**6)
    # What is counted is what is there.
    lithium = electrons("LiH", bond_length=1.45)
    strings = sum(len(lithium.generator(each)) for each in UCCSD().excitations(lithium))
    assert strings == 8 * 76 + 2 * 16


def test_electrons_say_all_of_the_molecule() -> None:
    with pytest.raises(ArgumentError, match="be left out for Electrons"):
        ground_state(electrons("H2", **H2), charge=0)
    with pytest.raises(ArgumentError, match="must be left out for Electrons"):
        excited_states(electrons("H2", **H2), taper=True)
    with pytest.raises(ArgumentError, match="have weights"):
        angles_model(energy_curve("H2", [0.7]), ansatz="hartree_fock")


def test_k_layers_have_weights_each() -> None:
    found = electrons("H2", **H2)
    assert KUpCCGSD(3).n_weights(found) == 3 * KUpCCGSD(1).n_weights(found) == 9


# In float32, and from random runs.


def test_float32_loses_no_digits_of_large_constants() -> None:
    # The identity of H2's Hamiltonian made as large as that of a heavy molecule: float32 has steps
    # of 6e-5 there.
    light = electrons("H2", **H2)
    shift = -1000.0
    integrals = replace(light.integrals, constant=light.integrals.constant + shift)
    heavy = replace(light, integrals=integrals)
    assert heavy.constant == pytest.approx(light.constant + shift, abs=1e-12)
    assert heavy.without_constant == light.without_constant
    result = ground_state(heavy, dtype="float32")
    assert result.energy == pytest.approx(FCI + shift, abs=1e-6)
    # In the last steps energies differ by less than the model's own output can say. A sum of 14
    # strings with coefficients of 1.9 together, after some 20 gates, is right to 1e-6.
    assert result.history.min() == pytest.approx(FCI + shift, abs=3e-6)
    output = ops.convert_to_numpy(result.model(np.zeros((1, 0), "float32")))
    assert output.dtype == np.float32
    assert output[0, 0] == np.float32(result.energy)
    assert result.model.get_layer("constant").value == heavy.constant


def test_float32_finds_excited_states_and_predicts_curves_as_exactly() -> None:
    states = excited_states("H2", **H2, k=2, dtype="float32", taper=True)
    assert states.exact_energies is not None
    np.testing.assert_allclose(states.energies, states.exact_energies, atol=2e-6)
    curve = energy_curve("H2", [0.6, 0.8])
    single = angles_model(curve, hidden=(4,), seed=0, dtype="float32")
    double = angles_model(curve, hidden=(4,), seed=0, dtype="float64")
    double.set_weights(single.get_weights())
    # The angles are predicted in float32, and energies computed of the same angles.
    errors = predicted_energies(single, curve) - predicted_energies(double, curve)
    assert np.abs(errors).max() < 1e-7


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_energies_are_exact_under_every_backend(backend: str, run_python: Any) -> None:
    pytest.importorskip(backend)
    code = """
    import os
    os.environ.pop("JAX_ENABLE_X64", None)
    from qkeras_hybrid.chemistry import energy_curve, electrons, ground_state
    print(ground_state("H2", bond_length=0.7414, dtype="float32", steps=150).energy)
    lithium = electrons("LiH", bond_length=1.45, active_space=(2, 5), taper=True)
    result = ground_state(lithium, dtype="float32", steps=60)
    print(result.energy, result.fci_energy)
    """
    hydrogen, lithium, exact = map(float, run_python(code, backend=backend).split())
    assert hydrogen == pytest.approx(FCI, abs=1e-6)
    assert -1e-9 < lithium - exact < 1.6e-3


def test_an_engine_without_float64_reports_its_own_precision() -> None:
    class Single(qh.engines.StatevectorEngine):
        name = "single"
        dtypes = ("float32",)

    result = hydrogen(taper=True, dtype="float32", engine=Single(), steps=40)
    assert result.deviation is not None
    assert abs(result.deviation) < 1e-4
    assert result.model.get_layer("energy").engine.name == "single"


def test_energies_of_random_runs_are_estimates() -> None:
    exact = hydrogen(taper=True, steps=40)
    # The last 33 of 36 steps gain nothing, which would end the training if energies were exact.
    noisy = {"noise": "depolarizing:0.2", "weights": exact.weights, "seed": 1, "taper": True}
    found = hydrogen(**noisy, engine=qh.engines.TrajectoriesEngine(20), steps=36, tolerance=10.0)
    assert len(found.history) == 36
    assert len(set(found.history)) > 3
    assert len(hydrogen(**noisy, engine="density", steps=36, tolerance=10.0).history) == 31
    mitigated = qh.engines.ZeroNoiseExtrapolation(qh.engines.TrajectoriesEngine(10))
    assert mitigated.repetitions == 10
    states = excited_states(
        "H2",
        **H2,
        taper=True,
        engine=qh.engines.TrajectoriesEngine(5),
        noise="depolarizing:0.05",
        steps=2,
        tolerance=10.0,
    )
    assert [len(each) for each in states.histories] == [2, 2]  # exact ones have three
