"""`python -m dualloop` is the console script."""

from dualloop.cli import main

main()
