"""Runs the command line of the package."""

import sys

from results.cli import main

if __name__ == "__main__":
    sys.exit(main())
