"""`python -m chronik` is the same as `chronik`."""

from chronik.cli import main

main()
