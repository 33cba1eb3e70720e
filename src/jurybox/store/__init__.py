"""Projects in a database: schema, migrations and queries for SQLite and PostgreSQL."""
