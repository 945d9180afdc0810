-- segment.top
WITH
-- springline.yaml:14
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    CAST(SUM("purchase_rows"."amount") AS DECIMAL(38, 2)) AS "purchase_sum_amount"
  FROM "orders" AS "purchase_rows"
  WHERE "purchase_rows"."at" < CAST('2024-06-30 00:00:00' AS TIMESTAMP(6))
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:11
"customer_1" AS (
  SELECT
    "customer_base"."id",
    COALESCE("purchase"."purchase_sum_amount", CAST('0.00' AS DECIMAL(2, 2))) AS "value"
  FROM "customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."id" = "purchase"."customer_id"
),
-- springline.yaml:11
"customer_2" AS (
  SELECT
    "customer_1"."id",
    "customer_1"."value",
    CAST(NTILE(10) OVER (ORDER BY "customer_1"."value" DESC NULLS LAST, "customer_1"."id" NULLS LAST) AS BIGINT) AS "decile"
  FROM "customer_1"
),
-- springline.yaml:11
"customer" AS (
  SELECT
    "customer_2"."id",
    CASE WHEN "customer_2"."decile" = 1 THEN 'top' WHEN "customer_2"."value" > CAST('0.00' AS DECIMAL(2, 2)) THEN 'rest' END AS "band"
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
    COUNT(*) FILTER (WHERE "purchase_rows"."at" >= CAST('2024-05-31 00:00:00' AS TIMESTAMP(6))) > 0 AS "purchase_exists_30d",
    CAST(SUM("purchase_rows"."amount") AS DECIMAL(38, 2)) AS "purchase_sum_amount"
  FROM "orders" AS "purchase_rows"
  WHERE "purchase_rows"."at" < CAST('2024-06-30 00:00:00' AS TIMESTAMP(6))
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:11
"customer_1" AS (
  SELECT
    "customer_base"."id",
    COALESCE("purchase"."purchase_exists_30d", FALSE) AS "purchase_exists_30d",
    COALESCE("purchase"."purchase_sum_amount", CAST('0.00' AS DECIMAL(2, 2))) AS "value"
  FROM "customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."id" = "purchase"."customer_id"
),
-- springline.yaml:11
"customer_2" AS (
  SELECT
    "customer_1"."id",
    "customer_1"."purchase_exists_30d",
    "customer_1"."value",
    CAST(NTILE(10) OVER (ORDER BY "customer_1"."value" DESC NULLS LAST, "customer_1"."id" NULLS LAST) AS BIGINT) AS "decile"
  FROM "customer_1"
),
-- springline.yaml:11
"customer_3" AS (
  SELECT
    "customer_2"."id",
    "customer_2"."purchase_exists_30d",
    CASE WHEN "customer_2"."decile" = 1 THEN 'top' WHEN "customer_2"."value" > CAST('0.00' AS DECIMAL(2, 2)) THEN 'rest' END AS "band"
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
    CAST(SUM("purchase_rows"."amount") AS DECIMAL(38, 2)) AS "purchase_sum_amount",
    COUNT(*) AS "purchase_count"
  FROM "orders" AS "purchase_rows"
  WHERE "purchase_rows"."at" < CAST('2024-06-30 00:00:00' AS TIMESTAMP(6))
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:11
"customer_1" AS (
  SELECT
    "customer_base"."id",
    COALESCE("purchase"."purchase_sum_amount", CAST('0.00' AS DECIMAL(2, 2))) AS "value",
    COALESCE("purchase"."purchase_count", 0) AS "orders"
  FROM "customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."id" = "purchase"."customer_id"
),
-- springline.yaml:11
"customer_2" AS (
  SELECT
    "customer_1"."id",
    "customer_1"."value",
    CAST(ROUND(CAST("customer_1"."value" AS DECIMAL(38, 6)) / NULLIF("customer_1"."orders", 0), 6) AS DECIMAL(38, 6)) AS "basket",
    CAST(NTILE(10) OVER (ORDER BY "customer_1"."value" DESC NULLS LAST, "customer_1"."id" NULLS LAST) AS BIGINT) AS "decile"
  FROM "customer_1"
),
-- springline.yaml:11
"customer_3" AS (
  SELECT
    "customer_2"."id",
    "customer_2"."basket",
    CASE WHEN "customer_2"."decile" = 1 THEN 'top' WHEN "customer_2"."value" > CAST('0.00' AS DECIMAL(2, 2)) THEN 'rest' END AS "band"
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
WHERE "customer"."basket" < CAST('20.500000' AS DECIMAL(8, 6))
  AND NOT "customer"."top";

-- state.schema
CREATE SCHEMA IF NOT EXISTS "springline";

-- membership.customer.create
CREATE TABLE IF NOT EXISTS "springline"."membership_customer" (
  "segment" VARCHAR,
  "entity_id" VARCHAR,
  "entered_at" TIMESTAMP(6),
  "exited_at" TIMESTAMP(6)
);

-- sizes.customer.create
CREATE TABLE IF NOT EXISTS "springline"."sizes_customer" (
  "segment" VARCHAR,
  "as_of" TIMESTAMP(6),
  "members" BIGINT,
  "entered" BIGINT,
  "exited" BIGINT
);

-- entity.customer
CREATE OR REPLACE TABLE "springline"."entity_customer" AS
WITH
-- springline.yaml:14
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    CAST(SUM("purchase_rows"."amount") AS DECIMAL(38, 2)) AS "purchase_sum_amount",
    COUNT(*) AS "purchase_count",
    COUNT(*) FILTER (WHERE "purchase_rows"."at" >= CAST('2024-05-31 00:00:00' AS TIMESTAMP(6))) > 0 AS "purchase_exists_30d"
  FROM "orders" AS "purchase_rows"
  WHERE "purchase_rows"."at" < CAST('2024-06-30 00:00:00' AS TIMESTAMP(6))
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:11
"customer_1" AS (
  SELECT
    "customer_base"."id",
    COALESCE("purchase"."purchase_exists_30d", FALSE) AS "purchase_exists_30d",
    BTRIM("customer_base"."first_name" || ' ' || "customer_base"."last_name") AS "full_name",
    COALESCE("purchase"."purchase_sum_amount", CAST('0.00' AS DECIMAL(2, 2))) AS "value",
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
    CAST(ROUND(CAST("customer_1"."value" AS DECIMAL(38, 6)) / NULLIF("customer_1"."orders", 0), 6) AS DECIMAL(38, 6)) AS "basket",
    CAST(NTILE(10) OVER (ORDER BY "customer_1"."value" DESC NULLS LAST, "customer_1"."id" NULLS LAST) AS BIGINT) AS "decile"
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
    CASE WHEN "customer_2"."decile" = 1 THEN 'top' WHEN "customer_2"."value" > CAST('0.00' AS DECIMAL(2, 2)) THEN 'rest' END AS "band"
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
    COALESCE("customer_4"."basket" < CAST('20.500000' AS DECIMAL(8, 6)) AND NOT "customer_4"."top", FALSE) AS "others"
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

-- moves.customer
CREATE OR REPLACE TABLE "springline"."moves_customer" AS
WITH
"memberships" AS (
  SELECT
    UNNEST(MAKE_ARRAY(CASE WHEN "e"."top" THEN 'top' END, CASE WHEN "e"."quiet_top" THEN 'quiet_top' END, CASE WHEN "e"."others" THEN 'others' END)) AS "segment",
    "e"."id" AS "entity_id"
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
  COALESCE("v"."entered_at", "p"."entered_at", CAST('2024-06-30 00:00:00' AS TIMESTAMP(6))) AS "entered_at",
  CASE WHEN NOT "v"."is_member" THEN CAST('2024-06-30 00:00:00' AS TIMESTAMP(6)) END AS "exited_at",
  COALESCE("v"."entered_at" = CAST('2024-06-30 00:00:00' AS TIMESTAMP(6)), FALSE) AS "removed"
FROM "changed" AS "v"
LEFT JOIN "springline"."membership_customer" AS "p" ON "v"."segment" = "p"."segment" AND "v"."entity_id" = "p"."entity_id" AND "p"."exited_at" = CAST('2024-06-30 00:00:00' AS TIMESTAMP(6));

-- membership.customer
CREATE OR REPLACE TABLE "springline"."membership_customer" AS
SELECT
  "t"."segment",
  "t"."entity_id",
  "t"."entered_at",
  "t"."exited_at"
FROM "springline"."membership_customer" AS "t"
LEFT JOIN "springline"."moves_customer" AS "s" ON "t"."segment" = "s"."segment" AND "t"."entity_id" = "s"."entity_id" AND "t"."entered_at" = "s"."entered_at"
WHERE "s"."removed" IS NULL
UNION ALL
SELECT
  "s"."segment",
  "s"."entity_id",
  "s"."entered_at",
  "s"."exited_at"
FROM "springline"."moves_customer" AS "s"
WHERE NOT "s"."removed";

-- new_sizes.customer.drop
DROP TABLE IF EXISTS "springline"."new_sizes_customer";

-- new_sizes.customer.create
CREATE TABLE IF NOT EXISTS "springline"."new_sizes_customer" (
  "segment" VARCHAR,
  "as_of" TIMESTAMP(6),
  "members" BIGINT,
  "entered" BIGINT,
  "exited" BIGINT,
  "removed" BOOLEAN
);

-- sizes.customer
CREATE OR REPLACE TABLE "springline"."sizes_customer" AS
SELECT
  "t"."segment",
  "t"."as_of",
  "t"."members",
  "t"."entered",
  "t"."exited"
FROM "springline"."sizes_customer" AS "t"
LEFT JOIN "springline"."new_sizes_customer" AS "s" ON "t"."segment" = "s"."segment" AND "t"."as_of" = "s"."as_of"
WHERE "s"."removed" IS NULL
UNION ALL
SELECT
  "s"."segment",
  "s"."as_of",
  "s"."members",
  "s"."entered",
  "s"."exited"
FROM "springline"."new_sizes_customer" AS "s"
WHERE NOT "s"."removed";

-- new_sizes_customer.drop
DROP TABLE IF EXISTS "springline"."new_sizes_customer";

-- moves_customer.drop
DROP TABLE IF EXISTS "springline"."moves_customer";

