-- ==== segment
-- error: the dialect `redshift` has no `last` of (string): no aggregate takes the first row of an order

-- ==== difference
WITH
"wanted" AS (
  SELECT DISTINCT
    "t"."customer_id",
    "t"."hash"
  FROM "lake"."springline"."wanted" AS "t"
),
"ledger" AS (
  SELECT DISTINCT
    "t"."customer_id",
    "t"."hash"
  FROM "lake"."springline"."ledger" AS "t"
),
"joined" AS (
  SELECT
    COALESCE("w"."customer_id", "l"."customer_id") AS "customer_id",
    "l"."hash" AS "before",
    "w"."hash" AS "after"
  FROM "wanted" AS "w"
  FULL JOIN "ledger" AS "l" ON "w"."customer_id" = "l"."customer_id"
  INNER JOIN "sample" AS "s" ON TRUE
)
SELECT
  'added' AS "op",
  "j"."customer_id"
FROM "joined" AS "j"
WHERE "j"."before" IS NULL
UNION ALL
(SELECT
  'removed' AS "op",
  "j"."customer_id"
FROM "joined" AS "j"
WHERE "j"."after" IS NULL
GROUP BY "j"."customer_id", CAST(1 AS BIGINT)
LIMIT 5)

-- ==== create schema
CREATE SCHEMA IF NOT EXISTS "springline"

-- ==== create table
CREATE TABLE IF NOT EXISTS "springline"."membership" (
  "segment" VARCHAR(65535),
  "value" DECIMAL(38, 2),
  "tags" SUPER,
  "entered_at" TIMESTAMPTZ
)

-- ==== replace table
-- error: the dialect `redshift` has no `last` of (string): no aggregate takes the first row of an order

-- ==== append
INSERT INTO "springline"."membership" ("op", "customer_id")
WITH
"wanted" AS (
  SELECT DISTINCT
    "t"."customer_id",
    "t"."hash"
  FROM "lake"."springline"."wanted" AS "t"
),
"ledger" AS (
  SELECT DISTINCT
    "t"."customer_id",
    "t"."hash"
  FROM "lake"."springline"."ledger" AS "t"
),
"joined" AS (
  SELECT
    COALESCE("w"."customer_id", "l"."customer_id") AS "customer_id",
    "l"."hash" AS "before",
    "w"."hash" AS "after"
  FROM "wanted" AS "w"
  FULL JOIN "ledger" AS "l" ON "w"."customer_id" = "l"."customer_id"
  INNER JOIN "sample" AS "s" ON TRUE
)
SELECT
  'added' AS "op",
  "j"."customer_id"
FROM "joined" AS "j"
WHERE "j"."before" IS NULL
UNION ALL
(SELECT
  'removed' AS "op",
  "j"."customer_id"
FROM "joined" AS "j"
WHERE "j"."after" IS NULL
GROUP BY "j"."customer_id", CAST(1 AS BIGINT)
LIMIT 5)

-- ==== merge
BEGIN;
DELETE FROM "springline"."membership"
USING "springline"."changes" AS s
WHERE "springline"."membership"."segment" = s."segment" AND "springline"."membership"."customer_id" = s."customer_id" AND s."delete";
UPDATE "springline"."membership" SET
  "hash" = s."hash"
FROM "springline"."changes" AS s
WHERE "springline"."membership"."segment" = s."segment" AND "springline"."membership"."customer_id" = s."customer_id" AND NOT s."delete";
INSERT INTO "springline"."membership" ("segment", "customer_id", "hash")
SELECT s."segment", s."customer_id", s."hash"
FROM "springline"."changes" AS s
LEFT JOIN "springline"."membership" AS t ON t."segment" = s."segment" AND t."customer_id" = s."customer_id"
WHERE t."segment" IS NULL AND NOT s."delete";
COMMIT;

-- ==== merge of keys only
BEGIN;
DELETE FROM "springline"."membership"
USING "springline"."changes" AS s
WHERE "springline"."membership"."segment" = s."segment" AND "springline"."membership"."customer_id" = s."customer_id" AND s."delete";
INSERT INTO "springline"."membership" ("segment", "customer_id")
SELECT s."segment", s."customer_id"
FROM "springline"."changes" AS s
LEFT JOIN "springline"."membership" AS t ON t."segment" = s."segment" AND t."customer_id" = s."customer_id"
WHERE t."segment" IS NULL AND NOT s."delete";
COMMIT;

-- ==== drop table
DROP TABLE IF EXISTS "springline"."membership"

