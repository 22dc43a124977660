"""``mpcontinuity check`` on stores that were damaged for real."""
