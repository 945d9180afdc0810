# PostgreSQL, a throwaway cluster. Read by tests/run, and by redshift.sh where it comes first.
[ -z "${postgres_cluster:-}" ] || return 0
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || install_debian postgresql
say "starting Postgres"
postgres_bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
[[ "$("$postgres_bin/postgres" --version)" =~ ([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 15 ] ||
  fail "Postgres 15 or newer is needed, and $postgres_bin is older: install postgresql-15"
postgres_cluster=$(mktemp -d)
postgres_user=()
if [ "$(id -u)" = 0 ]; then # initdb refuses root
  chown postgres "$postgres_cluster"
  postgres_user=(setpriv --reuid=postgres --regid=postgres --clear-groups env "HOME=$postgres_cluster")
fi
postgres_port=$(free_port)
stop_postgres() {
  (cd / && "${postgres_user[@]}" "$postgres_bin/pg_ctl" -D "$postgres_cluster/data" -m immediate stop >/dev/null 2>&1) || true
  rm -rf "$postgres_cluster"
}
at_exit stop_postgres
(
  cd /
  "${postgres_user[@]}" "$postgres_bin/initdb" -D "$postgres_cluster/data" -U springline --auth=trust -E UTF8 \
    --locale=C.UTF-8 --no-sync --no-instructions >/dev/null
) || fail "Postgres could not make a cluster in $postgres_cluster: is there room, and may the user postgres write there?"
(
  cd /
  "${postgres_user[@]}" "$postgres_bin/pg_ctl" -D "$postgres_cluster/data" -w -l "$postgres_cluster/log" start >/dev/null \
    -o "-h 127.0.0.1 -p $postgres_port -k $postgres_cluster -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200"
) || {
  cat "$postgres_cluster/log" >&2 || true
  fail "Postgres did not start; above is its log"
}
export SPRINGLINE_TEST_POSTGRES="host=127.0.0.1 port=$postgres_port user=springline dbname=postgres"
require postgres
