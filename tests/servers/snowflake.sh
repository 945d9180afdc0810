# A double of Snowflake's SQL API over snowduck (tests/servers/snowflake). Read by tests/run.
snowflake_venv=${XDG_CACHE_HOME:-$HOME/.cache}/springline/snowflake
# With what the double itself uses, whatever snowduck asks for.
python_packages "$snowflake_venv" 'snowduck[server]==0.3.0' 'sqlglot[c]==30.18.0' duckdb==1.5.6 numpy==2.4.6 pyarrow==26.0.1 \
  snowflake-connector-python==4.8.1 pyjwt==2.15.1 starlette==1.10.0 uvicorn==0.54.0
say "starting the double of Snowflake"
snowflake_port=$(free_port)
snowflake_dir=$(mktemp -d)
command -v openssl >/dev/null || install_debian openssl
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$snowflake_dir/key.pem" 2>/dev/null
openssl pkey -in "$snowflake_dir/key.pem" -pubout -out "$snowflake_dir/key.pub"
"$snowflake_venv/bin/python" tests/servers/snowflake/server.py "$snowflake_port" "$snowflake_dir/key.pub" >"$snowflake_dir/log" 2>&1 &
snowflake_server=$!
stop_snowflake() {
  kill "$snowflake_server" 2>/dev/null || true
  rm -rf "$snowflake_dir"
}
at_exit stop_snowflake
for _ in $(seq 120); do
  if python3 -c "import urllib.request as r; r.urlopen('http://127.0.0.1:$snowflake_port/seen?word=none', timeout=2)" 2>/dev/null; then
    export SPRINGLINE_TEST_SNOWFLAKE="host=http://127.0.0.1:$snowflake_port key=$snowflake_dir/key.pem"
    break
  fi
  kill -0 "$snowflake_server" 2>/dev/null || break
  sleep 0.5
done
if [ -z "${SPRINGLINE_TEST_SNOWFLAKE:-}" ]; then
  cat "$snowflake_dir/log" >&2
  fail "the double of Snowflake did not start in a minute; above is its log. If a module is missing, delete $snowflake_venv"
fi
require snowflake
