"""What other tools take from us: flash algorithms in their own formats, built from our loader's sources."""
