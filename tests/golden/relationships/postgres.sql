-- segment.french_families
WITH
-- springline.yaml:17
"members" AS (
  SELECT
    "members_rows"."household_id",
    COUNT(*) AS "members_count"
  FROM "customers" AS "members_rows"
  GROUP BY "members_rows"."household_id"
),
-- springline.yaml:14
"household" AS (
  SELECT
    "household_base"."id",
    "household_base"."country",
    COALESCE("members"."members_count", 0) AS "size"
  FROM "households" AS "household_base"
  LEFT JOIN "members" ON "household_base"."id" = "members"."household_id"
)
SELECT
  "customer"."id"
FROM "customers" AS "customer"
LEFT JOIN "household" ON "customer"."household_id" = "household"."id"
WHERE "household"."size" >= 3
  AND "household"."country" = 'FR';

-- segment.big_grocery_households
WITH
-- springline.yaml:24
"line" AS (
  SELECT
    "line_rows"."customer",
    CAST(SUM(CAST("line_rows"."price" AS NUMERIC(12, 2))) AS NUMERIC(38, 2)) AS "line_sum"
  FROM "lines" AS "line_rows"
  LEFT JOIN "products" AS "product" ON "line_rows"."product_id" = "product"."product_id"
  WHERE "line_rows"."bought_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "product"."department" = 'GROCERY'
  GROUP BY "line_rows"."customer"
),
-- springline.yaml:19
"members_rows" AS (
  SELECT
    "members_rows_base"."id",
    "members_rows_base"."household_id",
    COALESCE("line"."line_sum", 0.00) AS "grocery_value"
  FROM "customers" AS "members_rows_base"
  LEFT JOIN "line" ON "members_rows_base"."id" = "line"."customer"
),
-- springline.yaml:17
"members" AS (
  SELECT
    "members_rows"."household_id",
    COUNT(*) FILTER (WHERE "members_rows"."grocery_value" > 100.00) > 0 AS "members_exists",
    COUNT(*) AS "members_count"
  FROM "members_rows"
  GROUP BY "members_rows"."household_id"
),
-- springline.yaml:14
"household" AS (
  SELECT
    "household_base"."id",
    COALESCE("members"."members_exists", FALSE) AS "members_exists",
    COALESCE("members"."members_count", 0) AS "size"
  FROM "households" AS "household_base"
  INNER JOIN "members" ON "household_base"."id" = "members"."household_id"
)
SELECT
  "household"."id"
FROM "household"
WHERE "household"."size" >= 2
  AND "household"."members_exists";

-- state.schema
CREATE SCHEMA IF NOT EXISTS "springline";

-- membership.product.create
CREATE TABLE IF NOT EXISTS "springline"."membership_product" (
  "segment" TEXT,
  "entity_id" TEXT,
  "entered_at" TIMESTAMPTZ,
  "exited_at" TIMESTAMPTZ
);

-- sizes.product.create
CREATE TABLE IF NOT EXISTS "springline"."sizes_product" (
  "segment" TEXT,
  "as_of" TIMESTAMPTZ,
  "members" BIGINT,
  "entered" BIGINT,
  "exited" BIGINT
);

-- entity.product
BEGIN;
DROP TABLE IF EXISTS "springline"."entity_product__new";
CREATE TABLE "springline"."entity_product__new" AS
SELECT
  "product"."product_id"
FROM "products" AS "product";
ANALYZE "springline"."entity_product__new";
DROP TABLE IF EXISTS "springline"."entity_product";
ALTER TABLE "springline"."entity_product__new" RENAME TO "entity_product";
COMMIT;

-- state.schema
CREATE SCHEMA IF NOT EXISTS "springline";

-- membership.household.create
CREATE TABLE IF NOT EXISTS "springline"."membership_household" (
  "segment" TEXT,
  "entity_id" TEXT,
  "entered_at" TIMESTAMPTZ,
  "exited_at" TIMESTAMPTZ
);

-- sizes.household.create
CREATE TABLE IF NOT EXISTS "springline"."sizes_household" (
  "segment" TEXT,
  "as_of" TIMESTAMPTZ,
  "members" BIGINT,
  "entered" BIGINT,
  "exited" BIGINT
);

-- entity.household
BEGIN;
DROP TABLE IF EXISTS "springline"."entity_household__new";
CREATE TABLE "springline"."entity_household__new" AS
WITH
-- springline.yaml:24
"line" AS (
  SELECT
    "line_rows"."customer",
    CAST(SUM(CAST("line_rows"."price" AS NUMERIC(12, 2))) AS NUMERIC(38, 2)) AS "line_sum"
  FROM "lines" AS "line_rows"
  LEFT JOIN "products" AS "product" ON "line_rows"."product_id" = "product"."product_id"
  WHERE "line_rows"."bought_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "product"."department" = 'GROCERY'
  GROUP BY "line_rows"."customer"
),
-- springline.yaml:19
"members_rows" AS (
  SELECT
    "members_rows_base"."id",
    "members_rows_base"."household_id",
    COALESCE("line"."line_sum", 0.00) AS "grocery_value"
  FROM "customers" AS "members_rows_base"
  LEFT JOIN "line" ON "members_rows_base"."id" = "line"."customer"
),
-- springline.yaml:17
"members" AS (
  SELECT
    "members_rows"."household_id",
    COUNT(*) AS "members_count",
    COUNT(*) FILTER (WHERE "members_rows"."grocery_value" > 100.00) > 0 AS "members_exists"
  FROM "members_rows"
  GROUP BY "members_rows"."household_id"
),
-- springline.yaml:14
"household_1" AS (
  SELECT
    "household_base"."id",
    COALESCE("members"."members_exists", FALSE) AS "members_exists",
    COALESCE("members"."members_count", 0) AS "size"
  FROM "households" AS "household_base"
  LEFT JOIN "members" ON "household_base"."id" = "members"."household_id"
),
-- springline.yaml:14
"household" AS (
  SELECT
    "household_1"."id",
    "household_1"."size",
    COALESCE("household_1"."size" >= 2 AND "household_1"."members_exists", FALSE) AS "big_grocery_households"
  FROM "household_1"
)
SELECT
  "household"."id",
  "household"."size",
  "household"."big_grocery_households"
FROM "household";
ANALYZE "springline"."entity_household__new";
DROP TABLE IF EXISTS "springline"."entity_household";
ALTER TABLE "springline"."entity_household__new" RENAME TO "entity_household";
COMMIT;

-- moves.household
BEGIN;
DROP TABLE IF EXISTS "springline"."moves_household__new";
CREATE TABLE "springline"."moves_household__new" AS
WITH
"memberships" AS (
  SELECT
    UNNEST(ARRAY[CASE WHEN "e"."big_grocery_households" THEN 'big_grocery_households' END]) AS "segment",
    CAST("e"."id" AS TEXT) AS "entity_id"
  FROM "springline"."entity_household" AS "e"
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
  FROM "springline"."membership_household" AS "m"
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
LEFT JOIN "springline"."membership_household" AS "p" ON "v"."segment" = "p"."segment" AND "v"."entity_id" = "p"."entity_id" AND "p"."exited_at" = TIMESTAMPTZ '2024-06-30 00:00:00+00';
ANALYZE "springline"."moves_household__new";
DROP TABLE IF EXISTS "springline"."moves_household";
ALTER TABLE "springline"."moves_household__new" RENAME TO "moves_household";
COMMIT;

-- membership.household
MERGE INTO "springline"."membership_household" AS t
USING "springline"."moves_household" AS s
ON t."segment" = s."segment" AND t."entity_id" = s."entity_id" AND t."entered_at" = s."entered_at"
WHEN MATCHED AND s."removed" THEN DELETE
WHEN MATCHED THEN UPDATE SET
  "exited_at" = s."exited_at"
WHEN NOT MATCHED AND NOT s."removed" THEN
  INSERT ("segment", "entity_id", "entered_at", "exited_at")
  VALUES (s."segment", s."entity_id", s."entered_at", s."exited_at");

-- new_sizes.household.drop
DROP TABLE IF EXISTS "springline"."new_sizes_household";

-- new_sizes.household.create
CREATE TABLE IF NOT EXISTS "springline"."new_sizes_household" (
  "segment" TEXT,
  "as_of" TIMESTAMPTZ,
  "members" BIGINT,
  "entered" BIGINT,
  "exited" BIGINT,
  "removed" BOOLEAN
);

-- sizes.household
MERGE INTO "springline"."sizes_household" AS t
USING "springline"."new_sizes_household" AS s
ON t."segment" = s."segment" AND t."as_of" = s."as_of"
WHEN MATCHED AND s."removed" THEN DELETE
WHEN MATCHED THEN UPDATE SET
  "members" = s."members",
  "entered" = s."entered",
  "exited" = s."exited"
WHEN NOT MATCHED AND NOT s."removed" THEN
  INSERT ("segment", "as_of", "members", "entered", "exited")
  VALUES (s."segment", s."as_of", s."members", s."entered", s."exited");

-- new_sizes_household.drop
DROP TABLE IF EXISTS "springline"."new_sizes_household";

-- moves_household.drop
DROP TABLE IF EXISTS "springline"."moves_household";

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
-- springline.yaml:24
"line" AS (
  SELECT
    "line_rows"."customer",
    CAST(SUM(CAST("line_rows"."price" AS NUMERIC(12, 2))) FILTER (WHERE "product"."department" = 'GROCERY') AS NUMERIC(38, 2)) AS "line_sum",
    MODE() WITHIN GROUP (ORDER BY "product"."department" COLLATE "C") FILTER (WHERE "line_rows"."bought_at" >= TIMESTAMPTZ '2023-12-30 00:00:00+00') AS "line_most_frequent_6m"
  FROM "lines" AS "line_rows"
  LEFT JOIN "products" AS "product" ON "line_rows"."product_id" = "product"."product_id"
  WHERE "line_rows"."bought_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "line_rows"."customer"
),
-- springline.yaml:17
"members" AS (
  SELECT
    "members_rows"."household_id",
    COUNT(*) AS "members_count"
  FROM "customers" AS "members_rows"
  GROUP BY "members_rows"."household_id"
),
-- springline.yaml:14
"household" AS (
  SELECT
    "household_base"."id",
    "household_base"."country",
    COALESCE("members"."members_count", 0) AS "size"
  FROM "households" AS "household_base"
  LEFT JOIN "members" ON "household_base"."id" = "members"."household_id"
),
-- springline.yaml:19
"customer" AS (
  SELECT
    "customer_base"."id",
    COALESCE("line"."line_sum", 0.00) AS "grocery_value",
    "line"."line_most_frequent_6m" AS "favourite_department",
    COALESCE("household"."size" >= 3 AND "household"."country" = 'FR', FALSE) AS "french_families"
  FROM "customers" AS "customer_base"
  LEFT JOIN "household" ON "customer_base"."household_id" = "household"."id"
  LEFT JOIN "line" ON "customer_base"."id" = "line"."customer"
)
SELECT
  "customer"."id",
  "customer"."grocery_value",
  "customer"."favourite_department",
  "customer"."french_families"
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
    UNNEST(ARRAY[CASE WHEN "e"."french_families" THEN 'french_families' END]) AS "segment",
    CAST("e"."id" AS TEXT) AS "entity_id"
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

