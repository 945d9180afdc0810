"""What is printed for ClickHouse, run by chDB, which is ClickHouse as a library of Python.

Loads the files of a project into an empty database, runs what `springline compile --all --dialect clickhouse` prints for
each instant in turn, as a run would, and then each segment alone. Prints as JSON who is a member of each segment
computed alone, and how many are by the last run:

    python check.py PROJECT --as-of 2024-06-30T12:00:00Z

With --expected FILE, whose lines are `segment: [a, b]`, it prints which segments have other members and fails.
Needs chdb and pyyaml.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import yaml
from chdb import session

# What a ClickHouse column is of that holds a type of the language.
TYPES = {
    "boolean": "Bool",
    "integer": "Int64",
    "float": "Float64",
    "string": "String",
    "json": "String",
    "date": "Date32",
    "timestamp": "DateTime64(6, 'UTC')",
}
READERS = {"csv": "CSVWithNames", "jsonl": "JSONEachRow", "parquet": "Parquet"}
# The sessions that the dialect asks for; the rest is about reading the files.
SETTINGS = {
    "join_use_nulls": "1",
    "prefer_column_name_to_alias": "1",
    "input_format_csv_empty_as_default": "1",
    "date_time_input_format": "'best_effort'",
}


class Database:
    def __init__(self):
        self.session = session.Session()
        for name, value in SETTINGS.items():
            self.execute(f"SET {name} = {value}")

    def execute(self, sql):
        self.session.query(sql)

    def rows(self, sql):
        return [json.loads(line) for line in str(self.session.query(sql, "JSONCompactEachRow")).splitlines()]


def declared_tables(project):
    """The tables of a project's sources: name, then columns and their types, some of which are in the lock."""
    lock = project / "catalog.lock.yaml"
    locked = yaml.safe_load(lock.read_text())["tables"] if lock.exists() else {}
    sources = project / "models" / "sources.yaml"
    text = (sources if sources.exists() else project / "springline.yaml").read_text()
    tables = {}
    for source in yaml.safe_load(text)["sources"]:
        found = locked.get(source["table"], {}).get("columns", {})
        tables[source["table"]] = {
            name: type_of(column, found.get(name)).removesuffix(" not null")
            for name, column in (source.get("columns") or found).items()
        }
    return tables


def type_of(column, locked):
    declared = column.get("type") if isinstance(column, dict) else column
    return declared or locked


def load(database, project):
    for table, columns in declared_tables(project).items():
        declared = ", ".join(f"`{name}` Nullable({TYPES.get(kind, kind)})" for name, kind in columns.items())
        database.execute(f"CREATE TABLE `{table}` ({declared}) ENGINE = MergeTree ORDER BY tuple()")
        names = ", ".join(f"`{name}`" for name in columns)
        structure = declared.replace("'", "\\'")
        file, reader = data_file(project / "data", table)
        rows = f"SELECT {names} FROM file('{file}', '{reader}', '{structure}')"
        database.execute(f"INSERT INTO `{table}` ({names}) {rows}")


def data_file(folder, table):
    for ending, reader in READERS.items():
        if (folder / f"{table}.{ending}").exists():
            return folder / f"{table}.{ending}", reader
    sys.exit(f"there are no rows of {table} in {folder}")


def printed(arguments, instant):
    """Names and SQL of all statements, in their order."""
    command = [arguments.springline, "--project", arguments.project, "--as-of", instant, "--format", "json"]
    output = subprocess.run(command + ["compile", "--all", "--dialect", "clickhouse"], capture_output=True, text=True)
    if output.returncode:
        sys.exit(f"{output.stdout}{output.stderr}")
    return [(statement["name"], statement["sql"]) for statement in json.loads(output.stdout)["statements"]]


def step(name, sql, run):
    """Runs a statement; an error names it."""
    try:
        return run(sql)
    except Exception as error:
        sys.exit(f"{name}: {error}\n{sql}")


def members(arguments):
    """By segment: the keys of its members computed alone, and their number in the last run."""
    database = Database()
    load(database, pathlib.Path(arguments.project).resolve())
    for instant in arguments.as_of:
        statements = printed(arguments, instant)
        for name, sql in statements:
            if not name.startswith(("segment.", "sync.")):
                step(name, sql, database.execute)
    alone = {
        name.removeprefix("segment."): sorted(str(row[0]) for row in step(name, sql, database.rows))
        for name, sql in statements
        if name.startswith("segment.")
    }
    run = {segment: 0 for segment in alone}
    tables = "SELECT name FROM system.tables WHERE database = 'springline' AND startsWith(name, 'membership_')"
    for (table,) in database.rows(tables):
        sizes = f"SELECT segment, count() FROM springline.`{table}` WHERE exited_at IS NULL GROUP BY segment"
        run.update({segment: int(size) for segment, size in database.rows(sizes)})
    return {"alone": alone, "run": run}


def differences(expected, found):
    for line in expected.read_text().splitlines():
        if line.startswith("#"):
            continue
        segment, rest = line.split(": [", 1)
        wanted = [member for member in rest.split("]")[0].split(", ") if member]
        if found["alone"].get(segment) != wanted:
            yield f"{segment} alone: {found['alone'].get(segment)}, expected {wanted}"
        if found["run"].get(segment) != len(wanted):
            yield f"{segment} in the run: {found['run'].get(segment)}, expected {len(wanted)}"


def main():
    parser = argparse.ArgumentParser(description="Runs what is printed for ClickHouse.")
    parser.add_argument("project", help="the folder of the project, with its rows in data/*.csv, *.jsonl or *.parquet")
    parser.add_argument("--springline", default="springline", help="the program")
    parser.add_argument("--as-of", action="append", required=True, help="an instant of a run; once for each run")
    parser.add_argument("--expected", type=pathlib.Path, help="a file of segments and their members")
    arguments = parser.parse_args()
    found = members(arguments)
    if arguments.expected is None:
        print(json.dumps(found))
        return
    wrong = list(differences(arguments.expected, found))
    sys.exit("\n".join(wrong) or None)


main()
