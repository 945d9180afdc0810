"""Splink's people in a FEBRL data set, for tests/benches/febrl.rs.

splink_febrl.py RECORDS CLUSTERS: reads records, a JSON object a line, and writes the columns rec_id and cluster_id as CSV;
prints what it took. The model is that of the bench: the same pairs are compared, by the same levels, and clusters are made
of links of at least 0.95. It is trained as the tutorial has it
(https://moj-analytical-services.github.io/splink/demos/tutorials/04_Estimating_model_parameters.html).
"""

import json
import logging
import resource
import sys
import time

import duckdb
import splink.comparison_level_library as levels
import splink.comparison_library as comparisons
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

records, clusters = sys.argv[1:]
COLUMNS = [
    "rec_id",
    "given_name",
    "surname",
    "street_number",
    "address_1",
    "address_2",
    "suburb",
    "postcode",
    "state",
    "date_of_birth",
]
BLOCKING = [
    ["date_of_birth"],
    ["given_name", "surname"],
    ["surname", "postcode"],
    ["given_name", "postcode"],
    ["address_1", "street_number"],
    ["suburb", "street_number"],
    ["address_1", "suburb"],
    ["surname", "suburb"],
    ["given_name", "suburb"],
]
NAMES = [0.92, 0.85]


def processor():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


connection = duckdb.connect(config={"threads": 2})
types = ", ".join(f"{column}: 'VARCHAR'" for column in COLUMNS)
connection.execute(
    f"CREATE TABLE people AS SELECT * FROM read_json('{records}', format = 'newline_delimited', columns = {{{types}}})"
)
used, started = processor(), time.monotonic()
surname = comparisons.CustomComparison(
    output_column_name="surname",
    comparison_levels=[
        levels.NullLevel("surname"),
        levels.ExactMatchLevel("surname"),
        levels.ColumnsReversedLevel("surname", "given_name", symmetrical=True),
        *[levels.JaroWinklerLevel("surname", threshold) for threshold in NAMES],
        levels.ElseLevel(),
    ],
)
settings = SettingsCreator(
    link_type="dedupe_only",
    unique_id_column_name="rec_id",
    blocking_rules_to_generate_predictions=[block_on(*columns) for columns in BLOCKING],
    comparisons=[
        comparisons.JaroWinklerAtThresholds("given_name", NAMES),
        surname,
        comparisons.LevenshteinAtThresholds("street_number", [1]),
        comparisons.JaroWinklerAtThresholds("address_1", NAMES),
        comparisons.JaroWinklerAtThresholds("address_2", NAMES),
        comparisons.JaroWinklerAtThresholds("suburb", NAMES),
        comparisons.LevenshteinAtThresholds("postcode", [1, 2]),
        comparisons.ExactMatch("state"),
        comparisons.LevenshteinAtThresholds("date_of_birth", [1, 2]),
    ],
)
logging.getLogger("splink").setLevel(logging.ERROR)
linker = Linker(DuckDBAPI(connection=connection).register("people"), settings, log_level=logging.ERROR)
linker.training.estimate_probability_two_random_records_match(
    [block_on("given_name", "surname", "date_of_birth"), block_on("address_1", "postcode", "date_of_birth")], recall=0.7
)
linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
for rule in (block_on("date_of_birth"), block_on("given_name", "surname"), block_on("address_1", "suburb")):
    linker.training.estimate_parameters_using_expectation_maximisation(rule)
predictions = linker.inference.predict(threshold_match_probability=0.95)
found = linker.clustering.cluster_pairwise_predictions_at_threshold(predictions, threshold_match_probability=0.95)
cost = {"cpu": processor() - used, "wall": time.monotonic() - started}
connection.execute(f"COPY (SELECT rec_id, cluster_id FROM {found.physical_name}) TO '{clusters}' (HEADER false)")
print(json.dumps(cost))
