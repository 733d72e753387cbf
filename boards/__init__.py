"""The board, chip and MCU files, as package data."""
