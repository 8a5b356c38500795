"""A plan becomes reality: preconditions, copying, the summary of what was done."""
