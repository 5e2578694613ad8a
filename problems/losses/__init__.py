"""Objectives to minimise: a file each."""
