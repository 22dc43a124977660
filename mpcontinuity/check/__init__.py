"""``mpcontinuity check``: what is wrong with the store, and what of it can be put right without guessing."""
