# BigQuery: a double of its REST API, with Google's own ZetaSQL evaluator behind it. Read by tests/run.
command -v npm >/dev/null || install_debian nodejs npm
bigquery_modules=${XDG_CACHE_HOME:-$HOME/.cache}/springline/zetasql
if [ ! -d "$bigquery_modules/node_modules/@fivetrandevelopers/zetasql" ]; then
  say "installing ZetaSQL"
  mkdir -p "$bigquery_modules"
  npm install --prefix "$bigquery_modules" --silent --no-audit --no-fund @fivetrandevelopers/zetasql@1.13.0
fi
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
  say "the double of BigQuery did not start:"
  cat "$bigquery_folder/log"
  exit 1
}
export SPRINGLINE_TEST_BIGQUERY="endpoint=http://127.0.0.1:$bigquery_port credentials=$bigquery_folder/key.json"
require bigquery
