"""Methods in rounds over a server, which takes the mean of the nodes' messages."""
