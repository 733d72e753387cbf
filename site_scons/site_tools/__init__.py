"""SCons tools; put this folder on the toolpath (PyPackageDir)."""
