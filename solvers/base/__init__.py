"""What all methods share: `Solver` and what a run is made of."""
