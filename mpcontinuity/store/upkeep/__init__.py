"""The upkeep of index and bodies: reconciling them, verifying them, and dropping what nobody needs any more."""
