-- segment.web_buyers
WITH
-- springline.yaml:19
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) AS "purchase_count_365d"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00'
    AND "purchase_rows"."channel" IN ('web', 'app')
  GROUP BY "purchase_rows"."customer_id"
)
SELECT
  "customer"."customer_id"
FROM "crm"."customers" AS "customer"
INNER JOIN "purchase" ON "customer"."customer_id" = "purchase"."customer_id"
WHERE COALESCE("purchase"."purchase_count_365d", 0) >= 3;

-- segment.lapsing
WITH
-- springline.yaml:19
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    CAST(SUM("purchase_rows"."amount") FILTER (WHERE "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2023-06-30 00:00:00+00') AS NUMERIC(38, 2)) AS "purchase_sum_amount_12m",
    COUNT(*) FILTER (WHERE "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2024-05-01 00:00:00+00') > 0 AS "purchase_exists_60d"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2023-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:20
"visit" AS (
  SELECT
    "visit_rows"."visitor",
    COUNT(*) > 0 AS "visit_exists_7d"
  FROM "web"."visits" AS "visit_rows"
  WHERE "visit_rows"."visited_on" < DATE '2024-07-01'
    AND "visit_rows"."visited_on" >= DATE '2024-06-24'
  GROUP BY "visit_rows"."visitor"
)
SELECT
  "customer"."customer_id"
FROM "crm"."customers" AS "customer"
INNER JOIN "purchase" ON "customer"."customer_id" = "purchase"."customer_id"
INNER JOIN "visit" ON "customer"."customer_id" = "visit"."visitor"
WHERE "purchase"."purchase_sum_amount_12m" >= 500.00
  AND NOT COALESCE("purchase"."purchase_exists_60d", FALSE)
  AND COALESCE("visit"."visit_exists_7d", FALSE)
  AND UPPER("customer"."city" COLLATE "und-x-icu") COLLATE "C" <> 'TEST'
  AND "customer"."city" IS NOT NULL;

-- segment.first_on_the_web
WITH
-- springline.yaml:19
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    (ARRAY_AGG("purchase_rows"."channel" ORDER BY "purchase_rows"."ordered_at" NULLS LAST, "purchase_rows"."channel" COLLATE "C" NULLS LAST))[1] AS "purchase_first_channel",
    (ARRAY_AGG("purchase_rows"."ordered_at" ORDER BY "purchase_rows"."ordered_at" DESC NULLS LAST))[1] AS "purchase_last_ordered_at"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
)
SELECT
  "customer"."customer_id"
FROM "crm"."customers" AS "customer"
INNER JOIN "purchase" ON "customer"."customer_id" = "purchase"."customer_id"
WHERE "purchase"."purchase_first_channel" = 'web'
  AND "purchase"."purchase_last_ordered_at" >= TIMESTAMPTZ '2024-01-01 00:00:00+00';

-- state.schema
CREATE SCHEMA IF NOT EXISTS "springline";

-- membership.customer.create
CREATE TABLE IF NOT EXISTS "springline"."membership_customer" (
  "segment" TEXT,
  "entity_id" TEXT,
  "entered_at" TIMESTAMPTZ,
  "exited_at" TIMESTAMPTZ
);

-- sizes.customer.create
CREATE TABLE IF NOT EXISTS "springline"."sizes_customer" (
  "segment" TEXT,
  "as_of" TIMESTAMPTZ,
  "members" BIGINT,
  "entered" BIGINT,
  "exited" BIGINT
);

-- entity.customer
BEGIN;
DROP TABLE IF EXISTS "springline"."entity_customer__new";
CREATE TABLE "springline"."entity_customer__new" AS
WITH
-- springline.yaml:19
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) FILTER (WHERE "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00' AND "purchase_rows"."channel" IN ('web', 'app')) AS "purchase_count_365d",
    CAST(SUM("purchase_rows"."amount") FILTER (WHERE "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2023-06-30 00:00:00+00') AS NUMERIC(38, 2)) AS "purchase_sum_amount_12m",
    COUNT(*) FILTER (WHERE "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2024-05-01 00:00:00+00') > 0 AS "purchase_exists_60d",
    (ARRAY_AGG("purchase_rows"."channel" ORDER BY "purchase_rows"."ordered_at" NULLS LAST, "purchase_rows"."channel" COLLATE "C" NULLS LAST))[1] AS "purchase_first_channel",
    (ARRAY_AGG("purchase_rows"."ordered_at" ORDER BY "purchase_rows"."ordered_at" DESC NULLS LAST))[1] AS "purchase_last_ordered_at"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:20
"visit" AS (
  SELECT
    "visit_rows"."visitor",
    COUNT(*) > 0 AS "visit_exists_7d"
  FROM "web"."visits" AS "visit_rows"
  WHERE "visit_rows"."visited_on" < DATE '2024-07-01'
    AND "visit_rows"."visited_on" >= DATE '2024-06-24'
  GROUP BY "visit_rows"."visitor"
),
-- springline.yaml:15
"customer" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE(COALESCE("purchase"."purchase_count_365d", 0) >= 3, FALSE) AS "web_buyers",
    COALESCE("purchase"."purchase_sum_amount_12m" >= 500.00 AND NOT COALESCE("purchase"."purchase_exists_60d", FALSE) AND COALESCE("visit"."visit_exists_7d", FALSE) AND UPPER("customer_base"."city" COLLATE "und-x-icu") COLLATE "C" <> 'TEST' AND "customer_base"."city" IS NOT NULL, FALSE) AS "lapsing",
    COALESCE("purchase"."purchase_first_channel" = 'web' AND "purchase"."purchase_last_ordered_at" >= TIMESTAMPTZ '2024-01-01 00:00:00+00', FALSE) AS "first_on_the_web"
  FROM "crm"."customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."customer_id" = "purchase"."customer_id"
  LEFT JOIN "visit" ON "customer_base"."customer_id" = "visit"."visitor"
)
SELECT
  "customer"."customer_id",
  "customer"."web_buyers",
  "customer"."lapsing",
  "customer"."first_on_the_web"
FROM "customer";
ANALYZE "springline"."entity_customer__new";
DROP TABLE IF EXISTS "springline"."entity_customer";
ALTER TABLE "springline"."entity_customer__new" RENAME TO "entity_customer";
COMMIT;

-- moves.customer
BEGIN;
DROP TABLE IF EXISTS "springline"."moves_customer__new";
CREATE TABLE "springline"."moves_customer__new" AS
WITH
"memberships" AS (
  SELECT
    UNNEST(ARRAY[CASE WHEN "e"."web_buyers" THEN 'web_buyers' END, CASE WHEN "e"."lapsing" THEN 'lapsing' END, CASE WHEN "e"."first_on_the_web" THEN 'first_on_the_web' END]) AS "segment",
    "e"."customer_id" AS "entity_id"
  FROM "springline"."entity_customer" AS "e"
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
  FROM "springline"."membership_customer" AS "m"
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
LEFT JOIN "springline"."membership_customer" AS "p" ON "v"."segment" = "p"."segment" AND "v"."entity_id" = "p"."entity_id" AND "p"."exited_at" = TIMESTAMPTZ '2024-06-30 00:00:00+00';
ANALYZE "springline"."moves_customer__new";
DROP TABLE IF EXISTS "springline"."moves_customer";
ALTER TABLE "springline"."moves_customer__new" RENAME TO "moves_customer";
COMMIT;

-- membership.customer
MERGE INTO "springline"."membership_customer" AS t
USING "springline"."moves_customer" AS s
ON t."segment" = s."segment" AND t."entity_id" = s."entity_id" AND t."entered_at" = s."entered_at"
WHEN MATCHED AND s."removed" THEN DELETE
WHEN MATCHED THEN UPDATE SET
  "exited_at" = s."exited_at"
WHEN NOT MATCHED AND NOT s."removed" THEN
  INSERT ("segment", "entity_id", "entered_at", "exited_at")
  VALUES (s."segment", s."entity_id", s."entered_at", s."exited_at");

-- new_sizes.customer.drop
DROP TABLE IF EXISTS "springline"."new_sizes_customer";

-- new_sizes.customer.create
CREATE TABLE IF NOT EXISTS "springline"."new_sizes_customer" (
  "segment" TEXT,
  "as_of" TIMESTAMPTZ,
  "members" BIGINT,
  "entered" BIGINT,
  "exited" BIGINT,
  "removed" BOOLEAN
);

-- sizes.customer
MERGE INTO "springline"."sizes_customer" AS t
USING "springline"."new_sizes_customer" AS s
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
DROP TABLE IF EXISTS "springline"."new_sizes_customer";

-- moves_customer.drop
DROP TABLE IF EXISTS "springline"."moves_customer";

