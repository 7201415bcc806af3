"""Circuits trained with Keras's `fit` reach the energies of molecules, on any engine."""

from __future__ import annotations

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
)
from qkeras_hybrid.chemistry.solving import Solver

pytest.importorskip("openfermion")

H2 = {"bond_length": 0.7414}
FCI = -1.1372701746
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
    energy = float(ops.convert_to_numpy(layer(np.array([weights])))[0, 0])
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
    with pytest.warns(UserWarning, match=r"differs from the exact energies by .* hartree"):
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
    energy = float(ops.convert_to_numpy(layer(angles[:1]))[0, 0])
    assert energy == pytest.approx(float(found[0]), abs=1e-9)


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
        (curve_study, {"train": [0.6, 0.7], "between": [], "beyond": []}, "train"),
        (curve_study, {"train": [0.6, 0.7, 0.8, 0.9], "between": [1], "beyond": []}, "between"),
        (curve_study, {"train": [0.6, 0.7, 0.8, 0.9], "between": [], "beyond": [0.75]}, "beyond"),
    ],
)
def test_wrong_arguments_are_named(function: Any, arguments: dict[str, Any], argument: str) -> None:
    with pytest.raises(ArgumentError) as error:
        function("H2", **arguments)
    assert error.value.argument == argument


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
