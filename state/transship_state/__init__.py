"""What was recorded about the targets: the state file, its store and its lock."""
