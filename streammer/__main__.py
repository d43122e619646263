"""`python -m streammer`, for where the `streammer` script is not on the path."""

import sys

from streammer.cli import main

if __name__ == "__main__":
    sys.exit(main())
