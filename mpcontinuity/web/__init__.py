"""HTTP: what a request may cost, and sites of fixed pages."""
