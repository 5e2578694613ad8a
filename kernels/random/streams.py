"""The one table of stream numbers: each use of randomness has its own; a number is never reused.

A stream number is the low half of the third Philox counter word; the high half counts the retries of
rejection sampling.
"""

EVENT = 1  # gap and slot of one Poisson event
BATCH = 2  # rows of one mini-batch
USER = 0xFFFF  # left to users' own draws
