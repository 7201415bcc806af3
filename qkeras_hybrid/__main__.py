"""`python -m qkeras_hybrid`: the command line."""

import sys

from qkeras_hybrid_launcher import main

if __name__ == "__main__":
    sys.exit(main())
