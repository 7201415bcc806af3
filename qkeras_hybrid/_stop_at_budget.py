"""A callback that ends a training on a device when its budget is used up."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from qkeras_hybrid.engines.services import BudgetError


class StopAtBudget(keras.callbacks.Callback):
    """Ends training when the engine's budget is used up, just as `EarlyStopping` ends it.

    `fit` then returns its history. The model and the optimizer are in the state after the last
    complete step: the step that the budget did not cover changes nothing.

    Any other error of a service is raised as usual; the weights are then those after the last
    complete step. Under JAX, with an engine that has `jit=True`, this needs the callback: without
    it, JAX has reused the memory of the weights for the failed step.

    Args:
        verbose: 1 prints a sentence that says what was spent, 0 prints nothing.

    Attributes:
        message: This sentence; None if the budget was sufficient.

    Example:

    >>> budget = engines.services.Budget(shots=1000)
    >>> engine = engines.SamplerEngine(cirq.Simulator(), shots=10, budget=budget)
    >>> model = keras.Sequential([keras.Input((1,)), PQCDense(1, n_layers=1, engine=engine)])
    >>> model.compile("sgd", "mse")
    >>> stop = StopAtBudget()
    >>> x = np.zeros((4, 1))
    >>> history = model.fit(x, x, epochs=100, verbose=0, callbacks=[stop])
    >>> stop.message
    'The budget of 1,000 shots is used up: ...'
    """

    def __init__(self, verbose: int = 0) -> None:
        super().__init__()
        self.verbose = verbose
        self.message: str | None = None
        self._functions: dict[str, Any] = {}
        self._logs: Any = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Guards Keras's training step and validation."""
        self.message = None
        self._logs = {}
        # The attribute, because the property would need JAX's state, which does not exist yet.
        model = self._model
        self._functions = {"train_function": model.train_function, "evaluate": model.evaluate}
        model.train_function = self._guarded_step(model.train_function)
        model.evaluate = self._guarded_evaluation(model.evaluate)

    def on_train_end(self, logs: Any = None) -> None:
        """Removes the guards, and prints the sentence."""
        self._unguard()
        if self.message is not None and self.verbose:
            print(self.message)

    def _unguard(self) -> None:
        if self._functions:
            self._model.train_function = self._functions["train_function"]
            # Deleting the attribute makes the method of the class visible again.
            del self._model.evaluate
            self._functions = {}

    def _guarded_step(self, step: Callable[..., Any]) -> Callable[..., Any]:
        if keras.backend.backend() == "jax":

            def guarded(state: Any, iterator: Any) -> Any:
                kept = [[ops.copy(value) for value in values] for values in state]
                try:
                    self._logs, state = step(state, iterator)
                    # Under asynchronous execution, errors surface when the values are read.
                    for value in keras.tree.flatten(state):
                        value.block_until_ready()
                except BaseException as error:
                    if self._stopped(error):
                        return self._logs, kept
                    self._put_back(kept)
                    raise
                return self._logs, state

            return guarded

        def guarded_stateful(iterator: Any) -> Any:
            variables = self._variables()
            kept = [ops.copy(variable.value) for variable in variables]
            try:
                self._logs = step(iterator)
            except BaseException as error:
                for variable, value in zip(variables, kept, strict=True):
                    variable.assign(value)
                if not self._stopped(error):
                    raise
            return self._logs

        return guarded_stateful

    def _guarded_evaluation(self, evaluate: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if self.message is not None:
                return {}
            variables = self._variables()
            kept = [ops.copy(variable.value) for variable in variables]
            try:
                return evaluate(*args, **kwargs)
            except BaseException as error:
                for variable, value in zip(variables, kept, strict=True):
                    variable.assign(value)
                # Otherwise Keras would restore the state of the failed evaluation under JAX.
                self._model._jax_state = None
                if not self._stopped(error):
                    raise
                return {}

        return guarded

    def _variables(self) -> list[Any]:
        model = self._model
        return [*model.variables, *model.optimizer.variables, *model.metrics_variables]

    def _put_back(self, state: Any) -> None:
        """Assigns the values of a JAX state to the model's variables."""
        model = self._model
        groups = (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
        for variables, values in zip(groups, state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        # Otherwise Keras would restore the state of the failed step under JAX.
        model._jax_state = None

    def _stopped(self, error: BaseException) -> bool:
        """Ends training if an error says that the budget is used up; returns whether it did."""
        sentence = budget_sentence(error)
        if sentence is None:
            self._unguard()
            return False
        self.message = sentence
        self._model.stop_training = True
        return True


def budget_sentence(error: BaseException) -> str | None:
    """Returns the sentence in an error about a used-up budget; None for any other error.

    TensorFlow and JAX raise errors of their own that quote the engine's, and Keras adds text.
    """
    found = re.search(r"The budget of [^\n]* is used up: [^\n]* to go on\.", str(error))
    if found is not None and (isinstance(error, BudgetError) or "BudgetError" in str(error)):
        return found[0]
    return None
