"""What all problems share: constants, samples, mini-batches."""
