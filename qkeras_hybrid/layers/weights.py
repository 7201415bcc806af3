"""The circuit's weights as Keras variables: one for all, or some in named groups."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._errors import ArgumentError, shown
from qkeras_hybrid._lazy import sympy
from qkeras_hybrid._value import Value
from qkeras_hybrid.program import symbol_names

MAIN = "circuit_weights"
"""The variable of the symbols that are in no group."""


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class WeightGroup(Value):
    """Weights of a circuit that form a Keras variable of their own.

    Args:
        symbols: The symbols of the weights, or their names, in the order of the variable.
        initializer: Their initializer, in radians; None for the layer's.
        regularizer: Their regularizer; None for none.
        constraint: Their constraint; None for none.
        trainable: Whether they train.

    Raises:
        ValueError: If there is no symbol, or a symbol appears twice.

    Example:

    >>> group = WeightGroup(["a", "b"], initializer="zeros", trainable=False)
    >>> group.symbols, group.trainable
    (('a', 'b'), False)
    """

    def __init__(
        self,
        symbols: Iterable[sympy.Symbol | str],
        initializer: Any = None,
        regularizer: Any = None,
        constraint: Any = None,
        trainable: bool = True,
    ) -> None:
        self.symbols = symbol_names("symbols", symbols)
        if not self.symbols:
            raise ArgumentError("symbols", "name at least one symbol", symbols)
        self.initializer = None if initializer is None else keras.initializers.get(initializer)
        self.regularizer = keras.regularizers.get(regularizer)
        self.constraint = keras.constraints.get(constraint)
        self.trainable = bool(trainable)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, in a form that JSON holds."""
        return {
            "symbols": list(self.symbols),
            "initializer": (
                None if self.initializer is None else keras.initializers.serialize(self.initializer)
            ),
            "regularizer": keras.regularizers.serialize(self.regularizer),
            "constraint": keras.constraints.serialize(self.constraint),
            "trainable": self.trainable,
        }

    def arguments(self, initializer: Any) -> dict[str, Any]:
        """Returns the arguments of Keras's `add_weight` for the group.

        Args:
            initializer: The initializer where the group has none of its own.
        """
        if isinstance(initializer, keras.initializers.Initializer):
            # The same random initializer would give two variables of one shape the same values.
            initializer = initializer.clone()
        return {
            "initializer": self.initializer or initializer,
            "regularizer": self.regularizer,
            "constraint": self.constraint,
            "trainable": self.trainable,
        }


def groups_of(given: Any, weights: Sequence[sympy.Symbol]) -> dict[str, WeightGroup]:
    """Reads the argument `weight_groups` of a layer.

    Args:
        given: A `WeightGroup`, or its serialized form, for each name; or None.
        weights: The symbols of the circuit's weights.

    Raises:
        ValueError: If a name can't be a variable's, a symbol is not a weight of the circuit, or
            is in two groups.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ArgumentError("weight_groups", "hold a WeightGroup for each name", given)
    known = [symbol.name for symbol in weights]
    groups: dict[str, WeightGroup] = {}
    owner: dict[str, str] = {}
    for name, value in given.items():
        if not isinstance(name, str) or not name or "/" in name:
            raise ArgumentError("weight_groups", "have names that Keras's variables can have", name)
        if name == MAIN:
            raise ArgumentError(
                "weight_groups",
                f"not use the name {MAIN!r}, which belongs to the weights in no group",
                name,
            )
        group = keras.saving.deserialize_keras_object(value) if isinstance(value, dict) else value
        if not isinstance(group, WeightGroup):
            raise ArgumentError("weight_groups", "hold a WeightGroup for each name", value)
        for symbol in group.symbols:
            if symbol not in known:
                raise ArgumentError(
                    "weight_groups",
                    "name symbols of the circuit's weights",
                    symbol,
                    f"These are {', '.join(known) or 'none'}.",
                )
            if symbol in owner:
                raise ArgumentError(
                    "weight_groups",
                    f"name each symbol once, not in both {owner[symbol]!r} and {name!r}",
                    symbol,
                )
            owner[symbol] = name
        groups[name] = group
    return groups


class CircuitWeights:
    """The variables of a built layer, and where in them each symbol's value is.

    Args:
        symbols: The symbols of the weights, in the order of the circuit.
        groups: The groups by name; symbols that the circuit does not have are left out.
    """

    def __init__(self, symbols: Sequence[sympy.Symbol], groups: Mapping[str, WeightGroup]) -> None:
        self.symbols = [symbol.name for symbol in symbols]
        known, grouped = set(self.symbols), {s for g in groups.values() for s in g.symbols}
        split = {MAIN: [name for name in self.symbols if name not in grouped]}
        split |= {name: [s for s in group.symbols if s in known] for name, group in groups.items()}
        self.names = {name: names for name, names in split.items() if names}
        self.variables: dict[str, Any] = {}
        order = [name for names in self.names.values() for name in names]
        place = {name: i for i, name in enumerate(order)}
        places = [place[name] for name in self.symbols]
        # None if the concatenated variables are already in the circuit's order.
        self._places = None if order == self.symbols else np.array(places, "int32")

    def vector(self, precision: str) -> Any:
        """Returns the weights in the order of the circuit, of shape `(n_weights,)`."""
        parts = [
            ops.cast(ops.convert_to_tensor(variable), precision)
            for variable in self.variables.values()
        ]
        if not parts:
            return ops.zeros((0,), dtype=precision)
        joined = parts[0] if len(parts) == 1 else ops.concatenate(parts)
        return joined if self._places is None else ops.take(joined, self._places)

    def values(self) -> dict[str, float]:
        """Returns each symbol's value, in the order of the circuit."""
        found = {
            name: float(value)
            for variable, names in self.names.items()
            for name, value in zip(
                names, ops.convert_to_numpy(self.variables[variable]), strict=True
            )
        }
        return {name: found[name] for name in self.symbols}

    def assign(self, values: Mapping[str, Any]) -> None:
        """Sets some symbols' values.

        Raises:
            ValueError: If a symbol is not one of the weights, or a value is not a number.
        """
        numbers: dict[str, float] = {}
        for name, value in values.items():
            if name not in self.symbols:
                raise ArgumentError(
                    "values",
                    "name symbols of the layer's weights",
                    name,
                    f"These are {', '.join(self.symbols) or 'none'}.",
                )
            try:
                numbers[name] = float(value)
            except (TypeError, ValueError) as error:
                raise ArgumentError(
                    "values", f"hold a number, in radians, for {name}", value
                ) from error
        # If one of the values is wrong, none is set.
        for variable, names in self.names.items():
            if not numbers.keys().isdisjoint(names):
                new = np.array(ops.convert_to_numpy(self.variables[variable]))
                for i, name in enumerate(names):
                    new[i] = numbers.get(name, new[i])
                self.variables[variable].assign(new)

    # Saved together with the weights.

    def text(self, own: Sequence[Any]) -> str:
        """Returns the names of symbols as a saved file has them.

        This is a list of all symbols, in order; with groups, a table of each variable's symbols and
        the number under which Keras saves it.

        Args:
            own: The variables that Keras saves of the layer, in the order of their numbers.
        """
        if list(self.names) in ([], [MAIN]):
            return json.dumps(self.symbols)
        return json.dumps(
            {
                name: {"number": number, "symbols": self.names[name]}
                for name, number in self._numbers(own).items()
            }
        )

    def renumbered(
        self, layer: str, text: str, stored: Mapping[str, Any], own: Sequence[Any]
    ) -> dict[str, Any]:
        """Returns saved weights under the numbers that they have in this layer.

        The numbers of groups depend on which of them train.

        Args:
            layer: The layer's name.
            text: What `text` returned when the weights were saved.
            stored: The saved weights by their numbers.
            own: As in `text`.

        Raises:
            ValueError: If they belong to other symbols, or are in another order.
        """
        saved, here = _read(text), _read(self.text(own))
        if saved is None or here is None or saved[0] != here[0]:
            raise ValueError(
                f"The saved weights of layer {layer!r} must belong to its symbols in their "
                f"order, {shown(self.text(own))}, but got those of {shown(text)}. Load them into "
                "a layer with the circuit in which they were trained. If only the order differs, "
                "give the saved order to the PQC by `symbols` and `weight_groups`."
            )
        if len(stored) != len(own):
            return dict(stored)  # for Keras to refuse
        everything = set(range(len(own)))
        # The groups' numbers, then those of the layer's other saved variables.
        theirs, ours = (
            [numbers[name] for name in here[1]] + sorted(everything - set(numbers.values()))
            for numbers in (saved[1], here[1])
        )
        if set(theirs) != everything:
            raise ValueError(f"The saved weights of layer {layer!r} have wrong numbers: {text}")
        return {str(o): stored[str(t)] for o, t in zip(ours, theirs, strict=True)}

    def _numbers(self, own: Sequence[Any]) -> dict[str, int]:
        by_identity = {id(variable): number for number, variable in enumerate(own)}
        return {name: by_identity[id(self.variables[name])] for name in self.names}


def _read(text: str) -> tuple[Any, dict[str, int]] | None:
    """Returns each variable's symbols and number from a saved text; None if it is unreadable."""
    try:
        found = json.loads(text)
        if isinstance(found, list):
            return found, {}
        return (
            {name: entry["symbols"] for name, entry in found.items()},
            {name: int(entry["number"]) for name, entry in found.items()},
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
