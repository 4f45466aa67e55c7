"""States in PostgreSQL: rows that outgrow etcd, with a history that can be asked."""
