"""`python -m nvc3d`."""

from __future__ import annotations

import sys

from nvc3d.cli import main

sys.exit(main())
