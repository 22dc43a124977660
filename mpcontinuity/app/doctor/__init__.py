"""``mpcontinuity doctor``: what could keep mail from being kept, a line each, and what to do about it."""
