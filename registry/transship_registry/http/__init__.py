"""One request and its answer: authentication, redirects, retries, limits, and the transport below them."""
