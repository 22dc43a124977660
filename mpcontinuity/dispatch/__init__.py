"""What sends the rows of `outgoing`: to the world, or to where a domain of ours is delivered."""
