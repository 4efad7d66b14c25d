"""The README and the docs, held to what the code does."""
