"""The end of life of products: which cycle a tag belongs to, how long that lives, and what follows for a mirror."""
