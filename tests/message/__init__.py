"""Tests of mpcontinuity.message."""
