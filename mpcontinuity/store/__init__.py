"""The only place that knows databases and files: transactions, the schema, message bodies in packs."""
