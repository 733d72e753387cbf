"""The SCons tool `flash`; everything is in boardflash.scons.

The tool is not called like the package: SCons puts a tool into `sys.modules` under its own name, and a
tool `boardflash` would hide the package.
"""

import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[1]
if (_CHECKOUT / "boardflash" / "scons.py").is_file() and str(_CHECKOUT) not in sys.path:
    sys.path.append(str(_CHECKOUT))  # another project points its toolpath at our checkout

from boardflash.scons import exists, generate  # noqa: E402

__all__ = ["exists", "generate"]
