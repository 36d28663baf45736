"""The function that a state machine invokes to compare bucket and index, a part at a time."""
