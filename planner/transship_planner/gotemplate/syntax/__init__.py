"""Template text to syntax tree."""
