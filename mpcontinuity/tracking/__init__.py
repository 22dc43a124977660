"""What happened to each message for each recipient: rows and their events (contract 'Tracking')."""
