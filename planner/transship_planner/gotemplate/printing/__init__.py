"""Values to text: Go's fmt, encoding/json and the escapers of text/template."""
