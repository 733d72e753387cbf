"""Lets the tests here import their helpers: the name `loader` belongs to the folder of C sources already."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
