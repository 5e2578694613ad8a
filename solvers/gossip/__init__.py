"""Methods in rounds over the edges of a graph."""
