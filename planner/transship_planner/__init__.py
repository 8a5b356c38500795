"""Desired and observed state become a plan; the plan file; the views of a plan."""
