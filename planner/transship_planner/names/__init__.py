"""What a mirrored tag is called at the target."""
