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
    CAST(CAST("customer_1"."value" AS NUMERIC(76, 38)) / NULLIF("customer_1"."orders", 0) AS NUMERIC(38, 6)) AS "basket",
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
    CAST(CAST("customer_1"."value" AS NUMERIC(76, 38)) / NULLIF("customer_1"."orders", 0) AS NUMERIC(38, 6)) AS "basket",
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
    UNNEST(ARRAY[CASE WHEN "e"."top" THEN 'top' END, CASE WHEN "e"."quiet_top" THEN 'quiet_top' END, CASE WHEN "e"."others" THEN 'others' END]) AS "segment",
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

