"""The plan: its documents and file, the comparison that makes it, and what it costs."""
