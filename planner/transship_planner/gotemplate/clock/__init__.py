"""Go's package time: values, layouts, parsing."""
