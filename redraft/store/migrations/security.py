"""What migrations share: roles, and row level security for a customer's table."""

from __future__ import annotations

from alembic import op

APP = "redraft_app"
SYSTEM = "redraft_system"

# Roles belong to the whole cluster: another database, or another migration at this moment, may make them too.
_CREATE_ROLE = """
do $$
declare
  me text := current_user;
  -- Since 16 whoever makes a role is a member that may not take it.
  may text := case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end;
begin
  if not exists (select from pg_roles where rolname = '{role}') then
    begin
      create role {role} nologin;
    exception when duplicate_object or unique_violation then null;
              when insufficient_privilege then
      raise exception 'role {role} is missing and % may not create it. As a superuser, run: '
        'create role {role} nologin; grant {role} to %; then migrate again', me, me;
    end;
  end if;
  if not pg_has_role(me, '{role}', may) then
    begin
      execute format('grant {role} to %I', me);
    exception when insufficient_privilege then
      raise exception '% is no member of role {role}. As a superuser, run: grant {role} to %; then migrate again',
        me, me;
    end;
  end if;
end $$;
"""


def create_roles() -> None:
    """Make the two roles that transactions take, or say clearly what a superuser has to do."""
    for statement in role_statements():
        op.execute(statement)


def role_statements() -> list[str]:
    """Return what makes the roles, for one transaction. They belong to the cluster: a dump of a database has none."""
    # Two migrations at once must not grant the same role twice ("tuple concurrently updated").
    statements = ["select pg_advisory_xact_lock(7213450881)"]
    for role in (APP, SYSTEM):
        statements += [_CREATE_ROLE.format(role=role), f"grant usage on schema public to {role}"]
    return statements


def protect(table: str, *, app: str, system: str, key: str = "customer_id") -> None:
    """Bind `table` to the customer in `redraft.customer` and grant rights, e.g. app="select, insert"."""
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(
        f"create policy tenant on {table} to {APP}"
        f" using ({key} = nullif(current_setting('redraft.customer', true), '')::uuid)"
    )
    op.execute(f"create policy machinery on {table} to {SYSTEM} using (true)")
    grant(table, app=app, system=system)


def grant(table: str, *, app: str = "", system: str = "") -> None:
    """Grant rights on a table; an empty string grants none."""
    for role, rights in ((APP, app), (SYSTEM, system)):
        if rights:
            op.execute(f"grant {rights} on {table} to {role}")
