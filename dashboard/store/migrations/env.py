"""Run by Alembic inside the transaction that `dashboard.store.database.migrate` has begun."""

from alembic import context

from dashboard.store.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,  # also in SQLite: the transaction is begun by hand
)
with context.begin_transaction():
    context.run_migrations()
