"""The C sources and templates of the target loader, as package data."""
