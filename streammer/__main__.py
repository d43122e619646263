"""`python -m streammer`, for where the `streammer` script is not on the path."""

from streammer.cli import run

if __name__ == "__main__":
    run()
