"""Stand-ins for what the product takes as arguments: clocks, disks, stores, home servers."""
