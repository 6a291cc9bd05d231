"""``python -m s3nn``, which is what torchrun starts."""

import sys

from s3nn.cli import main

sys.exit(main())
