"""Writes the pictures of the guide "Plot layers, models and kernels", by the code of its page.

python docs/guides/plots/make.py
"""

from __future__ import annotations

import os
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Runs the page's code in this folder, into which it writes."""
    text = (HERE.parent / "plot.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    os.chdir(HERE)
    exec(compile(code, "plot.md", "exec"), {"__name__": "plot"})


if __name__ == "__main__":
    main()
