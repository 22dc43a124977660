"""The wing of the store on PostgreSQL."""
