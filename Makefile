# What a new user runs. Needs python3 (3.10 or newer) and make; everything else goes into .venv.

PYTHON ?= python3
VENV   ?= .venv
BOARD  ?= stm32f746g-disco
PROBE  ?= sim

BIN   := $(VENV)/bin
SCONS := $(BIN)/python -m SCons -Q
PIP   := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: help flash test bench clean

help:
	@echo "make flash   build the example and flash it on a simulated board (PROBE=sim, BOARD=$(BOARD))"
	@echo "make test    the whole test suite"
	@echo "make bench   times of the 16 MiB cases, of the commands and of the erase planner"
	@echo "make clean   remove what was built; the virtual environment stays"

flash: $(VENV)/installed
	@$(SCONS) flash PROBE=$(PROBE) BOARD=$(BOARD)

test: $(VENV)/installed-dev
	@$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

bench: $(VENV)/installed-dev
	@$(BIN)/python tests/bench/bench.py

clean: $(VENV)/installed
	@$(SCONS) -c

# Installed again only when what is to be installed has changed.
$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing into $(VENV) ..."
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing into $(VENV), with what the tests need ..."
	@$(PIP) install --constraint constraints.txt --editable ".[dev]"
	@touch $(VENV)/installed $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo "boardflash needs Python 3.10 or newer; $(PYTHON) is older. Try make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
