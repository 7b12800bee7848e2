"""`python -m m3studio` is the `m3studio` command."""

import sys

from m3studio.cli import main

sys.exit(main())
