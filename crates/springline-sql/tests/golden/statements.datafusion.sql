-- ==== segment
WITH
-- models/customer.yaml:12 fields of purchase
"orders" AS (
  SELECT
    "o"."customer_id",
    CAST(SUM("o"."amount") AS DECIMAL(38, 2)) AS "lifetime_value",
    COUNT(*) FILTER (WHERE "o"."ordered_at" >= CAST('2024-04-01 00:00:00' AS TIMESTAMP(6))) AS "orders_90d",
    FIRST_VALUE("o"."channel" ORDER BY "o"."ordered_at" DESC NULLS LAST, "o"."channel" NULLS LAST) AS "last_channel",
    COUNT(*) FILTER (WHERE "o"."ordered_at" >= CAST('2024-04-01 00:00:00' AS TIMESTAMP(6)) AND "o"."channel" = 'web') > 0 AS "web_buyer"
  FROM "shop"."orders" AS "o"
  WHERE "o"."ordered_at" < CAST('2024-06-30 00:00:00' AS TIMESTAMP(6))
    AND ("o"."channel" <> 'test' OR "o"."channel" IS NULL)
    AND "o"."customer_id" IS NOT NULL
  GROUP BY "o"."customer_id"
  HAVING COUNT(*) > 0
)
SELECT
  "c"."customer_id",
  COALESCE("orders"."lifetime_value", CAST('0.00' AS DECIMAL(2, 2))) AS "lifetime_value"
FROM "crm"."customers" AS "c"
LEFT JOIN "orders" ON "orders"."customer_id" = "c"."customer_id"
WHERE "orders"."lifetime_value" >= CAST('500.00' AS DECIMAL(5, 2))
  AND UPPER("c"."city") <> 'TEST'
ORDER BY "orders"."lifetime_value" DESC NULLS LAST, "c"."city" NULLS LAST
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
  "segment" VARCHAR,
  "value" DECIMAL(38, 2),
  "tags" VARCHAR[],
  "entered_at" TIMESTAMP(6)
)

-- ==== replace table
CREATE OR REPLACE TABLE "springline"."membership" AS
WITH
-- models/customer.yaml:12 fields of purchase
"orders" AS (
  SELECT
    "o"."customer_id",
    CAST(SUM("o"."amount") AS DECIMAL(38, 2)) AS "lifetime_value",
    COUNT(*) FILTER (WHERE "o"."ordered_at" >= CAST('2024-04-01 00:00:00' AS TIMESTAMP(6))) AS "orders_90d",
    FIRST_VALUE("o"."channel" ORDER BY "o"."ordered_at" DESC NULLS LAST, "o"."channel" NULLS LAST) AS "last_channel",
    COUNT(*) FILTER (WHERE "o"."ordered_at" >= CAST('2024-04-01 00:00:00' AS TIMESTAMP(6)) AND "o"."channel" = 'web') > 0 AS "web_buyer"
  FROM "shop"."orders" AS "o"
  WHERE "o"."ordered_at" < CAST('2024-06-30 00:00:00' AS TIMESTAMP(6))
    AND ("o"."channel" <> 'test' OR "o"."channel" IS NULL)
    AND "o"."customer_id" IS NOT NULL
  GROUP BY "o"."customer_id"
  HAVING COUNT(*) > 0
)
SELECT
  "c"."customer_id",
  COALESCE("orders"."lifetime_value", CAST('0.00' AS DECIMAL(2, 2))) AS "lifetime_value"
FROM "crm"."customers" AS "c"
LEFT JOIN "orders" ON "orders"."customer_id" = "c"."customer_id"
WHERE "orders"."lifetime_value" >= CAST('500.00' AS DECIMAL(5, 2))
  AND UPPER("c"."city") <> 'TEST'
ORDER BY "orders"."lifetime_value" DESC NULLS LAST, "c"."city" NULLS LAST
LIMIT 100

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
-- error: the dialect `datafusion` has no template `merge.sql.j2`

-- ==== merge of keys only
-- error: the dialect `datafusion` has no template `merge.sql.j2`

-- ==== delete
-- error: the dialect `datafusion` has no template `delete.sql.j2`

-- ==== add column
-- error: the dialect `datafusion` has no template `add_column.sql.j2`

-- ==== analyze
-- error: the dialect `datafusion` has no template `analyze.sql.j2`

-- ==== drop table
DROP TABLE IF EXISTS "springline"."membership"

