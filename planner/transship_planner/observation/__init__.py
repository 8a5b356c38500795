"""What is there: asking registries what they hold, and the plain values that come of it."""
