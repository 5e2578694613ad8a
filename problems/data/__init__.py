"""Data sets: scikit-learn's by name, and a reader for each format of files.

A reader takes the content (`npz`: the path) and raises a ValueError with the line where there is one;
`datasets.load` adds the name of the file.
"""
