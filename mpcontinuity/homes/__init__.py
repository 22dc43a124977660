"""How home servers are: probed, remembered across restarts, and how long they have been up."""
