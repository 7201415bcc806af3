"""Pictures of layers, models and kernels, each by one call.

| function | what it shows |
|---|---|
| `circuit` | the circuit of a layer |
| `bloch` | the states of its qubits, on Bloch spheres |
| `probabilities` | the probabilities of its outcomes, with the intervals of shots |
| `spectrum` | the waves that it is made of |
| `entanglement` | how much its qubits are entangled, after each layer |
| `gram` | how similar samples are to a kernel |
| `decision_boundary` | which class a model predicts where |
| `training` | training curves, with intervals over runs |
| `loss_landscape` | the loss around a model's weights |
| `alt_text` | the description of such a picture in words |

Each returns a Matplotlib figure, or draws into the axes that it is given and returns these.
A notebook shows the figure; `figure.alt_text` describes it for readers who can't see it.
`figure.savefig` writes it; its background is transparent, and its lines and text are grey, for
light and dark pages. The colours are Okabe and Ito's, which all kinds of colour vision tell apart.
Nothing here needs a display.
"""

from qkeras_hybrid.plot.boundaries import decision_boundary
from qkeras_hybrid.plot.circuits import circuit
from qkeras_hybrid.plot.counts import probabilities
from qkeras_hybrid.plot.histories import training
from qkeras_hybrid.plot.landscapes import loss_landscape
from qkeras_hybrid.plot.matrices import gram
from qkeras_hybrid.plot.pictures import Picture, alt_text
from qkeras_hybrid.plot.spectra import spectrum
from qkeras_hybrid.plot.spheres import bloch
from qkeras_hybrid.plot.stages import entanglement

__all__ = [
    "Picture",
    "alt_text",
    "bloch",
    "circuit",
    "decision_boundary",
    "entanglement",
    "gram",
    "loss_landscape",
    "probabilities",
    "spectrum",
    "training",
]
