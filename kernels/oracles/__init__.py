"""First-order oracles of the nodes' objectives, compiled, on one uniform data pack.

Every problem, whatever its formula, is an `Oracle`: two compiled functions and the four arrays that they read.
One compiled loop of a solver therefore serves all problems.
"""
