-- segment.top
WITH
-- springline.yaml:14
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    CAST(SUM("purchase_rows"."amount") AS NUMERIC(38, 2)) AS "purchase_sum_amount"
  FROM "orders" AS "purchase_rows"
  WHERE "purchase_rows"."at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:11
"customer_1" AS (
  SELECT
    "customer_base"."id",
    COALESCE("purchase"."purchase_sum_amount", 0.00) AS "value"
  FROM "customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."id" = "purchase"."customer_id"
),
-- springline.yaml:11
"customer_2" AS (
  SELECT
    "customer_1"."id",
    "customer_1"."value",
    CAST(NTILE(10) OVER (ORDER BY "customer_1"."value" DESC NULLS LAST, "customer_1"."id" COLLATE "C" NULLS LAST) AS BIGINT) AS "decile"
  FROM "customer_1"
),
-- springline.yaml:11
"customer" AS (
  SELECT
    "customer_2"."id",
    CASE WHEN "customer_2"."decile" = 1 THEN 'top' WHEN "customer_2"."value" > 0.00 THEN 'rest' END AS "band"
  FROM "customer_2"
)
SELECT
  "customer"."id"
FROM "customer"
WHERE "customer"."band" = 'top';

-- segment.quiet_top
WITH
-- springline.yaml:14
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) FILTER (WHERE "purchase_rows"."at" >= TIMESTAMPTZ '2024-05-31 00:00:00+00') > 0 AS "purchase_exists_30d",
    CAST(SUM("purchase_rows"."amount") AS NUMERIC(38, 2)) AS "purchase_sum_amount"
  FROM "orders" AS "purchase_rows"
  WHERE "purchase_rows"."at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:11
"customer_1" AS (
  SELECT
    "customer_base"."id",
    COALESCE("purchase"."purchase_exists_30d", FALSE) AS "purchase_exists_30d",
    COALESCE("purchase"."purchase_sum_amount", 0.00) AS "value"
  FROM "customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."id" = "purchase"."customer_id"
),
-- springline.yaml:11
"customer_2" AS (
  SELECT
    "customer_1"."id",
    "customer_1"."purchase_exists_30d",
    "customer_1"."value",
    CAST(NTILE(10) OVER (ORDER BY "customer_1"."value" DESC NULLS LAST, "customer_1"."id" COLLATE "C" NULLS LAST) AS BIGINT) AS "decile"
  FROM "customer_1"
),
-- springline.yaml:11
"customer_3" AS (
  SELECT
    "customer_2"."id",
    "customer_2"."purchase_exists_30d",
    CASE WHEN "customer_2"."decile" = 1 THEN 'top' WHEN "customer_2"."value" > 0.00 THEN 'rest' END AS "band"
  FROM "customer_2"
),
-- springline.yaml:11
"customer" AS (
  SELECT
    "customer_3"."id",
    "customer_3"."purchase_exists_30d",
    COALESCE("customer_3"."band" = 'top', FALSE) AS "top"
  FROM "customer_3"
)
SELECT
  "customer"."id"
FROM "customer"
WHERE "customer"."top"
  AND NOT "customer"."purchase_exists_30d";

-- segment.others
WITH
-- springline.yaml:14
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    CAST(SUM("purchase_rows"."amount") AS NUMERIC(38, 2)) AS "purchase_sum_amount",
    COUNT(*) AS "purchase_count"
  FROM "orders" AS "purchase_rows"
  WHERE "purchase_rows"."at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:11
"customer_1" AS (
  SELECT
    "customer_base"."id",
    COALESCE("purchase"."purchase_sum_amount", 0.00) AS "value",
    COALESCE("purchase"."purchase_count", 0) AS "orders"
  FROM "customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."id" = "purchase"."customer_id"
),
-- springline.yaml:11
"customer_2" AS (
  SELECT
    "customer_1"."id",
    "customer_1"."value",
    CAST(CAST("customer_1"."value" AS NUMERIC(38, 6)) / NULLIF("customer_1"."orders", 0) AS NUMERIC(38, 6)) AS "basket",
    CAST(NTILE(10) OVER (ORDER BY "customer_1"."value" DESC NULLS LAST, "customer_1"."id" COLLATE "C" NULLS LAST) AS BIGINT) AS "decile"
  FROM "customer_1"
),
-- springline.yaml:11
"customer_3" AS (
  SELECT
    "customer_2"."id",
    "customer_2"."basket",
    CASE WHEN "customer_2"."decile" = 1 THEN 'top' WHEN "customer_2"."value" > 0.00 THEN 'rest' END AS "band"
  FROM "customer_2"
),
-- springline.yaml:11
"customer" AS (
  SELECT
    "customer_3"."id",
    "customer_3"."basket",
    COALESCE("customer_3"."band" = 'top', FALSE) AS "top"
  FROM "customer_3"
)
SELECT
  "customer"."id"
FROM "customer"
WHERE "customer"."basket" < 20.500000
  AND NOT "customer"."top";

-- state.schema
CREATE SCHEMA IF NOT EXISTS "springline";

-- membership.customer.create
CREATE TABLE IF NOT EXISTS "springline"."membership_customer" (
  "segment" TEXT,
  "entity_id" TEXT,
  "entered_at" TIMESTAMPTZ,
  "exited_at" TIMESTAMPTZ
);

-- entity.customer
BEGIN;
DROP TABLE IF EXISTS "springline"."entity_customer__new";
CREATE TABLE "springline"."entity_customer__new" AS
WITH
-- springline.yaml:14
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    CAST(SUM("purchase_rows"."amount") AS NUMERIC(38, 2)) AS "purchase_sum_amount",
    COUNT(*) AS "purchase_count",
    COUNT(*) FILTER (WHERE "purchase_rows"."at" >= TIMESTAMPTZ '2024-05-31 00:00:00+00') > 0 AS "purchase_exists_30d"
  FROM "orders" AS "purchase_rows"
  WHERE "purchase_rows"."at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:11
"customer_1" AS (
  SELECT
    "customer_base"."id",
    COALESCE("purchase"."purchase_exists_30d", FALSE) AS "purchase_exists_30d",
    BTRIM("customer_base"."first_name" || ' ' || "customer_base"."last_name") AS "full_name",
    COALESCE("purchase"."purchase_sum_amount", 0.00) AS "value",
    COALESCE("purchase"."purchase_count", 0) AS "orders"
  FROM "customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."id" = "purchase"."customer_id"
),
-- springline.yaml:11
"customer_2" AS (
  SELECT
    "customer_1"."id",
    "customer_1"."purchase_exists_30d",
    "customer_1"."full_name",
    "customer_1"."value",
    "customer_1"."orders",
    CAST(CAST("customer_1"."value" AS NUMERIC(38, 6)) / NULLIF("customer_1"."orders", 0) AS NUMERIC(38, 6)) AS "basket",
    CAST(NTILE(10) OVER (ORDER BY "customer_1"."value" DESC NULLS LAST, "customer_1"."id" COLLATE "C" NULLS LAST) AS BIGINT) AS "decile"
  FROM "customer_1"
),
-- springline.yaml:11
"customer_3" AS (
  SELECT
    "customer_2"."id",
    "customer_2"."purchase_exists_30d",
    "customer_2"."full_name",
    "customer_2"."value",
    "customer_2"."orders",
    "customer_2"."basket",
    "customer_2"."decile",
    CASE WHEN "customer_2"."decile" = 1 THEN 'top' WHEN "customer_2"."value" > 0.00 THEN 'rest' END AS "band"
  FROM "customer_2"
),
-- springline.yaml:11
"customer_4" AS (
  SELECT
    "customer_3"."id",
    "customer_3"."purchase_exists_30d",
    "customer_3"."full_name",
    "customer_3"."value",
    "customer_3"."orders",
    "customer_3"."basket",
    "customer_3"."decile",
    "customer_3"."band",
    COALESCE("customer_3"."band" = 'top', FALSE) AS "top"
  FROM "customer_3"
),
-- springline.yaml:11
"customer" AS (
  SELECT
    "customer_4"."id",
    "customer_4"."full_name",
    "customer_4"."value",
    "customer_4"."orders",
    "customer_4"."basket",
    "customer_4"."decile",
    "customer_4"."band",
    "customer_4"."top",
    COALESCE("customer_4"."top" AND NOT "customer_4"."purchase_exists_30d", FALSE) AS "quiet_top",
    COALESCE("customer_4"."basket" < 20.500000 AND NOT "customer_4"."top", FALSE) AS "others"
  FROM "customer_4"
)
SELECT
  "customer"."id",
  "customer"."full_name",
  "customer"."value",
  "customer"."orders",
  "customer"."basket",
  "customer"."decile",
  "customer"."band",
  "customer"."top",
  "customer"."quiet_top",
  "customer"."others"
FROM "customer";
DROP TABLE IF EXISTS "springline"."entity_customer";
ALTER TABLE "springline"."entity_customer__new" RENAME TO "entity_customer";
COMMIT;

-- membership.customer
BEGIN;
DROP TABLE IF EXISTS "springline"."membership_customer__new";
CREATE TABLE "springline"."membership_customer__new" AS
WITH
"current_members" AS (
  SELECT
    'top' AS "segment",
    "e"."id" AS "entity_id"
  FROM "springline"."entity_customer" AS "e"
  WHERE "e"."top"
  UNION ALL
  SELECT
    'quiet_top' AS "segment",
    "e"."id" AS "entity_id"
  FROM "springline"."entity_customer" AS "e"
  WHERE "e"."quiet_top"
  UNION ALL
  SELECT
    'others' AS "segment",
    "e"."id" AS "entity_id"
  FROM "springline"."entity_customer" AS "e"
  WHERE "e"."others"
),
"open_intervals" AS (
  SELECT
    "m"."segment",
    "m"."entity_id",
    "m"."entered_at",
    "m"."exited_at"
  FROM "springline"."membership_customer" AS "m"
  WHERE "m"."exited_at" IS NULL
)
SELECT
  "m"."segment",
  "m"."entity_id",
  "m"."entered_at",
  "m"."exited_at"
FROM "springline"."membership_customer" AS "m"
WHERE "m"."exited_at" IS NOT NULL
UNION ALL
SELECT
  COALESCE("o"."segment", "c"."segment") AS "segment",
  COALESCE("o"."entity_id", "c"."entity_id") AS "entity_id",
  COALESCE("o"."entered_at", TIMESTAMPTZ '2024-06-30 00:00:00+00') AS "entered_at",
  CASE WHEN "c"."entity_id" IS NULL THEN TIMESTAMPTZ '2024-06-30 00:00:00+00' END AS "exited_at"
FROM "open_intervals" AS "o"
FULL JOIN "current_members" AS "c" ON "o"."segment" = "c"."segment" AND "o"."entity_id" = "c"."entity_id";
DROP TABLE IF EXISTS "springline"."membership_customer";
ALTER TABLE "springline"."membership_customer__new" RENAME TO "membership_customer";
COMMIT;

