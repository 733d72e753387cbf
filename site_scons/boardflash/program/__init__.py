"""Runs a plan on a device: identify, digest, erase, program, verify, preserve, report."""
