"""Flash loaders that are not ours: their files read, their functions called by their own conventions."""
