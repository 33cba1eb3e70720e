"""Run by Alembic: migrates the connection that `jurybox.store.lifecycle` hands over, in its transaction."""

from alembic import context

from jurybox.store.schema import metadata

if hasattr(context, "config"):  # so that it can be imported outside of a migration, too
    context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
    context.run_migrations()
