"""Reports on surrogates: their methods, their differences from the model, and their speed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qkeras_hybrid._checks import bytes_text


@dataclass(frozen=True)
class LayerReport:
    """The replacement of a quantum layer.

    Attributes:
        name: The layer's name.
        methods: The methods of its parts, without repetition, in order.
        says: A description of what each part of the circuit equals, with the number of parts that
            share it.
        numbers: The number of values that the layer's surrogate stores.
        worst: The largest difference of a value from the circuit's, at random inputs and on the
            data; measured for each part of the circuit.
        bound: The largest possible difference of a value, apart from rounding; None if unknown.
        others: Why each other method was not chosen for the largest part.
        spectrum: The circuit's Fourier spectrum in its inputs, a
            `qkeras_hybrid.diagnostics.Spectrum`; None if it is too large.
    """

    name: str
    methods: tuple[str, ...]
    says: tuple[str, ...]
    numbers: int
    worst: float
    bound: float | None
    others: Mapping[str, str]
    spectrum: Any = None

    def __str__(self) -> str:
        what = "; ".join(self.says)
        lines = [
            f"{self.name}: the circuit equals {what}.",
            f"  {self.numbers:,} numbers, worst difference {self.worst:.2g}, method "
            f"{', '.join(self.methods)}",
        ]
        lines += [f"  not {name}: {why}" for name, why in self.others.items()]
        return "\n".join(lines)


@dataclass(frozen=True)
class SurrogateReport:
    """A comparison of a surrogate with its model.

    Differences are those of the outputs, divided by the largest output if that is above 1.

    Attributes:
        layers: The replacement of each quantum layer.
        worst_on_data: The largest difference on the data; None without data.
        mean_on_data: The mean difference on the data.
        worst_on_random: The largest difference on random inputs; None if there can't be any.
        mean_on_random: The mean difference on random inputs.
        parameters: The number of parameters of the surrogate.
        original_parameters: The number of parameters of the model.
        seconds: Seconds for each sample of a batch of 256, of the surrogate.
        original_seconds: The same for the model, measured in the same run. It is NaN if circuits of
            the model run on a device, where each run costs money.
        notes: Notes for the user, such as that shots are left out.
    """

    layers: tuple[LayerReport, ...]
    worst_on_data: float | None
    mean_on_data: float | None
    worst_on_random: float | None
    mean_on_random: float | None
    parameters: int
    original_parameters: int
    seconds: float
    original_seconds: float
    notes: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        """The methods of all layers, without repetition."""
        return ", ".join(dict.fromkeys(m for layer in self.layers for m in layer.methods))

    @property
    def size(self) -> int:
        """The number of values that the surrogates of all layers store."""
        return sum(layer.numbers for layer in self.layers)

    @property
    def worst(self) -> float:
        """The largest difference that was measured on the data or on random inputs."""
        return max(v for v in (self.worst_on_data, self.worst_on_random, 0.0) if v is not None)

    def plot(self) -> Any:
        """Returns a Matplotlib figure: the spectrum of the first circuit that has one.

        Raises:
            ValueError: If no circuit's spectrum was computed.
        """
        for layer in self.layers:
            if layer.spectrum is not None:
                return layer.spectrum.plot()
        raise ValueError("No spectrum was computed: the circuits have too many waves.")

    def __str__(self) -> str:
        lines = [str(layer) for layer in self.layers]
        rows = (
            ("on the data", self.worst_on_data, self.mean_on_data),
            ("on random inputs", self.worst_on_random, self.mean_on_random),
        )
        lines += [
            f"Difference {where}: worst {worst:.2g}, mean {mean:.2g}"
            for where, worst, mean in rows
            if worst is not None and mean is not None
        ]
        lines.append(
            f"Parameters: {self.parameters:,} ({bytes_text(4.0 * self.parameters)} in float32), "
            f"the model has {self.original_parameters:,}"
        )
        times = [f"Time for a sample: {1e6 * self.seconds:.3g} µs"] * (self.seconds > 0)
        if self.original_seconds > 0:
            times.append(f"the model takes {1e6 * self.original_seconds:.3g} µs")
        if times:
            lines.append(", ".join(times))
        return "\n".join([*lines, *self.notes])
