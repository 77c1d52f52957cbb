"""Who may what: the database is asked about every role, object and verb, and tests/rights.toml has the answers."""

from __future__ import annotations

import difflib
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

from limits import engine
from limits.settings import Settings
from limits.store.db import Connection, Database
from tests import builders
from tests.integration.test_months import database as database  # noqa: PLC0414 (the fixture: no month in it)

MATRIX = Path(__file__).resolve().parents[1] / "rights.toml"
#: The roles of the matrix, without limits_; of the owner and the migrator it says nothing, who may everything.
ROLES = ["public", "worker", "operations", "sealer", "auditor", "monitor", "console"]
#: Everything that is not the server's own.
OURS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
#: What each role may do with the database, schemas, tables, views, columns, sequences, functions and types, and then
#: every object but the sequences, which have a line where somebody may use one. Months have a test of their own.
RIGHTS = f"""
WITH roles (role, name) AS (
    SELECT r, CASE r WHEN 'public' THEN r ELSE 'limits_' || r END FROM unnest(%(roles)s::text[]) AS r
), relations AS (
    SELECT c.oid, c.relkind, n.nspname || '.' || c.relname AS what
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE {OURS} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND NOT c.relispartition
), functions AS (
    -- Those of the queue come with the package; they are one line together.
    SELECT p.oid, CASE n.nspname WHEN 'pgmq' THEN 'pgmq.*()'
                       ELSE format('%%s.%%s(%%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) END AS what
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE {OURS}
), types AS (
    SELECT t.oid, format('type %%s.%%s', n.nspname, t.typname) AS what
      FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
      LEFT JOIN pg_class c ON c.oid = t.typrelid
     WHERE {OURS} AND (c.relkind = 'c' OR t.typtype IN ('d', 'e', 'r'))
), schemas AS (
    SELECT n.oid, 'schema ' || n.nspname AS what FROM pg_namespace n WHERE {OURS}
), found AS (
    SELECT 'the database' AS what, role, verb, NULL::text AS part,
           has_database_privilege(name, current_database(), verb) AS may
      FROM roles, unnest(ARRAY['connect', 'create', 'temporary']) AS verb
    UNION ALL
    SELECT what, role, verb, NULL, has_schema_privilege(name, oid, verb)
      FROM schemas, roles, unnest(ARRAY['usage', 'create']) AS verb
    UNION ALL
    SELECT what, role, 'usage', NULL, has_type_privilege(name, oid, 'usage') FROM types, roles
    UNION ALL
    SELECT what, role, 'execute', NULL, bool_and(has_function_privilege(name, oid, 'execute'))
      FROM functions, roles GROUP BY what, role
    UNION ALL
    SELECT what, role, verb, NULL, has_sequence_privilege(name, oid, verb)
      FROM relations, roles, unnest(ARRAY['usage', 'select', 'update']) AS verb WHERE relkind = 'S'
    UNION ALL
    SELECT what, role, verb, NULL, has_table_privilege(name, oid, verb)
      FROM relations, roles,
           unnest(ARRAY['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']
                  || %(newer)s::text[]) AS verb
     WHERE relkind <> 'S'
    UNION ALL
    SELECT what, role, verb, a.attname::text, has_column_privilege(name, oid, a.attnum, verb)
      FROM relations JOIN pg_attribute a ON a.attrelid = oid AND a.attnum > 0 AND NOT a.attisdropped, roles,
           unnest(ARRAY['select', 'insert', 'update', 'references']) AS verb
     WHERE relkind <> 'S' AND NOT has_table_privilege(name, oid, verb)
)
SELECT what, role, verb, part FROM found WHERE may
 UNION ALL
SELECT DISTINCT what, NULL, NULL, NULL FROM found WHERE what NOT IN (SELECT what FROM relations WHERE relkind = 'S')
"""

Matrix = dict[str, dict[str, list[str]]]


def now(conn: Connection) -> Matrix:
    """The rights as the database has them, in the form of the matrix; an object that nobody may use is there, empty."""
    whole: dict[tuple[str, str], set[str]] = defaultdict(set)
    parts: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    matrix: Matrix = {}
    newer = ["maintain"] if conn.info.server_version >= 170000 else []
    for what, role, verb, part in conn.execute(RIGHTS.encode(), {"roles": ROLES, "newer": newer}).fetchall():
        matrix.setdefault(what, {})
        if part is not None:
            parts[what, role, verb].append(part)
        elif role is not None:
            whole[what, role].add(verb)
    for (what, role, verb), columns in parts.items():
        whole[what, role].add(f"{verb} ({', '.join(sorted(columns))})")
    for (what, role), verbs in whole.items():
        if role == "public":
            matrix[what][role] = sorted(verbs)
        elif own := verbs - whole.get((what, "public"), set()):  # what everybody may is said once
            matrix[what][role] = sorted(own)
    return matrix


def written(matrix: Matrix) -> list[str]:
    """The matrix as lines of the file, in one order."""
    lines = []
    for what in sorted(matrix):
        lines.append(f'["{what}"]')
        for role in sorted(matrix[what]):
            verbs = ", ".join(f'"{verb}"' for verb in sorted(matrix[what][role]))
            lines.append(f"{role} = [{verbs}]")
    return lines


def test_every_right_is_as_the_matrix_says(conn: Connection) -> None:
    """Where this fails, the lines with a plus are those of the database, ready to be put in place of the others."""
    said = written(tomllib.loads(MATRIX.read_text(encoding="utf-8")))
    there = written(now(conn))
    difference = list(difflib.unified_diff(said, there, "tests/rights.toml", "the database", lineterm=""))
    assert not difference, "\n".join(difference)


def test_the_roles_are_nobody_in_particular(conn: Connection) -> None:
    """None logs in, none is above the rights, and the migrator alone may act as another: as the owner."""
    rows = conn.execute(
        """SELECT rolname::text,
                  rolcanlogin OR rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication,
                  ARRAY(SELECT g.roleid::regrole::text FROM pg_auth_members g WHERE g.member = r.oid)
             FROM pg_roles r WHERE rolname ~ '^limits_(?!test_)' AND rolname <> 'limits'"""
    ).fetchall()
    roles = {name: (special, may_act_as) for name, special, may_act_as in rows}
    assert {name for name in roles if name.removeprefix("limits_") in [*ROLES, "owner", "migrator"]} == {
        f"limits_{role}" for role in [*ROLES[1:], "owner", "migrator"]
    }
    for role in [*ROLES[1:], "owner", "migrator"]:
        assert roles[f"limits_{role}"] == (False, ["limits_owner"] if role == "migrator" else []), role


def test_what_is_ours_is_the_owners(conn: Connection) -> None:
    """Nothing belongs to another role of ours, and nothing of our schemas to anybody else."""
    owned = conn.execute(
        """SELECT d.refobjid::regrole::text, pg_describe_object(d.classid, d.objid, d.objsubid) FROM pg_shdepend d
            WHERE d.deptype = 'o' AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
              AND d.refobjid::regrole::text ~ '^limits_' AND d.refobjid <> 'limits_owner'::regrole"""
    ).fetchall()
    assert owned == []
    others = conn.execute(
        """SELECT n.nspname, o.what FROM pg_namespace n,
                  LATERAL (SELECT n.nspname::text AS what, n.nspowner AS owner
                            UNION ALL SELECT relname, relowner FROM pg_class WHERE relnamespace = n.oid
                            UNION ALL SELECT proname, proowner FROM pg_proc WHERE pronamespace = n.oid
                            UNION ALL SELECT typname, typowner FROM pg_type WHERE typnamespace = n.oid) o
            WHERE n.nspname ~ '^limits' AND o.owner <> 'limits_owner'::regrole"""
    ).fetchall()
    assert others == []


def test_functions_with_the_owners_rights_pin_their_search_path_and_are_not_for_everybody(conn: Connection) -> None:
    rows = conn.execute(
        f"""SELECT p.oid::regprocedure::text, p.proconfig, has_function_privilege('public', p.oid, 'execute')
              FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
             WHERE {OURS} AND p.prosecdef""".encode()
    ).fetchall()
    assert len(rows) > 30
    pinned = "search_path=pg_catalog, limits, pg_temp"
    assert [name for name, config, _ in rows if pinned not in (config or [])] == []
    assert [name for name, _, public in rows if public] == []


def test_a_function_that_is_forgotten_is_nobodys(conn: Connection) -> None:
    conn.execute("SET ROLE limits_owner")
    conn.execute("CREATE FUNCTION limits.forgotten() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    row = conn.execute("SELECT has_function_privilege('public', 'limits.forgotten()', 'execute')").fetchone()
    assert row == (False,)


# Months ----------------------------------------------------------------------------------------

#: Of each month of a table, what must be the same of all: columns, defaults, constraints, indexes, triggers, rights.
MONTHS = """
SELECT c.relname::text, c.relowner::regrole::text, c.relacl::text, c.reloptions::text,
       (SELECT array_agg((a.attname, a.atttypid, a.attnotnull, a.attidentity, a.attgenerated, a.attstorage,
                          pg_get_expr(d.adbin, d.adrelid))::text ORDER BY a.attnum)
          FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE a.attrelid = c.oid AND a.attnum > 0),
       (SELECT array_agg((pg_get_constraintdef(k.oid), k.conparentid <> 0)::text ORDER BY pg_get_constraintdef(k.oid))
          FROM pg_constraint k WHERE k.conrelid = c.oid),
       (SELECT array_agg((replace(replace(pg_get_indexdef(i.indexrelid), x.relname, ''), c.relname, ''),
                          x.relispartition)::text ORDER BY i.indkey::text, x.relam)
          FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid),
       (SELECT array_agg((t.tgname, t.tgfoid::regprocedure, t.tgtype, t.tgenabled)::text ORDER BY t.tgname)
          FROM pg_trigger t WHERE t.tgrelid = c.oid)
  FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
 WHERE h.inhparent = %s::regclass ORDER BY 1"""


@pytest.mark.parametrize("table", ["limits.adjustment_log", "limits.events"])
def test_a_month_made_later_is_as_those_before(conn: Connection, table: str) -> None:
    """Also as one that PARTITION OF makes, which is how the months of the first versions were made."""
    for month in ("2026-04-01", "2026-05-01"):
        conn.execute("SELECT limits.ensure_month(%s, %s)", (table, month))
    conn.execute("SET ROLE limits_owner")
    old = f"{table.removeprefix('limits.')}_2026_03"
    bounds = "FROM ('2026-03-01') TO ('2026-04-01')"
    conn.execute(f"CREATE TABLE limits.{old} PARTITION OF {table} FOR VALUES {bounds}".encode())
    conn.execute("RESET ROLE")
    before, *made = conn.execute(MONTHS, (table,)).fetchall()
    assert before[0] == old and len(made) == 2
    assert made[0][1:] == made[1][1:]
    assert made[0][1] == "limits_owner" and made[0][2] is None, "nobody but the owner has a right to a month itself"
    if table == "limits.events":
        assert made[0][1:] == before[1:]
        return
    assert made[0][1:-1] == before[1:-1]
    assert [text.split(",")[0] for text in made[0][-1]] == ["(append_only_rows", "(append_only_truncate"]
    assert all(text.endswith(",A)") for text in made[0][-1]), "also under session_replication_role = replica"


# Views -----------------------------------------------------------------------------------------


def test_the_auditor_and_the_monitor_read_views_and_no_table(conn: Connection) -> None:
    """But for the list of applied migrations, which any login has to read."""
    for role in ("auditor", "monitor"):
        tables = conn.execute(
            f"""SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE {OURS} AND c.relkind IN ('r', 'p', 'm', 'f')
                   AND has_any_column_privilege(%s, c.oid, 'select, insert, update, references')""".encode(),
            (f"limits_{role}",),
        ).fetchall()
        assert tables == [("limits_migration.files",)], role


def test_a_view_to_be_read_has_every_column_of_its_table(conn: Connection) -> None:
    """Whoever adds a column to a table makes the view anew: CREATE OR REPLACE VIEW ... AS SELECT * FROM ..."""
    rows = conn.execute(
        """SELECT v.relname, (SELECT array_agg(attname ORDER BY attnum) FROM pg_attribute
                               WHERE attrelid = v.oid AND attnum > 0),
                  (SELECT array_agg(attname ORDER BY attnum) FROM pg_attribute
                    WHERE attrelid = to_regclass('limits.' || v.relname) AND attnum > 0 AND NOT attisdropped)
             FROM pg_class v WHERE v.relnamespace = 'limits_read'::regnamespace"""
    ).fetchall()
    assert len(rows) >= 29
    for name, columns, table in rows:
        assert columns == table, name


def test_what_the_monitor_reads_holds_no_user(database: Database, conn: Connection, settings: Settings) -> None:
    user = 987_654_321_987
    builders.add_steady_user(conn, user, credit_limit=500_000)
    review = engine.request_review(database, settings, as_of=builders.AS_OF, actor="Ann Personal")
    engine.work(database, settings, review.review_id, worker="test")
    engine.recompute(database, settings, user, reason=f"about {user}", actor="x", as_of=builders.AS_OF, apply=True)
    views = [name for (name,) in conn.execute(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'limits_metrics'::regnamespace ORDER BY 1"
    )]  # fmt: skip
    assert len(views) == 6
    with database.connect("monitor", "limits test") as monitor:
        read = {view: monitor.execute(f"SELECT * FROM limits_metrics.{view}".encode()) for view in views}
        said = {view: (cursor.description, cursor.fetchall()) for view, cursor in read.items()}
    names = {column.name for description, _ in said.values() for column in description or []}
    assert not names & {"user_id", "entry_id", "user_ids", "actor", "reason", "error", "detail", "doing"}
    assert len(said["reviews"][1]) == 1 and len(said["waiting"][1]) == 9
    words = str([rows for _, rows in said.values()])
    assert str(user) not in words and "Ann Personal" not in words
    assert ("batches to seal", 2) in [row[:2] for row in said["waiting"][1]]
