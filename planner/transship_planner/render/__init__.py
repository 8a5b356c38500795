"""The views of a plan: text for terminals, Markdown for pull requests. One model, several readers."""
