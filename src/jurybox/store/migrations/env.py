"""Run by Alembic: migrates the connection that `jurybox.store.migrate` hands over, in its transaction."""

from alembic import context

from jurybox.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
