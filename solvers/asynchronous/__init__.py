"""Methods whose nodes wait for nobody: events at random times."""
