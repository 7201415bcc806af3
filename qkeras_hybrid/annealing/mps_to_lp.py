"""Writes a program in the MPS format as one in the LP format: `python mps_to_lp.py FROM TO`.

It runs in a separate process, because HiGHS prints a banner on the standard output.
"""

from __future__ import annotations

import sys


def main(given: str, written: str) -> int:
    """Returns 0, or 1 if HiGHS can't read the first file or write the second."""
    import highspy

    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    if solver.readModel(given) == highspy.HighsStatus.kError:
        return 1
    return int(solver.writeModel(written) == highspy.HighsStatus.kError)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
