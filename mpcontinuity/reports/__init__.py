"""Who sent it hears what became of it: delivery status notifications for what has ended, or is late."""
