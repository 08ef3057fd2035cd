"""`python research study NAME…` and `python research affinity CONFIG`, in the environment of `make setup`."""

import sys

from studies.cli import main

if __name__ == "__main__":
    sys.exit(main())
