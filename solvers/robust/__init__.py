"""Methods in rounds for networks with faulty nodes."""
