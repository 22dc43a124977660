"""What waits to be sent: the rows owed to home servers, their leases and outcomes, and the ledger over them."""
