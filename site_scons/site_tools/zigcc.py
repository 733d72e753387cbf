"""The SCons tool `zigcc`: C for Cortex-M with the pinned Zig wheel; all of it is in boardflash.scons_zig."""

import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[1]
if (_CHECKOUT / "boardflash" / "scons.py").is_file() and str(_CHECKOUT) not in sys.path:
    # Our own package, though another may be installed: this tool may be on the toolpath of any project.
    sys.path.insert(0, str(_CHECKOUT))

from boardflash.scons_zig import exists, generate  # noqa: E402

__all__ = ["exists", "generate"]
