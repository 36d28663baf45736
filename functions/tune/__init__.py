"""The function that tunes the query adapter on a schedule."""
