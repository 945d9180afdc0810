"""The independent referee of the examples' segments: SQL written by hand, run with DuckDB.

    python run.py DATA_DIR SQL_DIR

Every Parquet file of DATA_DIR is a table named like the file. Where SQL_DIR has a file `_tables.sql`, it is
run first, with the variable `data_dir` set, to make tables out of files of other formats. Every other file
`<segment>.sql` of SQL_DIR selects the keys of the segment's members: one column, no nulls, no repetition.

Prints one JSON object: {segment: {"count": members, "md5": digest}}. The digest is the MD5, in lower-case
hexadecimal, of the members' keys as text, sorted by their bytes and joined with line feeds, none at the end.
"""

import hashlib
import json
import pathlib
import sys

import duckdb


def connect(data_dir: pathlib.Path, sql_dir: pathlib.Path) -> duckdb.DuckDBPyConnection:
    """A database in memory with one table per file of the data."""
    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    for path in sorted(data_dir.glob("*.parquet")):
        name, file = path.stem.replace('"', '""'), str(path).replace("'", "''")
        connection.execute(f"CREATE VIEW \"{name}\" AS SELECT * FROM read_parquet('{file}')")
    tables = sql_dir / "_tables.sql"
    if tables.exists():
        connection.execute("SET VARIABLE data_dir = ?", [str(data_dir)])
        connection.execute(tables.read_text(encoding="utf-8"))
    return connection


def members(connection: duckdb.DuckDBPyConnection, sql: str) -> list[str]:
    """The keys that the SQL selects, as sorted text."""
    rows = connection.execute(sql).fetchall()
    if any(len(row) != 1 or row[0] is None for row in rows):
        raise ValueError("it must select one column without nulls")
    keys = sorted((str(row[0]) for row in rows), key=str.encode)
    if len(set(keys)) != len(keys):
        raise ValueError("it selects a key more than once")
    return keys


def main(arguments: list[str]) -> int:
    """Runs every segment's SQL and prints the sizes and digests."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    data_dir, sql_dir = map(pathlib.Path, arguments)
    files = sorted(path for path in sql_dir.glob("*.sql") if not path.name.startswith("_"))
    if not data_dir.is_dir() or not files:
        print(f"no folder {data_dir}, or no SQL in {sql_dir}", file=sys.stderr)
        return 1
    connection = connect(data_dir, sql_dir)
    result = {}
    for path in files:
        try:
            keys = members(connection, path.read_text(encoding="utf-8"))
        except (duckdb.Error, ValueError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 1
        result[path.stem] = {"count": len(keys), "md5": hashlib.md5("\n".join(keys).encode()).hexdigest()}
    print(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
