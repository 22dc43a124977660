"""mpcontinuity.toml: read, checked, explained."""
