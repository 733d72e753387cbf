"""The target loader: built from C and the board's data, read back, and spoken to through its mailbox."""
