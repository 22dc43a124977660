"""Whoever reads octets from outside takes time in proportion to them, whatever they are."""
