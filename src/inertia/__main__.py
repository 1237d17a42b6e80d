"""`python -m inertia` is the `inertia` command."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
