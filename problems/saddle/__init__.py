"""Saddle points and other variational inequalities: a file each."""
