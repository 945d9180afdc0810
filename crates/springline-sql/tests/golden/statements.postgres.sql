-- ==== segment
WITH
-- models/customer.yaml:12 fields of purchase
"orders" AS (
  SELECT
    "o"."customer_id",
    CAST(SUM("o"."amount") AS NUMERIC(38, 2)) AS "lifetime_value",
    COUNT(*) FILTER (WHERE "o"."ordered_at" >= TIMESTAMPTZ '2024-04-01 00:00:00+00') AS "orders_90d",
    (ARRAY_AGG("o"."channel" ORDER BY "o"."ordered_at" DESC NULLS LAST, "o"."channel" COLLATE "C" NULLS LAST))[1] AS "last_channel",
    COUNT(*) FILTER (WHERE "o"."ordered_at" >= TIMESTAMPTZ '2024-04-01 00:00:00+00' AND "o"."channel" = 'web') > 0 AS "web_buyer"
  FROM "shop"."orders" AS "o"
  WHERE "o"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND ("o"."channel" <> 'test' OR "o"."channel" IS NULL)
    AND "o"."customer_id" IS NOT NULL
  GROUP BY "o"."customer_id"
  HAVING COUNT(*) > 0
)
SELECT
  "c"."customer_id",
  COALESCE("orders"."lifetime_value", 0.00) AS "lifetime_value"
FROM "crm"."customers" AS "c"
LEFT JOIN "orders" ON "orders"."customer_id" = "c"."customer_id"
WHERE "orders"."lifetime_value" >= 500.00
  AND UPPER("c"."city" COLLATE "und-x-icu") COLLATE "C" <> 'TEST'
ORDER BY "orders"."lifetime_value" DESC NULLS LAST, "c"."city" COLLATE "C" NULLS LAST
LIMIT 100

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
  "segment" TEXT,
  "value" NUMERIC(38, 2),
  "tags" TEXT[],
  "entered_at" TIMESTAMPTZ
)

-- ==== replace table
BEGIN;
DROP TABLE IF EXISTS "springline"."membership__new";
CREATE TABLE "springline"."membership__new" AS
WITH
-- models/customer.yaml:12 fields of purchase
"orders" AS (
  SELECT
    "o"."customer_id",
    CAST(SUM("o"."amount") AS NUMERIC(38, 2)) AS "lifetime_value",
    COUNT(*) FILTER (WHERE "o"."ordered_at" >= TIMESTAMPTZ '2024-04-01 00:00:00+00') AS "orders_90d",
    (ARRAY_AGG("o"."channel" ORDER BY "o"."ordered_at" DESC NULLS LAST, "o"."channel" COLLATE "C" NULLS LAST))[1] AS "last_channel",
    COUNT(*) FILTER (WHERE "o"."ordered_at" >= TIMESTAMPTZ '2024-04-01 00:00:00+00' AND "o"."channel" = 'web') > 0 AS "web_buyer"
  FROM "shop"."orders" AS "o"
  WHERE "o"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND ("o"."channel" <> 'test' OR "o"."channel" IS NULL)
    AND "o"."customer_id" IS NOT NULL
  GROUP BY "o"."customer_id"
  HAVING COUNT(*) > 0
)
SELECT
  "c"."customer_id",
  COALESCE("orders"."lifetime_value", 0.00) AS "lifetime_value"
FROM "crm"."customers" AS "c"
LEFT JOIN "orders" ON "orders"."customer_id" = "c"."customer_id"
WHERE "orders"."lifetime_value" >= 500.00
  AND UPPER("c"."city" COLLATE "und-x-icu") COLLATE "C" <> 'TEST'
ORDER BY "orders"."lifetime_value" DESC NULLS LAST, "c"."city" COLLATE "C" NULLS LAST
LIMIT 100;
ANALYZE "springline"."membership__new";
DROP TABLE IF EXISTS "springline"."membership";
ALTER TABLE "springline"."membership__new" RENAME TO "membership";
COMMIT;

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
MERGE INTO "springline"."membership" AS t
USING "springline"."changes" AS s
ON t."segment" = s."segment" AND t."customer_id" = s."customer_id"
WHEN MATCHED AND s."delete" THEN DELETE
WHEN MATCHED THEN UPDATE SET
  "hash" = s."hash"
WHEN NOT MATCHED AND NOT s."delete" THEN
  INSERT ("segment", "customer_id", "hash")
  VALUES (s."segment", s."customer_id", s."hash")

-- ==== merge of keys only
MERGE INTO "springline"."membership" AS t
USING "springline"."changes" AS s
ON t."segment" = s."segment" AND t."customer_id" = s."customer_id"
WHEN MATCHED AND s."delete" THEN DELETE
WHEN NOT MATCHED AND NOT s."delete" THEN
  INSERT ("segment", "customer_id")
  VALUES (s."segment", s."customer_id")

-- ==== delete
DELETE FROM "springline"."membership"
WHERE "segment" = 'lapsing' AND "ended_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'

-- ==== add column
ALTER TABLE "springline"."membership" ADD COLUMN "score" NUMERIC(12, 2)

-- ==== analyze
ANALYZE "springline"."membership"

-- ==== drop table
DROP TABLE IF EXISTS "springline"."membership"

