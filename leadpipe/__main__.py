"""`python -m leadpipe`, the same as `leadpipe`."""

from leadpipe.cli import main

main()
