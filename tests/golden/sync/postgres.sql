-- segment.vips
SELECT
  "customer"."id"
FROM "customers" AS "customer"
WHERE "customer"."vip" = TRUE;

-- state.schema
CREATE SCHEMA IF NOT EXISTS "state";

-- membership.customer.create
CREATE TABLE IF NOT EXISTS "state"."membership_customer" (
  "segment" TEXT,
  "entity_id" TEXT,
  "entered_at" TIMESTAMPTZ,
  "exited_at" TIMESTAMPTZ
);

-- sizes.customer.create
CREATE TABLE IF NOT EXISTS "state"."sizes_customer" (
  "segment" TEXT,
  "as_of" TIMESTAMPTZ,
  "members" BIGINT,
  "entered" BIGINT,
  "exited" BIGINT
);

-- entity.customer
BEGIN;
DROP TABLE IF EXISTS "state"."entity_customer__new";
CREATE TABLE "state"."entity_customer__new" AS
WITH
-- springline.yaml:9
"customer" AS (
  SELECT
    "customer_base"."id",
    COALESCE("customer_base"."vip" = TRUE, FALSE) AS "vips"
  FROM "customers" AS "customer_base"
)
SELECT
  "customer"."id",
  "customer"."vips"
FROM "customer";
ANALYZE "state"."entity_customer__new";
DROP TABLE IF EXISTS "state"."entity_customer";
ALTER TABLE "state"."entity_customer__new" RENAME TO "entity_customer";
COMMIT;

-- moves.customer
BEGIN;
DROP TABLE IF EXISTS "state"."moves_customer__new";
CREATE TABLE "state"."moves_customer__new" AS
WITH
"memberships" AS (
  SELECT
    UNNEST(ARRAY[CASE WHEN "e"."vips" THEN 'vips' END]) AS "segment",
    CAST("e"."id" AS TEXT) AS "entity_id"
  FROM "state"."entity_customer" AS "e"
),
"current_members" AS (
  SELECT
    "s"."segment",
    "s"."entity_id"
  FROM "memberships" AS "s"
  WHERE "s"."segment" IS NOT NULL
),
"former_members" AS (
  SELECT
    "m"."segment",
    "m"."entity_id",
    "m"."entered_at",
    "m"."exited_at"
  FROM "state"."membership_customer" AS "m"
  WHERE "m"."exited_at" IS NULL
),
"changed" AS (
  SELECT
    COALESCE("f"."segment", "c"."segment") AS "segment",
    COALESCE("f"."entity_id", "c"."entity_id") AS "entity_id",
    "c"."entity_id" IS NOT NULL AS "is_member",
    "f"."entered_at",
    "f"."exited_at"
  FROM "former_members" AS "f"
  FULL JOIN "current_members" AS "c" ON "f"."segment" = "c"."segment" AND "f"."entity_id" = "c"."entity_id"
  WHERE "c"."entity_id" IS NULL OR "f"."entity_id" IS NULL
)
SELECT
  "v"."segment",
  "v"."entity_id",
  COALESCE("v"."entered_at", "p"."entered_at", TIMESTAMPTZ '2024-06-30 00:00:00+00') AS "entered_at",
  CASE WHEN NOT "v"."is_member" THEN TIMESTAMPTZ '2024-06-30 00:00:00+00' END AS "exited_at",
  COALESCE("v"."entered_at" = TIMESTAMPTZ '2024-06-30 00:00:00+00', FALSE) AS "removed"
FROM "changed" AS "v"
LEFT JOIN "state"."membership_customer" AS "p" ON "v"."segment" = "p"."segment" AND "v"."entity_id" = "p"."entity_id" AND "p"."exited_at" = TIMESTAMPTZ '2024-06-30 00:00:00+00';
ANALYZE "state"."moves_customer__new";
DROP TABLE IF EXISTS "state"."moves_customer";
ALTER TABLE "state"."moves_customer__new" RENAME TO "moves_customer";
COMMIT;

-- membership.customer
MERGE INTO "state"."membership_customer" AS t
USING "state"."moves_customer" AS s
ON t."segment" = s."segment" AND t."entity_id" = s."entity_id" AND t."entered_at" = s."entered_at"
WHEN MATCHED AND s."removed" THEN DELETE
WHEN MATCHED THEN UPDATE SET
  "exited_at" = s."exited_at"
WHEN NOT MATCHED AND NOT s."removed" THEN
  INSERT ("segment", "entity_id", "entered_at", "exited_at")
  VALUES (s."segment", s."entity_id", s."entered_at", s."exited_at");

-- new_sizes.customer.drop
DROP TABLE IF EXISTS "state"."new_sizes_customer";

-- new_sizes.customer.create
CREATE TABLE IF NOT EXISTS "state"."new_sizes_customer" (
  "segment" TEXT,
  "as_of" TIMESTAMPTZ,
  "members" BIGINT,
  "entered" BIGINT,
  "exited" BIGINT,
  "removed" BOOLEAN
);

-- sizes.customer
MERGE INTO "state"."sizes_customer" AS t
USING "state"."new_sizes_customer" AS s
ON t."segment" = s."segment" AND t."as_of" = s."as_of"
WHEN MATCHED AND s."removed" THEN DELETE
WHEN MATCHED THEN UPDATE SET
  "members" = s."members",
  "entered" = s."entered",
  "exited" = s."exited"
WHEN NOT MATCHED AND NOT s."removed" THEN
  INSERT ("segment", "as_of", "members", "entered", "exited")
  VALUES (s."segment", s."as_of", s."members", s."entered", s."exited");

-- new_sizes_customer.drop
DROP TABLE IF EXISTS "state"."new_sizes_customer";

-- moves_customer.drop
DROP TABLE IF EXISTS "state"."moves_customer";

-- state.schema
CREATE SCHEMA IF NOT EXISTS "state";

-- state.state_versions
CREATE TABLE IF NOT EXISTS "state"."state_versions" (
  "name" TEXT,
  "version" BIGINT,
  "since" TIMESTAMPTZ
);

-- state.runs
CREATE TABLE IF NOT EXISTS "state"."runs" (
  "run_id" TEXT,
  "sync" TEXT,
  "as_of" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ,
  "ended_at" TIMESTAMPTZ,
  "outcome" TEXT,
  "error" TEXT,
  "added" BIGINT,
  "changed" BIGINT,
  "removed" BIGINT,
  "unchanged" BIGINT,
  "delivered" BIGINT,
  "rejected" BIGINT,
  "unknown" BIGINT,
  "unsent" BIGINT,
  "held" BIGINT,
  "skipped" BIGINT,
  "repeated" BIGINT,
  "requests" BIGINT,
  "desired" BIGINT,
  "definition_hash" TEXT
);

-- state.run_steps
CREATE TABLE IF NOT EXISTS "state"."run_steps" (
  "run_id" TEXT,
  "sync" TEXT,
  "step" TEXT,
  "started_at" TIMESTAMPTZ,
  "ended_at" TIMESTAMPTZ,
  "rows" BIGINT,
  "error" TEXT
);

-- state.deliveries
CREATE TABLE IF NOT EXISTS "state"."deliveries" (
  "run_id" TEXT,
  "sync" TEXT,
  "destination" TEXT,
  "_key" TEXT,
  "operation" TEXT,
  "outcome" TEXT,
  "_hash" TEXT,
  "sent_at" TIMESTAMPTZ
);

-- state.resources
CREATE TABLE IF NOT EXISTS "state"."resources" (
  "sync" TEXT,
  "destination" TEXT,
  "name" TEXT,
  "value" TEXT,
  "since" TIMESTAMPTZ
);

-- state.ledger_vips_to_files
CREATE TABLE IF NOT EXISTS "state"."ledger_vips_to_files" (
  "_key" TEXT,
  "_hash" TEXT,
  "run_id" TEXT,
  "sent_at" TIMESTAMPTZ,
  "receipt" TEXT,
  "in_doubt" TEXT,
  "in_doubt_request" TEXT
);

-- state.rejected_vips_to_files
CREATE TABLE IF NOT EXISTS "state"."rejected_vips_to_files" (
  "_key" TEXT,
  "_hash" TEXT,
  "operation" TEXT,
  "code" TEXT,
  "message" TEXT,
  "retryable" BOOLEAN,
  "run_id" TEXT,
  "first_seen_at" TIMESTAMPTZ,
  "last_seen_at" TIMESTAMPTZ,
  "attempts" BIGINT
);

-- state.lease_vips_to_files
CREATE TABLE IF NOT EXISTS "state"."lease_vips_to_files" (
  "holder" TEXT,
  "expires_at" TIMESTAMPTZ
);

-- sync.vips_to_files.desired
BEGIN;
DROP TABLE IF EXISTS "state"."desired_vips_to_files__new";
CREATE TABLE "state"."desired_vips_to_files__new" AS
WITH
-- springline.yaml:13
"mapped" AS (
  SELECT
    CAST("customer"."id" AS TEXT) AS "_key",
    LOWER("customer"."email" COLLATE "und-x-icu") COLLATE "C" AS "Email",
    "customer"."score" AS "It's a ""score""",
    "customer"."seen_at" AS "seen"
  FROM "customers" AS "customer"
  WHERE "customer"."vip" = TRUE
)
SELECT
  "mapped"."_key",
  "mapped"."Email",
  "mapped"."It's a ""score""",
  "mapped"."seen",
  ENCODE(SHA256(CONVERT_TO('files/id;' || ('5=Email:string;' || COALESCE(CAST(CAST(CHAR_LENGTH("mapped"."Email") AS BIGINT) AS TEXT) || ':' || "mapped"."Email", '-')) || ('14=It''s a "score":decimal(6,2);' || COALESCE(CAST(CAST(CHAR_LENGTH(CAST(CAST("mapped"."It's a ""score""" AS NUMERIC(6, 2)) AS TEXT)) AS BIGINT) AS TEXT) || ':' || CAST(CAST("mapped"."It's a ""score""" AS NUMERIC(6, 2)) AS TEXT), '-')) || ('4=seen:timestamp;' || COALESCE(CAST(CAST(CHAR_LENGTH(TO_CHAR("mapped"."seen" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) AS BIGINT) AS TEXT) || ':' || TO_CHAR("mapped"."seen" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '-')), 'UTF8')), 'hex') AS "_hash"
FROM "mapped";
ANALYZE "state"."desired_vips_to_files__new";
DROP TABLE IF EXISTS "state"."desired_vips_to_files";
ALTER TABLE "state"."desired_vips_to_files__new" RENAME TO "desired_vips_to_files";
COMMIT;

-- sync.vips_to_files.duplicates
SELECT
  "d"."_key",
  COUNT(*) AS "rows"
FROM "state"."desired_vips_to_files" AS "d"
GROUP BY "d"."_key"
HAVING COUNT(*) > 1 OR "d"."_key" IS NULL
LIMIT 5;

-- sync.vips_to_files.difference
BEGIN;
DROP TABLE IF EXISTS "state"."difference_vips_to_files__new";
CREATE TABLE "state"."difference_vips_to_files__new" AS
SELECT
  COALESCE("d"."_key", "l"."_key") AS "_key",
  CASE WHEN "d"."_key" IS NULL THEN 'removed' WHEN "l"."_hash" IS NULL THEN 'added' WHEN "d"."_hash" <> "l"."_hash" OR "l"."in_doubt" IS NOT NULL THEN 'changed' ELSE 'repeated' END AS "_change",
  COALESCE(COALESCE("d"."_hash", "l"."_hash"), '') AS "_hash",
  "l"."receipt" AS "_receipt",
  "l"."in_doubt" AS "_in_doubt",
  "l"."in_doubt_request" AS "_in_doubt_request"
FROM "state"."desired_vips_to_files" AS "d"
FULL JOIN "state"."ledger_vips_to_files" AS "l" ON "d"."_key" = "l"."_key"
WHERE "d"."_key" IS NULL OR "l"."_hash" IS NULL OR "d"."_hash" <> "l"."_hash" OR "l"."in_doubt" IS NOT NULL;
ANALYZE "state"."difference_vips_to_files__new";
DROP TABLE IF EXISTS "state"."difference_vips_to_files";
ALTER TABLE "state"."difference_vips_to_files__new" RENAME TO "difference_vips_to_files";
COMMIT;

-- sync.vips_to_files.counts
SELECT
  "c"."_change",
  "r"."_key" IS NOT NULL AS "held",
  "c"."_in_doubt" IS NOT NULL AS "in_doubt",
  COUNT(*) AS "rows"
FROM "state"."difference_vips_to_files" AS "c"
LEFT JOIN "state"."rejected_vips_to_files" AS "r" ON "c"."_key" = "r"."_key" AND "c"."_hash" = "r"."_hash" AND CASE WHEN "c"."_change" = 'removed' THEN 'delete' ELSE 'upsert' END = "r"."operation" AND (NOT "r"."retryable" OR "r"."last_seen_at" > CASE WHEN "r"."attempts" <= 1 THEN TIMESTAMPTZ '2024-06-29 23:55:00+00' WHEN "r"."attempts" <= 2 THEN TIMESTAMPTZ '2024-06-29 23:30:00+00' WHEN "r"."attempts" <= 3 THEN TIMESTAMPTZ '2024-06-29 22:00:00+00' WHEN "r"."attempts" <= 4 THEN TIMESTAMPTZ '2024-06-29 12:00:00+00' ELSE TIMESTAMPTZ '2024-06-29 00:00:00+00' END)
GROUP BY "c"."_change", "r"."_key" IS NOT NULL, "c"."_in_doubt" IS NOT NULL
UNION ALL
SELECT
  'desired' AS "_change",
  FALSE AS "held",
  FALSE AS "in_doubt",
  COUNT(*) AS "rows"
FROM "state"."desired_vips_to_files" AS "d";

-- sync.vips_to_files.rejected.clear
BEGIN;
DROP TABLE IF EXISTS "state"."rejected_vips_to_files__new";
CREATE TABLE "state"."rejected_vips_to_files__new" AS
SELECT
  "r"."_key",
  "r"."_hash",
  "r"."operation",
  "r"."code",
  "r"."message",
  "r"."retryable",
  "r"."run_id",
  "r"."first_seen_at",
  "r"."last_seen_at",
  "r"."attempts"
FROM "state"."difference_vips_to_files" AS "c"
INNER JOIN "state"."rejected_vips_to_files" AS "r" ON "c"."_key" = "r"."_key" AND "c"."_hash" = "r"."_hash" AND CASE WHEN "c"."_change" = 'removed' THEN 'delete' ELSE 'upsert' END = "r"."operation"
WHERE "c"."_change" IN ('added', 'changed', 'removed', 'repeated');
ANALYZE "state"."rejected_vips_to_files__new";
DROP TABLE IF EXISTS "state"."rejected_vips_to_files";
ALTER TABLE "state"."rejected_vips_to_files__new" RENAME TO "rejected_vips_to_files";
COMMIT;

-- sync.vips_to_files.changes
SELECT
  "c"."_key",
  "c"."_change",
  "c"."_hash",
  "c"."_receipt",
  CAST(NULL AS TEXT) AS "_repeat_of",
  "d"."Email",
  "d"."It's a ""score""",
  "d"."seen"
FROM "state"."difference_vips_to_files" AS "c"
LEFT JOIN "state"."desired_vips_to_files" AS "d" ON "c"."_key" = "d"."_key"
LEFT JOIN "state"."rejected_vips_to_files" AS "r" ON "c"."_key" = "r"."_key" AND "c"."_hash" = "r"."_hash" AND CASE WHEN "c"."_change" = 'removed' THEN 'delete' ELSE 'upsert' END = "r"."operation" AND (NOT "r"."retryable" OR "r"."last_seen_at" > CASE WHEN "r"."attempts" <= 1 THEN TIMESTAMPTZ '2024-06-29 23:55:00+00' WHEN "r"."attempts" <= 2 THEN TIMESTAMPTZ '2024-06-29 23:30:00+00' WHEN "r"."attempts" <= 3 THEN TIMESTAMPTZ '2024-06-29 22:00:00+00' WHEN "r"."attempts" <= 4 THEN TIMESTAMPTZ '2024-06-29 12:00:00+00' ELSE TIMESTAMPTZ '2024-06-29 00:00:00+00' END)
WHERE "c"."_change" IN ('added', 'changed', 'removed', 'repeated')
  AND "r"."_key" IS NULL
  AND "c"."_in_doubt" IS NULL;

-- sync.vips_to_files.outcomes.drop
DROP TABLE IF EXISTS "state"."outcomes_vips_to_files";

-- sync.vips_to_files.outcomes
CREATE TABLE IF NOT EXISTS "state"."outcomes_vips_to_files" (
  "_key" TEXT,
  "_hash" TEXT,
  "run_id" TEXT,
  "sent_at" TIMESTAMPTZ,
  "receipt" TEXT,
  "in_doubt" TEXT,
  "in_doubt_request" TEXT,
  "removed" BOOLEAN
);

-- sync.vips_to_files.refusals.drop
DROP TABLE IF EXISTS "state"."refusals_vips_to_files";

-- sync.vips_to_files.refusals
CREATE TABLE IF NOT EXISTS "state"."refusals_vips_to_files" (
  "_key" TEXT,
  "_hash" TEXT,
  "operation" TEXT,
  "code" TEXT,
  "message" TEXT,
  "retryable" BOOLEAN,
  "run_id" TEXT,
  "seen_at" TIMESTAMPTZ
);

-- sync.vips_to_files.acknowledge
MERGE INTO "state"."ledger_vips_to_files" AS t
USING "state"."outcomes_vips_to_files" AS s
ON t."_key" = s."_key"
WHEN MATCHED AND s."removed" THEN DELETE
WHEN MATCHED THEN UPDATE SET
  "_hash" = s."_hash",
  "run_id" = s."run_id",
  "sent_at" = s."sent_at",
  "receipt" = s."receipt",
  "in_doubt" = s."in_doubt",
  "in_doubt_request" = s."in_doubt_request"
WHEN NOT MATCHED AND NOT s."removed" THEN
  INSERT ("_key", "_hash", "run_id", "sent_at", "receipt", "in_doubt", "in_doubt_request")
  VALUES (s."_key", s."_hash", s."run_id", s."sent_at", s."receipt", s."in_doubt", s."in_doubt_request");

-- sync.vips_to_files.refuse
BEGIN;
DROP TABLE IF EXISTS "state"."rejected_vips_to_files__new";
CREATE TABLE "state"."rejected_vips_to_files__new" AS
SELECT
  "f"."_key",
  "f"."_hash",
  "f"."operation",
  "f"."code",
  "f"."message",
  "f"."retryable",
  "f"."run_id",
  COALESCE("r"."first_seen_at", "f"."seen_at") AS "first_seen_at",
  "f"."seen_at" AS "last_seen_at",
  CAST(COALESCE("r"."attempts", 0) AS BIGINT) + CASE WHEN "r"."run_id" = "f"."run_id" THEN 0 ELSE 1 END AS "attempts"
FROM "state"."refusals_vips_to_files" AS "f"
LEFT JOIN "state"."rejected_vips_to_files" AS "r" ON "f"."_key" = "r"."_key"
UNION ALL
SELECT
  "r"."_key",
  "r"."_hash",
  "r"."operation",
  "r"."code",
  "r"."message",
  "r"."retryable",
  "r"."run_id",
  "r"."first_seen_at",
  "r"."last_seen_at",
  "r"."attempts"
FROM "state"."rejected_vips_to_files" AS "r"
LEFT JOIN "state"."refusals_vips_to_files" AS "f" ON "r"."_key" = "f"."_key"
LEFT JOIN "state"."outcomes_vips_to_files" AS "o" ON "r"."_key" = "o"."_key" AND "o"."in_doubt" IS NULL
WHERE "f"."_key" IS NULL
  AND "o"."_key" IS NULL;
ANALYZE "state"."rejected_vips_to_files__new";
DROP TABLE IF EXISTS "state"."rejected_vips_to_files";
ALTER TABLE "state"."rejected_vips_to_files__new" RENAME TO "rejected_vips_to_files";
COMMIT;

-- sync.vips_to_files.desired.drop
DROP TABLE IF EXISTS "state"."desired_vips_to_files";

-- sync.vips_to_files.difference.drop
DROP TABLE IF EXISTS "state"."difference_vips_to_files";

-- sync.vips_to_files.outcomes.drop
DROP TABLE IF EXISTS "state"."outcomes_vips_to_files";

-- sync.vips_to_files.refusals.drop
DROP TABLE IF EXISTS "state"."refusals_vips_to_files";

-- state.schema
CREATE SCHEMA IF NOT EXISTS "state";

-- state.state_versions
CREATE TABLE IF NOT EXISTS "state"."state_versions" (
  "name" TEXT,
  "version" BIGINT,
  "since" TIMESTAMPTZ
);

-- state.runs
CREATE TABLE IF NOT EXISTS "state"."runs" (
  "run_id" TEXT,
  "sync" TEXT,
  "as_of" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ,
  "ended_at" TIMESTAMPTZ,
  "outcome" TEXT,
  "error" TEXT,
  "added" BIGINT,
  "changed" BIGINT,
  "removed" BIGINT,
  "unchanged" BIGINT,
  "delivered" BIGINT,
  "rejected" BIGINT,
  "unknown" BIGINT,
  "unsent" BIGINT,
  "held" BIGINT,
  "skipped" BIGINT,
  "repeated" BIGINT,
  "requests" BIGINT,
  "desired" BIGINT,
  "definition_hash" TEXT
);

-- state.run_steps
CREATE TABLE IF NOT EXISTS "state"."run_steps" (
  "run_id" TEXT,
  "sync" TEXT,
  "step" TEXT,
  "started_at" TIMESTAMPTZ,
  "ended_at" TIMESTAMPTZ,
  "rows" BIGINT,
  "error" TEXT
);

-- state.deliveries
CREATE TABLE IF NOT EXISTS "state"."deliveries" (
  "run_id" TEXT,
  "sync" TEXT,
  "destination" TEXT,
  "_key" TEXT,
  "operation" TEXT,
  "outcome" TEXT,
  "_hash" TEXT,
  "sent_at" TIMESTAMPTZ
);

-- state.resources
CREATE TABLE IF NOT EXISTS "state"."resources" (
  "sync" TEXT,
  "destination" TEXT,
  "name" TEXT,
  "value" TEXT,
  "since" TIMESTAMPTZ
);

-- state.ledger_all_to_files
CREATE TABLE IF NOT EXISTS "state"."ledger_all_to_files" (
  "_key" TEXT,
  "_hash" TEXT,
  "run_id" TEXT,
  "sent_at" TIMESTAMPTZ,
  "receipt" TEXT,
  "in_doubt" TEXT,
  "in_doubt_request" TEXT
);

-- state.rejected_all_to_files
CREATE TABLE IF NOT EXISTS "state"."rejected_all_to_files" (
  "_key" TEXT,
  "_hash" TEXT,
  "operation" TEXT,
  "code" TEXT,
  "message" TEXT,
  "retryable" BOOLEAN,
  "run_id" TEXT,
  "first_seen_at" TIMESTAMPTZ,
  "last_seen_at" TIMESTAMPTZ,
  "attempts" BIGINT
);

-- state.lease_all_to_files
CREATE TABLE IF NOT EXISTS "state"."lease_all_to_files" (
  "holder" TEXT,
  "expires_at" TIMESTAMPTZ
);

-- sync.all_to_files.desired
BEGIN;
DROP TABLE IF EXISTS "state"."desired_all_to_files__new";
CREATE TABLE "state"."desired_all_to_files__new" AS
WITH
-- springline.yaml:19
"mapped" AS (
  SELECT
    CAST("customer"."id" AS TEXT) AS "_key",
    "customer"."email"
  FROM "customers" AS "customer"
)
SELECT
  "mapped"."_key",
  "mapped"."email",
  ENCODE(SHA256(CONVERT_TO('files/id;' || ('5=email:string;' || COALESCE(CAST(CAST(CHAR_LENGTH("mapped"."email") AS BIGINT) AS TEXT) || ':' || "mapped"."email", '-')), 'UTF8')), 'hex') AS "_hash"
FROM "mapped";
ANALYZE "state"."desired_all_to_files__new";
DROP TABLE IF EXISTS "state"."desired_all_to_files";
ALTER TABLE "state"."desired_all_to_files__new" RENAME TO "desired_all_to_files";
COMMIT;

-- sync.all_to_files.duplicates
SELECT
  "d"."_key",
  COUNT(*) AS "rows"
FROM "state"."desired_all_to_files" AS "d"
GROUP BY "d"."_key"
HAVING COUNT(*) > 1 OR "d"."_key" IS NULL
LIMIT 5;

-- sync.all_to_files.difference
BEGIN;
DROP TABLE IF EXISTS "state"."difference_all_to_files__new";
CREATE TABLE "state"."difference_all_to_files__new" AS
SELECT
  COALESCE("d"."_key", "l"."_key") AS "_key",
  CASE WHEN "d"."_key" IS NULL THEN 'removed' WHEN "l"."_hash" IS NULL THEN 'added' WHEN "d"."_hash" <> "l"."_hash" OR "l"."in_doubt" IS NOT NULL THEN 'changed' ELSE 'repeated' END AS "_change",
  COALESCE(COALESCE("d"."_hash", "l"."_hash"), '') AS "_hash",
  "l"."receipt" AS "_receipt",
  "l"."in_doubt" AS "_in_doubt",
  "l"."in_doubt_request" AS "_in_doubt_request"
FROM "state"."desired_all_to_files" AS "d"
FULL JOIN "state"."ledger_all_to_files" AS "l" ON "d"."_key" = "l"."_key"
WHERE "d"."_key" IS NULL OR "l"."_hash" IS NULL OR "d"."_hash" <> "l"."_hash" OR "l"."in_doubt" IS NOT NULL;
ANALYZE "state"."difference_all_to_files__new";
DROP TABLE IF EXISTS "state"."difference_all_to_files";
ALTER TABLE "state"."difference_all_to_files__new" RENAME TO "difference_all_to_files";
COMMIT;

-- sync.all_to_files.counts
SELECT
  "c"."_change",
  "r"."_key" IS NOT NULL AS "held",
  "c"."_in_doubt" IS NOT NULL AS "in_doubt",
  COUNT(*) AS "rows"
FROM "state"."difference_all_to_files" AS "c"
LEFT JOIN "state"."rejected_all_to_files" AS "r" ON "c"."_key" = "r"."_key" AND "c"."_hash" = "r"."_hash" AND CASE WHEN "c"."_change" = 'removed' THEN 'delete' ELSE 'upsert' END = "r"."operation" AND (NOT "r"."retryable" OR "r"."last_seen_at" > CASE WHEN "r"."attempts" <= 1 THEN TIMESTAMPTZ '2024-06-29 23:55:00+00' WHEN "r"."attempts" <= 2 THEN TIMESTAMPTZ '2024-06-29 23:30:00+00' WHEN "r"."attempts" <= 3 THEN TIMESTAMPTZ '2024-06-29 22:00:00+00' WHEN "r"."attempts" <= 4 THEN TIMESTAMPTZ '2024-06-29 12:00:00+00' ELSE TIMESTAMPTZ '2024-06-29 00:00:00+00' END)
GROUP BY "c"."_change", "r"."_key" IS NOT NULL, "c"."_in_doubt" IS NOT NULL
UNION ALL
SELECT
  'desired' AS "_change",
  FALSE AS "held",
  FALSE AS "in_doubt",
  COUNT(*) AS "rows"
FROM "state"."desired_all_to_files" AS "d";

-- sync.all_to_files.rejected.clear
BEGIN;
DROP TABLE IF EXISTS "state"."rejected_all_to_files__new";
CREATE TABLE "state"."rejected_all_to_files__new" AS
SELECT
  "r"."_key",
  "r"."_hash",
  "r"."operation",
  "r"."code",
  "r"."message",
  "r"."retryable",
  "r"."run_id",
  "r"."first_seen_at",
  "r"."last_seen_at",
  "r"."attempts"
FROM "state"."difference_all_to_files" AS "c"
INNER JOIN "state"."rejected_all_to_files" AS "r" ON "c"."_key" = "r"."_key" AND "c"."_hash" = "r"."_hash" AND CASE WHEN "c"."_change" = 'removed' THEN 'delete' ELSE 'upsert' END = "r"."operation"
WHERE "c"."_change" IN ('added');
ANALYZE "state"."rejected_all_to_files__new";
DROP TABLE IF EXISTS "state"."rejected_all_to_files";
ALTER TABLE "state"."rejected_all_to_files__new" RENAME TO "rejected_all_to_files";
COMMIT;

-- sync.all_to_files.changes
SELECT
  "c"."_key",
  "c"."_change",
  "c"."_hash",
  "c"."_receipt",
  CAST(NULL AS TEXT) AS "_repeat_of",
  "d"."email"
FROM "state"."difference_all_to_files" AS "c"
LEFT JOIN "state"."desired_all_to_files" AS "d" ON "c"."_key" = "d"."_key"
LEFT JOIN "state"."rejected_all_to_files" AS "r" ON "c"."_key" = "r"."_key" AND "c"."_hash" = "r"."_hash" AND CASE WHEN "c"."_change" = 'removed' THEN 'delete' ELSE 'upsert' END = "r"."operation" AND (NOT "r"."retryable" OR "r"."last_seen_at" > CASE WHEN "r"."attempts" <= 1 THEN TIMESTAMPTZ '2024-06-29 23:55:00+00' WHEN "r"."attempts" <= 2 THEN TIMESTAMPTZ '2024-06-29 23:30:00+00' WHEN "r"."attempts" <= 3 THEN TIMESTAMPTZ '2024-06-29 22:00:00+00' WHEN "r"."attempts" <= 4 THEN TIMESTAMPTZ '2024-06-29 12:00:00+00' ELSE TIMESTAMPTZ '2024-06-29 00:00:00+00' END)
WHERE "c"."_change" IN ('added')
  AND "r"."_key" IS NULL
  AND "c"."_in_doubt" IS NULL;

-- sync.all_to_files.outcomes.drop
DROP TABLE IF EXISTS "state"."outcomes_all_to_files";

-- sync.all_to_files.outcomes
CREATE TABLE IF NOT EXISTS "state"."outcomes_all_to_files" (
  "_key" TEXT,
  "_hash" TEXT,
  "run_id" TEXT,
  "sent_at" TIMESTAMPTZ,
  "receipt" TEXT,
  "in_doubt" TEXT,
  "in_doubt_request" TEXT,
  "removed" BOOLEAN
);

-- sync.all_to_files.refusals.drop
DROP TABLE IF EXISTS "state"."refusals_all_to_files";

-- sync.all_to_files.refusals
CREATE TABLE IF NOT EXISTS "state"."refusals_all_to_files" (
  "_key" TEXT,
  "_hash" TEXT,
  "operation" TEXT,
  "code" TEXT,
  "message" TEXT,
  "retryable" BOOLEAN,
  "run_id" TEXT,
  "seen_at" TIMESTAMPTZ
);

-- sync.all_to_files.acknowledge
MERGE INTO "state"."ledger_all_to_files" AS t
USING "state"."outcomes_all_to_files" AS s
ON t."_key" = s."_key"
WHEN MATCHED AND s."removed" THEN DELETE
WHEN MATCHED THEN UPDATE SET
  "_hash" = s."_hash",
  "run_id" = s."run_id",
  "sent_at" = s."sent_at",
  "receipt" = s."receipt",
  "in_doubt" = s."in_doubt",
  "in_doubt_request" = s."in_doubt_request"
WHEN NOT MATCHED AND NOT s."removed" THEN
  INSERT ("_key", "_hash", "run_id", "sent_at", "receipt", "in_doubt", "in_doubt_request")
  VALUES (s."_key", s."_hash", s."run_id", s."sent_at", s."receipt", s."in_doubt", s."in_doubt_request");

-- sync.all_to_files.refuse
BEGIN;
DROP TABLE IF EXISTS "state"."rejected_all_to_files__new";
CREATE TABLE "state"."rejected_all_to_files__new" AS
SELECT
  "f"."_key",
  "f"."_hash",
  "f"."operation",
  "f"."code",
  "f"."message",
  "f"."retryable",
  "f"."run_id",
  COALESCE("r"."first_seen_at", "f"."seen_at") AS "first_seen_at",
  "f"."seen_at" AS "last_seen_at",
  CAST(COALESCE("r"."attempts", 0) AS BIGINT) + CASE WHEN "r"."run_id" = "f"."run_id" THEN 0 ELSE 1 END AS "attempts"
FROM "state"."refusals_all_to_files" AS "f"
LEFT JOIN "state"."rejected_all_to_files" AS "r" ON "f"."_key" = "r"."_key"
UNION ALL
SELECT
  "r"."_key",
  "r"."_hash",
  "r"."operation",
  "r"."code",
  "r"."message",
  "r"."retryable",
  "r"."run_id",
  "r"."first_seen_at",
  "r"."last_seen_at",
  "r"."attempts"
FROM "state"."rejected_all_to_files" AS "r"
LEFT JOIN "state"."refusals_all_to_files" AS "f" ON "r"."_key" = "f"."_key"
LEFT JOIN "state"."outcomes_all_to_files" AS "o" ON "r"."_key" = "o"."_key" AND "o"."in_doubt" IS NULL
WHERE "f"."_key" IS NULL
  AND "o"."_key" IS NULL;
ANALYZE "state"."rejected_all_to_files__new";
DROP TABLE IF EXISTS "state"."rejected_all_to_files";
ALTER TABLE "state"."rejected_all_to_files__new" RENAME TO "rejected_all_to_files";
COMMIT;

-- sync.all_to_files.desired.drop
DROP TABLE IF EXISTS "state"."desired_all_to_files";

-- sync.all_to_files.difference.drop
DROP TABLE IF EXISTS "state"."difference_all_to_files";

-- sync.all_to_files.outcomes.drop
DROP TABLE IF EXISTS "state"."outcomes_all_to_files";

-- sync.all_to_files.refusals.drop
DROP TABLE IF EXISTS "state"."refusals_all_to_files";

