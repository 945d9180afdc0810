-- segment.vips
SELECT
  "customer"."id"
FROM "customers" AS "customer"
WHERE "customer"."vip" = TRUE;

-- state.schema
CREATE SCHEMA IF NOT EXISTS "state";

-- membership.customer.create
CREATE TABLE IF NOT EXISTS "state"."membership_customer" (
  "segment" VARCHAR,
  "entity_id" VARCHAR,
  "entered_at" TIMESTAMP(6),
  "exited_at" TIMESTAMP(6)
);

-- sizes.customer.create
CREATE TABLE IF NOT EXISTS "state"."sizes_customer" (
  "segment" VARCHAR,
  "as_of" TIMESTAMP(6),
  "members" BIGINT,
  "entered" BIGINT,
  "exited" BIGINT
);

-- entity.customer
CREATE OR REPLACE TABLE "state"."entity_customer" AS
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

-- moves.customer
CREATE OR REPLACE TABLE "state"."moves_customer" AS
WITH
"memberships" AS (
  SELECT
    UNNEST(MAKE_ARRAY(CASE WHEN "e"."vips" THEN 'vips' END)) AS "segment",
    CAST("e"."id" AS VARCHAR) AS "entity_id"
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
  COALESCE("v"."entered_at", "p"."entered_at", CAST('2024-06-30 00:00:00' AS TIMESTAMP(6))) AS "entered_at",
  CASE WHEN NOT "v"."is_member" THEN CAST('2024-06-30 00:00:00' AS TIMESTAMP(6)) END AS "exited_at",
  COALESCE("v"."entered_at" = CAST('2024-06-30 00:00:00' AS TIMESTAMP(6)), FALSE) AS "removed"
FROM "changed" AS "v"
LEFT JOIN "state"."membership_customer" AS "p" ON "v"."segment" = "p"."segment" AND "v"."entity_id" = "p"."entity_id" AND "p"."exited_at" = CAST('2024-06-30 00:00:00' AS TIMESTAMP(6));

-- membership.customer
CREATE OR REPLACE TABLE "state"."membership_customer" AS
SELECT
  "t"."segment",
  "t"."entity_id",
  "t"."entered_at",
  "t"."exited_at"
FROM "state"."membership_customer" AS "t"
LEFT JOIN "state"."moves_customer" AS "s" ON "t"."segment" = "s"."segment" AND "t"."entity_id" = "s"."entity_id" AND "t"."entered_at" = "s"."entered_at"
WHERE "s"."removed" IS NULL
UNION ALL
SELECT
  "s"."segment",
  "s"."entity_id",
  "s"."entered_at",
  "s"."exited_at"
FROM "state"."moves_customer" AS "s"
WHERE NOT "s"."removed";

-- new_sizes.customer.drop
DROP TABLE IF EXISTS "state"."new_sizes_customer";

-- new_sizes.customer.create
CREATE TABLE IF NOT EXISTS "state"."new_sizes_customer" (
  "segment" VARCHAR,
  "as_of" TIMESTAMP(6),
  "members" BIGINT,
  "entered" BIGINT,
  "exited" BIGINT,
  "removed" BOOLEAN
);

-- sizes.customer
CREATE OR REPLACE TABLE "state"."sizes_customer" AS
SELECT
  "t"."segment",
  "t"."as_of",
  "t"."members",
  "t"."entered",
  "t"."exited"
FROM "state"."sizes_customer" AS "t"
LEFT JOIN "state"."new_sizes_customer" AS "s" ON "t"."segment" = "s"."segment" AND "t"."as_of" = "s"."as_of"
WHERE "s"."removed" IS NULL
UNION ALL
SELECT
  "s"."segment",
  "s"."as_of",
  "s"."members",
  "s"."entered",
  "s"."exited"
FROM "state"."new_sizes_customer" AS "s"
WHERE NOT "s"."removed";

-- new_sizes_customer.drop
DROP TABLE IF EXISTS "state"."new_sizes_customer";

-- moves_customer.drop
DROP TABLE IF EXISTS "state"."moves_customer";

-- state.schema
CREATE SCHEMA IF NOT EXISTS "state";

-- state.state_versions
CREATE TABLE IF NOT EXISTS "state"."state_versions" (
  "name" VARCHAR,
  "version" BIGINT,
  "since" TIMESTAMP(6)
);

-- state.runs
CREATE TABLE IF NOT EXISTS "state"."runs" (
  "run_id" VARCHAR,
  "sync" VARCHAR,
  "as_of" TIMESTAMP(6),
  "started_at" TIMESTAMP(6),
  "ended_at" TIMESTAMP(6),
  "outcome" VARCHAR,
  "error" VARCHAR,
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
  "definition_hash" VARCHAR
);

-- state.run_steps
CREATE TABLE IF NOT EXISTS "state"."run_steps" (
  "run_id" VARCHAR,
  "sync" VARCHAR,
  "step" VARCHAR,
  "started_at" TIMESTAMP(6),
  "ended_at" TIMESTAMP(6),
  "rows" BIGINT,
  "error" VARCHAR
);

-- state.deliveries
CREATE TABLE IF NOT EXISTS "state"."deliveries" (
  "run_id" VARCHAR,
  "sync" VARCHAR,
  "destination" VARCHAR,
  "_key" VARCHAR,
  "operation" VARCHAR,
  "outcome" VARCHAR,
  "_hash" VARCHAR,
  "sent_at" TIMESTAMP(6)
);

-- state.resources
CREATE TABLE IF NOT EXISTS "state"."resources" (
  "sync" VARCHAR,
  "destination" VARCHAR,
  "name" VARCHAR,
  "value" VARCHAR,
  "since" TIMESTAMP(6)
);

-- state.ledger_vips_to_files
CREATE TABLE IF NOT EXISTS "state"."ledger_vips_to_files" (
  "_key" VARCHAR,
  "_hash" VARCHAR,
  "run_id" VARCHAR,
  "sent_at" TIMESTAMP(6),
  "receipt" VARCHAR,
  "in_doubt" VARCHAR,
  "in_doubt_request" VARCHAR
);

-- state.rejected_vips_to_files
CREATE TABLE IF NOT EXISTS "state"."rejected_vips_to_files" (
  "_key" VARCHAR,
  "_hash" VARCHAR,
  "operation" VARCHAR,
  "code" VARCHAR,
  "message" VARCHAR,
  "retryable" BOOLEAN,
  "run_id" VARCHAR,
  "first_seen_at" TIMESTAMP(6),
  "last_seen_at" TIMESTAMP(6),
  "attempts" BIGINT
);

-- state.lease_vips_to_files
CREATE TABLE IF NOT EXISTS "state"."lease_vips_to_files" (
  "holder" VARCHAR,
  "expires_at" TIMESTAMP(6)
);

-- sync.vips_to_files.desired
CREATE OR REPLACE TABLE "state"."desired_vips_to_files" AS
WITH
-- springline.yaml:13
"mapped" AS (
  SELECT
    CAST("customer"."id" AS VARCHAR) AS "_key",
    LOWER("customer"."email") AS "Email",
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
  ENCODE(SHA256('files/id;' || ('5=Email:string;' || COALESCE(CAST(CAST(CHARACTER_LENGTH("mapped"."Email") AS BIGINT) AS VARCHAR) || ':' || "mapped"."Email", '-')) || ('14=It''s a "score":decimal(6,2);' || COALESCE(CAST(CAST(CHARACTER_LENGTH(CAST(CAST("mapped"."It's a ""score""" AS DECIMAL(6, 2)) AS VARCHAR)) AS BIGINT) AS VARCHAR) || ':' || CAST(CAST("mapped"."It's a ""score""" AS DECIMAL(6, 2)) AS VARCHAR), '-')) || ('4=seen:timestamp;' || COALESCE(CAST(CAST(CHARACTER_LENGTH(TO_CHAR("mapped"."seen", '%Y-%m-%dT%H:%M:%S%.6fZ')) AS BIGINT) AS VARCHAR) || ':' || TO_CHAR("mapped"."seen", '%Y-%m-%dT%H:%M:%S%.6fZ'), '-'))), 'hex') AS "_hash"
FROM "mapped";

-- sync.vips_to_files.duplicates
SELECT
  "d"."_key",
  COUNT(*) AS "rows"
FROM "state"."desired_vips_to_files" AS "d"
GROUP BY "d"."_key"
HAVING COUNT(*) > 1 OR "d"."_key" IS NULL
LIMIT 5;

-- sync.vips_to_files.difference
CREATE OR REPLACE TABLE "state"."difference_vips_to_files" AS
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

-- sync.vips_to_files.counts
SELECT
  "c"."_change",
  "r"."_key" IS NOT NULL AS "held",
  "c"."_in_doubt" IS NOT NULL AS "in_doubt",
  COUNT(*) AS "rows"
FROM "state"."difference_vips_to_files" AS "c"
LEFT JOIN "state"."rejected_vips_to_files" AS "r" ON "c"."_key" = "r"."_key" AND "c"."_hash" = "r"."_hash" AND CASE WHEN "c"."_change" = 'removed' THEN 'delete' ELSE 'upsert' END = "r"."operation" AND (NOT "r"."retryable" OR "r"."last_seen_at" > CASE WHEN "r"."attempts" <= 1 THEN CAST('2024-06-29 23:55:00' AS TIMESTAMP(6)) WHEN "r"."attempts" <= 2 THEN CAST('2024-06-29 23:30:00' AS TIMESTAMP(6)) WHEN "r"."attempts" <= 3 THEN CAST('2024-06-29 22:00:00' AS TIMESTAMP(6)) WHEN "r"."attempts" <= 4 THEN CAST('2024-06-29 12:00:00' AS TIMESTAMP(6)) ELSE CAST('2024-06-29 00:00:00' AS TIMESTAMP(6)) END)
GROUP BY "c"."_change", "r"."_key" IS NOT NULL, "c"."_in_doubt" IS NOT NULL
UNION ALL
SELECT
  'desired' AS "_change",
  FALSE AS "held",
  FALSE AS "in_doubt",
  COUNT(*) AS "rows"
FROM "state"."desired_vips_to_files" AS "d";

-- sync.vips_to_files.rejected.clear
CREATE OR REPLACE TABLE "state"."rejected_vips_to_files" AS
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

-- sync.vips_to_files.changes
SELECT
  "c"."_key",
  "c"."_change",
  "c"."_hash",
  "c"."_receipt",
  CAST(NULL AS VARCHAR) AS "_repeat_of",
  "d"."Email",
  "d"."It's a ""score""",
  "d"."seen"
FROM "state"."difference_vips_to_files" AS "c"
LEFT JOIN "state"."desired_vips_to_files" AS "d" ON "c"."_key" = "d"."_key"
LEFT JOIN "state"."rejected_vips_to_files" AS "r" ON "c"."_key" = "r"."_key" AND "c"."_hash" = "r"."_hash" AND CASE WHEN "c"."_change" = 'removed' THEN 'delete' ELSE 'upsert' END = "r"."operation" AND (NOT "r"."retryable" OR "r"."last_seen_at" > CASE WHEN "r"."attempts" <= 1 THEN CAST('2024-06-29 23:55:00' AS TIMESTAMP(6)) WHEN "r"."attempts" <= 2 THEN CAST('2024-06-29 23:30:00' AS TIMESTAMP(6)) WHEN "r"."attempts" <= 3 THEN CAST('2024-06-29 22:00:00' AS TIMESTAMP(6)) WHEN "r"."attempts" <= 4 THEN CAST('2024-06-29 12:00:00' AS TIMESTAMP(6)) ELSE CAST('2024-06-29 00:00:00' AS TIMESTAMP(6)) END)
WHERE "c"."_change" IN ('added', 'changed', 'removed', 'repeated')
  AND "r"."_key" IS NULL
  AND "c"."_in_doubt" IS NULL;

-- sync.vips_to_files.outcomes.drop
DROP TABLE IF EXISTS "state"."outcomes_vips_to_files";

-- sync.vips_to_files.outcomes
CREATE TABLE IF NOT EXISTS "state"."outcomes_vips_to_files" (
  "_key" VARCHAR,
  "_hash" VARCHAR,
  "run_id" VARCHAR,
  "sent_at" TIMESTAMP(6),
  "receipt" VARCHAR,
  "in_doubt" VARCHAR,
  "in_doubt_request" VARCHAR,
  "removed" BOOLEAN
);

-- sync.vips_to_files.refusals.drop
DROP TABLE IF EXISTS "state"."refusals_vips_to_files";

-- sync.vips_to_files.refusals
CREATE TABLE IF NOT EXISTS "state"."refusals_vips_to_files" (
  "_key" VARCHAR,
  "_hash" VARCHAR,
  "operation" VARCHAR,
  "code" VARCHAR,
  "message" VARCHAR,
  "retryable" BOOLEAN,
  "run_id" VARCHAR,
  "seen_at" TIMESTAMP(6)
);

-- sync.vips_to_files.acknowledge
CREATE OR REPLACE TABLE "state"."ledger_vips_to_files" AS
SELECT
  "l"."_key",
  "l"."_hash",
  "l"."run_id",
  "l"."sent_at",
  "l"."receipt",
  "l"."in_doubt",
  "l"."in_doubt_request"
FROM "state"."ledger_vips_to_files" AS "l"
LEFT JOIN "state"."outcomes_vips_to_files" AS "o" ON "l"."_key" = "o"."_key"
WHERE "o"."_key" IS NULL
UNION ALL
SELECT
  "o"."_key",
  "o"."_hash",
  "o"."run_id",
  "o"."sent_at",
  "o"."receipt",
  "o"."in_doubt",
  "o"."in_doubt_request"
FROM "state"."outcomes_vips_to_files" AS "o"
WHERE NOT "o"."removed";

-- sync.vips_to_files.refuse
CREATE OR REPLACE TABLE "state"."rejected_vips_to_files" AS
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
  "name" VARCHAR,
  "version" BIGINT,
  "since" TIMESTAMP(6)
);

-- state.runs
CREATE TABLE IF NOT EXISTS "state"."runs" (
  "run_id" VARCHAR,
  "sync" VARCHAR,
  "as_of" TIMESTAMP(6),
  "started_at" TIMESTAMP(6),
  "ended_at" TIMESTAMP(6),
  "outcome" VARCHAR,
  "error" VARCHAR,
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
  "definition_hash" VARCHAR
);

-- state.run_steps
CREATE TABLE IF NOT EXISTS "state"."run_steps" (
  "run_id" VARCHAR,
  "sync" VARCHAR,
  "step" VARCHAR,
  "started_at" TIMESTAMP(6),
  "ended_at" TIMESTAMP(6),
  "rows" BIGINT,
  "error" VARCHAR
);

-- state.deliveries
CREATE TABLE IF NOT EXISTS "state"."deliveries" (
  "run_id" VARCHAR,
  "sync" VARCHAR,
  "destination" VARCHAR,
  "_key" VARCHAR,
  "operation" VARCHAR,
  "outcome" VARCHAR,
  "_hash" VARCHAR,
  "sent_at" TIMESTAMP(6)
);

-- state.resources
CREATE TABLE IF NOT EXISTS "state"."resources" (
  "sync" VARCHAR,
  "destination" VARCHAR,
  "name" VARCHAR,
  "value" VARCHAR,
  "since" TIMESTAMP(6)
);

-- state.ledger_all_to_files
CREATE TABLE IF NOT EXISTS "state"."ledger_all_to_files" (
  "_key" VARCHAR,
  "_hash" VARCHAR,
  "run_id" VARCHAR,
  "sent_at" TIMESTAMP(6),
  "receipt" VARCHAR,
  "in_doubt" VARCHAR,
  "in_doubt_request" VARCHAR
);

-- state.rejected_all_to_files
CREATE TABLE IF NOT EXISTS "state"."rejected_all_to_files" (
  "_key" VARCHAR,
  "_hash" VARCHAR,
  "operation" VARCHAR,
  "code" VARCHAR,
  "message" VARCHAR,
  "retryable" BOOLEAN,
  "run_id" VARCHAR,
  "first_seen_at" TIMESTAMP(6),
  "last_seen_at" TIMESTAMP(6),
  "attempts" BIGINT
);

-- state.lease_all_to_files
CREATE TABLE IF NOT EXISTS "state"."lease_all_to_files" (
  "holder" VARCHAR,
  "expires_at" TIMESTAMP(6)
);

-- sync.all_to_files.desired
CREATE OR REPLACE TABLE "state"."desired_all_to_files" AS
WITH
-- springline.yaml:19
"mapped" AS (
  SELECT
    CAST("customer"."id" AS VARCHAR) AS "_key",
    "customer"."email"
  FROM "customers" AS "customer"
)
SELECT
  "mapped"."_key",
  "mapped"."email",
  ENCODE(SHA256('files/id;' || ('5=email:string;' || COALESCE(CAST(CAST(CHARACTER_LENGTH("mapped"."email") AS BIGINT) AS VARCHAR) || ':' || "mapped"."email", '-'))), 'hex') AS "_hash"
FROM "mapped";

-- sync.all_to_files.duplicates
SELECT
  "d"."_key",
  COUNT(*) AS "rows"
FROM "state"."desired_all_to_files" AS "d"
GROUP BY "d"."_key"
HAVING COUNT(*) > 1 OR "d"."_key" IS NULL
LIMIT 5;

-- sync.all_to_files.difference
CREATE OR REPLACE TABLE "state"."difference_all_to_files" AS
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

-- sync.all_to_files.counts
SELECT
  "c"."_change",
  "r"."_key" IS NOT NULL AS "held",
  "c"."_in_doubt" IS NOT NULL AS "in_doubt",
  COUNT(*) AS "rows"
FROM "state"."difference_all_to_files" AS "c"
LEFT JOIN "state"."rejected_all_to_files" AS "r" ON "c"."_key" = "r"."_key" AND "c"."_hash" = "r"."_hash" AND CASE WHEN "c"."_change" = 'removed' THEN 'delete' ELSE 'upsert' END = "r"."operation" AND (NOT "r"."retryable" OR "r"."last_seen_at" > CASE WHEN "r"."attempts" <= 1 THEN CAST('2024-06-29 23:55:00' AS TIMESTAMP(6)) WHEN "r"."attempts" <= 2 THEN CAST('2024-06-29 23:30:00' AS TIMESTAMP(6)) WHEN "r"."attempts" <= 3 THEN CAST('2024-06-29 22:00:00' AS TIMESTAMP(6)) WHEN "r"."attempts" <= 4 THEN CAST('2024-06-29 12:00:00' AS TIMESTAMP(6)) ELSE CAST('2024-06-29 00:00:00' AS TIMESTAMP(6)) END)
GROUP BY "c"."_change", "r"."_key" IS NOT NULL, "c"."_in_doubt" IS NOT NULL
UNION ALL
SELECT
  'desired' AS "_change",
  FALSE AS "held",
  FALSE AS "in_doubt",
  COUNT(*) AS "rows"
FROM "state"."desired_all_to_files" AS "d";

-- sync.all_to_files.rejected.clear
CREATE OR REPLACE TABLE "state"."rejected_all_to_files" AS
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

-- sync.all_to_files.changes
SELECT
  "c"."_key",
  "c"."_change",
  "c"."_hash",
  "c"."_receipt",
  CAST(NULL AS VARCHAR) AS "_repeat_of",
  "d"."email"
FROM "state"."difference_all_to_files" AS "c"
LEFT JOIN "state"."desired_all_to_files" AS "d" ON "c"."_key" = "d"."_key"
LEFT JOIN "state"."rejected_all_to_files" AS "r" ON "c"."_key" = "r"."_key" AND "c"."_hash" = "r"."_hash" AND CASE WHEN "c"."_change" = 'removed' THEN 'delete' ELSE 'upsert' END = "r"."operation" AND (NOT "r"."retryable" OR "r"."last_seen_at" > CASE WHEN "r"."attempts" <= 1 THEN CAST('2024-06-29 23:55:00' AS TIMESTAMP(6)) WHEN "r"."attempts" <= 2 THEN CAST('2024-06-29 23:30:00' AS TIMESTAMP(6)) WHEN "r"."attempts" <= 3 THEN CAST('2024-06-29 22:00:00' AS TIMESTAMP(6)) WHEN "r"."attempts" <= 4 THEN CAST('2024-06-29 12:00:00' AS TIMESTAMP(6)) ELSE CAST('2024-06-29 00:00:00' AS TIMESTAMP(6)) END)
WHERE "c"."_change" IN ('added')
  AND "r"."_key" IS NULL
  AND "c"."_in_doubt" IS NULL;

-- sync.all_to_files.outcomes.drop
DROP TABLE IF EXISTS "state"."outcomes_all_to_files";

-- sync.all_to_files.outcomes
CREATE TABLE IF NOT EXISTS "state"."outcomes_all_to_files" (
  "_key" VARCHAR,
  "_hash" VARCHAR,
  "run_id" VARCHAR,
  "sent_at" TIMESTAMP(6),
  "receipt" VARCHAR,
  "in_doubt" VARCHAR,
  "in_doubt_request" VARCHAR,
  "removed" BOOLEAN
);

-- sync.all_to_files.refusals.drop
DROP TABLE IF EXISTS "state"."refusals_all_to_files";

-- sync.all_to_files.refusals
CREATE TABLE IF NOT EXISTS "state"."refusals_all_to_files" (
  "_key" VARCHAR,
  "_hash" VARCHAR,
  "operation" VARCHAR,
  "code" VARCHAR,
  "message" VARCHAR,
  "retryable" BOOLEAN,
  "run_id" VARCHAR,
  "seen_at" TIMESTAMP(6)
);

-- sync.all_to_files.acknowledge
CREATE OR REPLACE TABLE "state"."ledger_all_to_files" AS
SELECT
  "l"."_key",
  "l"."_hash",
  "l"."run_id",
  "l"."sent_at",
  "l"."receipt",
  "l"."in_doubt",
  "l"."in_doubt_request"
FROM "state"."ledger_all_to_files" AS "l"
LEFT JOIN "state"."outcomes_all_to_files" AS "o" ON "l"."_key" = "o"."_key"
WHERE "o"."_key" IS NULL
UNION ALL
SELECT
  "o"."_key",
  "o"."_hash",
  "o"."run_id",
  "o"."sent_at",
  "o"."receipt",
  "o"."in_doubt",
  "o"."in_doubt_request"
FROM "state"."outcomes_all_to_files" AS "o"
WHERE NOT "o"."removed";

-- sync.all_to_files.refuse
CREATE OR REPLACE TABLE "state"."rejected_all_to_files" AS
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

-- sync.all_to_files.desired.drop
DROP TABLE IF EXISTS "state"."desired_all_to_files";

-- sync.all_to_files.difference.drop
DROP TABLE IF EXISTS "state"."difference_all_to_files";

-- sync.all_to_files.outcomes.drop
DROP TABLE IF EXISTS "state"."outcomes_all_to_files";

-- sync.all_to_files.refusals.drop
DROP TABLE IF EXISTS "state"."refusals_all_to_files";

