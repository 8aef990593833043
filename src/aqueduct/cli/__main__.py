"""`python -m aqueduct.cli` is `aqueduct`."""

from aqueduct.cli import main

if __name__ == "__main__":
    main()
