"""The layers and the statevector engine under each Keras backend, in a process of its own."""

import importlib.util
import os
import subprocess
import sys

import pytest

# A layer of each class through the whole contract; the engines on closed forms and random
# circuits, in both precisions. The other tests run under TensorFlow alone.
LAYERS = [
    *("tests/test_layers.py", "tests/test_pqc_outputs.py", "tests/test_quantum_kernel.py"),
    "tests/test_decision_layer.py",
]
ENGINES = ["tests/test_engines.py", "tests/test_density.py"]
# Of the kernels in C++ what depends on the backend: how tensors get there and back.
NATIVE = ["tests/test_native.py::test_random_programs"]
QAOA = [
    "tests/test_qaoa.py::test_the_contract_of_layers[energy]",
    "tests/test_qaoa.py::test_the_contract_of_layers[probabilities]",
    "tests/test_qaoa.py::test_both_engines_compute_the_same[3-x]",
    "tests/test_qaoa.py::test_both_engines_compute_the_same[3-ring]",
]
# Spins: the contract of layers, values and gradients against enumeration.
SPINS = [
    "tests/test_ising_layer.py::test_the_layer_is_one_of_kerass",
    "tests/test_ising_layer.py::test_exact_values_and_gradients_are_those_of_enumeration",
    "tests/test_ising_layer.py::test_gradients_by_covariances_approach_those_of_enumeration",
    "tests/test_ising_layer.py::test_a_sampled_layer_predicts_evaluates_and_validates",
    "tests/test_ising_layer.py::test_a_model_trains_and_is_saved_without_its_sampler",
    "tests/test_boltzmann.py::test_likelihoods_and_hidden_means_are_those_of_enumeration",
    "tests/test_boltzmann.py::test_sampled_gradients_approach_the_exact_one[annealing]",
    "tests/test_boltzmann.py::test_sampled_gradients_approach_the_exact_one[contrastive_divergence]",
]
# The differentiators, all encodings, and what depends little on the backend: with --slow.
MORE = [
    "tests/test_native.py",
    "tests/test_gradients.py",
    "tests/test_encodings.py",
    "tests/test_weight_groups.py",
    "tests/test_circuit_inputs.py",
]
SELECTED = {
    "jax": [*LAYERS, *NATIVE, *QAOA, *SPINS, "tests/test_native_jax.py"],
    # In the first environment with --slow only: `dev.py test --newest` names it.
    "jax-engines": ENGINES,
    "torch": [*LAYERS, *ENGINES, *NATIVE, *QAOA, *SPINS, "tests/test_native_torch.py"],
}


@pytest.mark.parametrize(
    "selected",
    ["jax", pytest.param("jax-engines", marks=pytest.mark.slow), "torch"],
)
def test_contracts_hold_under_backend(selected, root, request):
    backend = selected.partition("-")[0]
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_ENABLE_X64": "1"}
    if not request.config.getoption("--slow"):
        # Nearly all of the time would go into making small circuits fast that run a few times.
        environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    named = [*SELECTED[selected]]
    if request.config.getoption("--slow"):
        named += ["--slow", *(MORE if selected == backend else [])]
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *named],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-4000:] + found.stderr[-2000:]
