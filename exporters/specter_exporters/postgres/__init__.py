"""What a PostgreSQL server is doing, told in time also when it is in trouble."""
