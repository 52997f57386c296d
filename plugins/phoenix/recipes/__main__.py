"""``python3 -m phoenix.recipes`` is the program ``esorex`` of the image phoenix-recipes."""

from __future__ import annotations

import sys

from phoenix.recipes.contract import run
from phoenix.recipes.registry import PIPELINE

sys.exit(run(PIPELINE, sys.argv[1:]))
