"""The SCons tool `zigcc`: C for Cortex-M with the pinned Zig wheel; all of it is in boardflash.scons_zig."""

import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[1]
if (_CHECKOUT / "boardflash" / "scons.py").is_file() and str(_CHECKOUT) not in sys.path:
    sys.path.append(str(_CHECKOUT))  # another project points its toolpath at our checkout

from boardflash.scons_zig import exists, generate  # noqa: E402

__all__ = ["exists", "generate"]
