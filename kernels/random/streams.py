"""The one table of stream numbers: each use of randomness has its own; a number is never reused.

A stream number is the low half of the third Philox counter word; the high half counts the retries of
rejection sampling.
"""

EVENT = 1  # gap and slot of one Poisson event
BATCH = 2  # rows of one mini-batch
COIN = 3  # coin of a round, the same at all nodes
PARTICIPANTS = 4  # workers of a round with partial participation
SERVER = 5  # key of a server's messages
RAND_K = 16  # subset of Rand-k: Floyd's draws
BLOCK_RAND_K = 17  # place inside each block of BlockRandK
PERM_K = 18  # round keys of the permutation, and rotation of the workers
BERNOULLI = 19  # coordinates kept by Bernoulli sparsification
ROUNDING = 20  # stochastic rounding of coordinates
LOW_RANK = 21  # start of a power iteration
PART = 22  # keys of the parts of a composed compressor
BUCKETING = 32  # order of the workers in random groups
COORDINATES = 33  # coordinates on which outliers are looked for
ATTACK = 34  # what faulty workers draw
SUBSPACE = 35  # weights of the rows that a search for a subspace starts from
USER = 0xFFFF  # left to users' own draws
