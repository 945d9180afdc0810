# Redshift: databases of the Postgres that is started before, with Redshift's functions in them (redshift/functions.sql).
# Read by tests/run.
[ -n "${SPRINGLINE_TEST_POSTGRES:-}" ] || source tests/servers/postgres.sh
export SPRINGLINE_TEST_REDSHIFT="$SPRINGLINE_TEST_POSTGRES"
require redshift
