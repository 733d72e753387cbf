"""Offers a simulated board to debuggers and flashers over TCP, on loopback: GDB and OpenOCD.

All of it stands on the plain `Target` (target.py); nothing here knows a J-Link.
"""
