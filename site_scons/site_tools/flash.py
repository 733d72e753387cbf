"""The SCons tool `flash`; everything is in boardflash.scons.

The tool is not called like the package: SCons puts a tool into `sys.modules` under its own name, and a
tool `boardflash` would hide the package.
"""

import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[1]
if (_CHECKOUT / "boardflash" / "scons.py").is_file() and str(_CHECKOUT) not in sys.path:
    # Our own package, though another may be installed: this tool may be on the toolpath of any project.
    sys.path.insert(0, str(_CHECKOUT))

from boardflash.scons import exists, generate  # noqa: E402

__all__ = ["exists", "generate"]
