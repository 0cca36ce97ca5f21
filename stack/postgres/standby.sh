#!/bin/sh
# The standby in docker-compose.yml: copies the primary anew at each start, as the native run does, and follows it.
# A new copy can always follow, whatever became of the old one and its slot.
set -eu
PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
export PGPASSWORD
source="host=postgres port=5432 user=specter"
rm -rf "$PGDATA"
psql -X -q -d "$source dbname=postgres" -c \
  "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = 'standby'"
pg_basebackup -D "$PGDATA" -R -X stream -C -S standby --checkpoint=fast --no-sync \
  -d "$source application_name=standby"
unset PGPASSWORD
exec postgres "$@"
