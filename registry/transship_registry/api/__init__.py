"""The distribution API's endpoints, and the client that offers them as ports."""
