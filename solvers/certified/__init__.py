"""Certificates of linear rates: circle criterion (`loops`, `proof`), changing graphs, and SVL's design."""
