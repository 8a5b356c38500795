"""What is attached to images: signatures, SBOMs and attestations, in each of the ways they are attached."""
