"""End-of-life dates of products, as endoflife.date's API tells them: values, request, cache."""
