"""Which tags an entry wants: patterns, version ranges, and the newest of them."""
