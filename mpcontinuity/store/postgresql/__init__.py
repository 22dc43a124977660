"""PostgreSQL: the driver, a pool of connections that write, what other processes announce, and upgrades."""
