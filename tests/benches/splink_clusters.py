"""Splink's clustering of a graph on DuckDB, for tests/benches/identity.rs.

splink_clusters.py EDGES NODES LABELS DATABASE ROUNDS: reads the columns u and v, and v of the nodes, from Parquet files,
writes v and rep to another one, keeps its tables in a database file, and prints what it took. More rounds than ROUNDS are
not waited for: then there are no labels.
"""

import json
import logging
import resource
import sys
import time

import duckdb
from splink import DuckDBAPI
from splink.clustering import cluster_pairwise_predictions_at_threshold

edges, nodes, labels, database, most_rounds = sys.argv[1:]


class TooManyRounds(Exception):
    pass


class Rounds(logging.Handler):
    count = 0

    def emit(self, record):
        if record.getMessage().startswith("Completed iteration"):
            self.count += 1
            if self.count >= int(most_rounds) and not record.getMessage().endswith(" 0"):
                raise TooManyRounds


def processor():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


connection = duckdb.connect(database, config={"threads": 2})
connection.execute(f"CREATE TABLE drawn AS SELECT u, v FROM '{edges}'")
connection.execute(f"CREATE TABLE points AS SELECT v FROM '{nodes}'")
api = DuckDBAPI(connection=connection)
rounds = Rounds()
logging.getLogger("splink").setLevel(logging.INFO)
logging.getLogger("splink").addHandler(rounds)
logging.getLogger("splink").propagate = False
statements = 0
execute = api._execute_sql_against_backend


def counted(sql):
    global statements
    statements += 1
    return execute(sql)


api._execute_sql_against_backend = counted
tables = [api.register("points"), api.register("drawn")] if hasattr(api, "register") else ["points", "drawn"]
statements = 0
used, started = processor(), time.monotonic()
done = True
try:
    found = cluster_pairwise_predictions_at_threshold(
        *tables, api, node_id_column_name="v", edge_id_column_name_left="u", edge_id_column_name_right="v"
    )
except TooManyRounds:
    done = False
cost = {"cpu": processor() - used, "wall": time.monotonic() - started}
if done:
    connection.execute(f"COPY (SELECT v, cluster_id AS rep FROM {found.physical_name}) TO '{labels}' (FORMAT parquet)")
print(json.dumps({"rounds": rounds.count, "statements": statements, "done": done, **cost}))
