# BigQuery: a double of its REST API, with Google's own ZetaSQL evaluator behind it. Read by tests/run.
bigquery_modules=${XDG_CACHE_HOME:-$HOME/.cache}/springline/zetasql
npm_package "$bigquery_modules" @fivetrandevelopers/zetasql@1.13.0
command -v node >/dev/null || install_debian nodejs
node -e 'if (parseInt(process.versions.node) < 18) process.exit(1)' ||
  fail "Node 18 or newer is needed, and $(node --version) is what node is here: put a newer one first in PATH"
say "starting the double of BigQuery"
bigquery_folder=$(mktemp -d)
bigquery_port=$(free_port)
node tests/servers/bigquery/server.mjs "$bigquery_modules" "$bigquery_port" "$bigquery_folder/key.json" \
  >"$bigquery_folder/log" 2>&1 &
bigquery_pid=$!
stop_bigquery() {
  kill "$bigquery_pid" 2>/dev/null || true
  rm -rf "$bigquery_folder"
}
at_exit stop_bigquery
for _ in $(seq 300); do
  grep -q '^ready$' "$bigquery_folder/log" && break
  kill -0 "$bigquery_pid" 2>/dev/null || break
  sleep 0.1
done
grep -q '^ready$' "$bigquery_folder/log" || {
  cat "$bigquery_folder/log" >&2
  fail "the double of BigQuery did not start in 30 seconds; above is its log. If the log names ZetaSQL, delete $bigquery_modules"
}
export SPRINGLINE_TEST_BIGQUERY="endpoint=http://127.0.0.1:$bigquery_port credentials=$bigquery_folder/key.json"
require bigquery
