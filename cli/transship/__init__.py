"""The door: commands, options, exit codes and wiring."""
