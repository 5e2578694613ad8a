"""Methods for variational inequalities over a server."""
