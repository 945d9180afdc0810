-- segment.subscribers
WITH
-- springline/subscription: customer.yaml:5
"subscription_start" AS (
  SELECT
    "subscription_start_rows"."customer_id",
    COUNT(*) AS "subscription_start_count"
  FROM "billing"."subscriptions" AS "subscription_start_rows"
  WHERE "subscription_start_rows"."started_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "subscription_start_rows"."customer_id"
),
-- springline/subscription: customer.yaml:6
"subscription_end" AS (
  SELECT
    "subscription_end_rows"."customer_id",
    COUNT(*) AS "subscription_end_count"
  FROM "billing"."subscriptions" AS "subscription_end_rows"
  WHERE "subscription_end_rows"."ended_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "subscription_end_rows"."customer_id"
),
-- springline.yaml:15
"customer" AS (
  SELECT
    "customer_base"."customer_id",
    CAST(COALESCE("subscription_start"."subscription_start_count", 0) AS BIGINT) - COALESCE("subscription_end"."subscription_end_count", 0) AS "active_subscriptions"
  FROM "crm"."customers" AS "customer_base"
  LEFT JOIN "subscription_start" ON "customer_base"."customer_id" = "subscription_start"."customer_id"
  LEFT JOIN "subscription_end" ON "customer_base"."customer_id" = "subscription_end"."customer_id"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."active_subscriptions" >= 1;

-- segment.new_subscribers
WITH
-- springline/subscription: customer.yaml:5
"subscription_start" AS (
  SELECT
    "subscription_start_rows"."customer_id",
    COUNT(*) FILTER (WHERE "subscription_start_rows"."started_at" >= TIMESTAMPTZ '2024-05-31 00:00:00+00') > 0 AS "subscription_start_exists_30d",
    COUNT(*) AS "subscription_start_count",
    COUNT(*) FILTER (WHERE "subscription_start_rows"."started_at" >= TIMESTAMPTZ '2024-05-31 00:00:00+00') AS "subscription_start_count_30d"
  FROM "billing"."subscriptions" AS "subscription_start_rows"
  WHERE "subscription_start_rows"."started_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "subscription_start_rows"."customer_id"
),
-- springline/subscription: customer.yaml:6
"subscription_end" AS (
  SELECT
    "subscription_end_rows"."customer_id",
    COUNT(*) AS "subscription_end_count"
  FROM "billing"."subscriptions" AS "subscription_end_rows"
  WHERE "subscription_end_rows"."ended_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "subscription_end_rows"."customer_id"
),
-- springline.yaml:15
"customer_1" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("subscription_start"."subscription_start_exists_30d", FALSE) AS "subscription_start_exists_30d",
    COALESCE("subscription_start"."subscription_start_count", 0) AS "subscription_start_count",
    COALESCE("subscription_start"."subscription_start_count_30d", 0) AS "subscription_start_count_30d",
    CAST(COALESCE("subscription_start"."subscription_start_count", 0) AS BIGINT) - COALESCE("subscription_end"."subscription_end_count", 0) AS "active_subscriptions"
  FROM "crm"."customers" AS "customer_base"
  INNER JOIN "subscription_start" ON "customer_base"."customer_id" = "subscription_start"."customer_id"
  LEFT JOIN "subscription_end" ON "customer_base"."customer_id" = "subscription_end"."customer_id"
),
-- springline.yaml:15
"customer" AS (
  SELECT
    "customer_1"."customer_id",
    "customer_1"."subscription_start_exists_30d",
    "customer_1"."subscription_start_count",
    "customer_1"."subscription_start_count_30d",
    COALESCE("customer_1"."active_subscriptions" >= 1, FALSE) AS "subscribers"
  FROM "customer_1"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."subscribers"
  AND "customer"."subscription_start_exists_30d"
  AND "customer"."subscription_start_count" = "customer"."subscription_start_count_30d";

-- segment.loyal_subscribers
WITH
-- springline/subscription: customer.yaml:5
"subscription_start" AS (
  SELECT
    "subscription_start_rows"."customer_id",
    COUNT(*) FILTER (WHERE "subscription_start_rows"."started_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00') > 0 AS "subscription_start_exists_365d",
    COUNT(*) AS "subscription_start_count"
  FROM "billing"."subscriptions" AS "subscription_start_rows"
  WHERE "subscription_start_rows"."started_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "subscription_start_rows"."customer_id"
),
-- springline/subscription: customer.yaml:6
"subscription_end" AS (
  SELECT
    "subscription_end_rows"."customer_id",
    COUNT(*) FILTER (WHERE "subscription_end_rows"."ended_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00') > 0 AS "subscription_end_exists_365d",
    COUNT(*) AS "subscription_end_count"
  FROM "billing"."subscriptions" AS "subscription_end_rows"
  WHERE "subscription_end_rows"."ended_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "subscription_end_rows"."customer_id"
),
-- springline.yaml:15
"customer_1" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("subscription_start"."subscription_start_exists_365d", FALSE) AS "subscription_start_exists_365d",
    COALESCE("subscription_end"."subscription_end_exists_365d", FALSE) AS "subscription_end_exists_365d",
    CAST(COALESCE("subscription_start"."subscription_start_count", 0) AS BIGINT) - COALESCE("subscription_end"."subscription_end_count", 0) AS "active_subscriptions"
  FROM "crm"."customers" AS "customer_base"
  LEFT JOIN "subscription_start" ON "customer_base"."customer_id" = "subscription_start"."customer_id"
  LEFT JOIN "subscription_end" ON "customer_base"."customer_id" = "subscription_end"."customer_id"
),
-- springline.yaml:15
"customer" AS (
  SELECT
    "customer_1"."customer_id",
    "customer_1"."subscription_start_exists_365d",
    "customer_1"."subscription_end_exists_365d",
    COALESCE("customer_1"."active_subscriptions" >= 1, FALSE) AS "subscribers"
  FROM "customer_1"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."subscribers"
  AND NOT "customer"."subscription_start_exists_365d"
  AND NOT "customer"."subscription_end_exists_365d";

-- segment.high_mrr
WITH
-- springline/subscription: customer.yaml:5
"subscription_start" AS (
  SELECT
    "subscription_start_rows"."customer_id",
    CAST(SUM("subscription_start_rows"."monthly_amount") AS NUMERIC(38, 2)) AS "subscription_start_sum_monthly_amount"
  FROM "billing"."subscriptions" AS "subscription_start_rows"
  WHERE "subscription_start_rows"."started_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "subscription_start_rows"."customer_id"
),
-- springline/subscription: customer.yaml:6
"subscription_end" AS (
  SELECT
    "subscription_end_rows"."customer_id",
    CAST(SUM("subscription_end_rows"."monthly_amount") AS NUMERIC(38, 2)) AS "subscription_end_sum_monthly_amount"
  FROM "billing"."subscriptions" AS "subscription_end_rows"
  WHERE "subscription_end_rows"."ended_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "subscription_end_rows"."customer_id"
),
-- springline.yaml:15
"customer" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("subscription_start"."subscription_start_sum_monthly_amount", 0.00) - COALESCE("subscription_end"."subscription_end_sum_monthly_amount", 0.00) AS "mrr"
  FROM "crm"."customers" AS "customer_base"
  LEFT JOIN "subscription_start" ON "customer_base"."customer_id" = "subscription_start"."customer_id"
  LEFT JOIN "subscription_end" ON "customer_base"."customer_id" = "subscription_end"."customer_id"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."mrr" >= 50.00;

-- segment.churned
WITH
-- springline/subscription: customer.yaml:5
"subscription_start" AS (
  SELECT
    "subscription_start_rows"."customer_id",
    COUNT(*) AS "subscription_start_count"
  FROM "billing"."subscriptions" AS "subscription_start_rows"
  WHERE "subscription_start_rows"."started_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "subscription_start_rows"."customer_id"
),
-- springline/subscription: customer.yaml:6
"subscription_end" AS (
  SELECT
    "subscription_end_rows"."customer_id",
    COUNT(*) AS "subscription_end_count",
    MAX("subscription_end_rows"."ended_at") AS "subscription_end_max_ended_at"
  FROM "billing"."subscriptions" AS "subscription_end_rows"
  WHERE "subscription_end_rows"."ended_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "subscription_end_rows"."customer_id"
),
-- springline.yaml:15
"customer_1" AS (
  SELECT
    "customer_base"."customer_id",
    "subscription_end"."subscription_end_max_ended_at",
    CAST(COALESCE("subscription_start"."subscription_start_count", 0) AS BIGINT) - COALESCE("subscription_end"."subscription_end_count", 0) AS "active_subscriptions"
  FROM "crm"."customers" AS "customer_base"
  LEFT JOIN "subscription_start" ON "customer_base"."customer_id" = "subscription_start"."customer_id"
  LEFT JOIN "subscription_end" ON "customer_base"."customer_id" = "subscription_end"."customer_id"
),
-- springline.yaml:15
"customer" AS (
  SELECT
    "customer_1"."customer_id",
    CASE WHEN "customer_1"."active_subscriptions" = 0 THEN "customer_1"."subscription_end_max_ended_at" END AS "churned_at"
  FROM "customer_1"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."churned_at" IS NOT NULL;

-- segment.churned_lately
WITH
-- springline/subscription: customer.yaml:6
"subscription_end" AS (
  SELECT
    "subscription_end_rows"."customer_id",
    COUNT(*) FILTER (WHERE "subscription_end_rows"."ended_at" >= TIMESTAMPTZ '2024-05-31 00:00:00+00') > 0 AS "subscription_end_exists_30d",
    COUNT(*) AS "subscription_end_count",
    MAX("subscription_end_rows"."ended_at") AS "subscription_end_max_ended_at"
  FROM "billing"."subscriptions" AS "subscription_end_rows"
  WHERE "subscription_end_rows"."ended_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "subscription_end_rows"."customer_id"
),
-- springline/subscription: customer.yaml:5
"subscription_start" AS (
  SELECT
    "subscription_start_rows"."customer_id",
    COUNT(*) AS "subscription_start_count"
  FROM "billing"."subscriptions" AS "subscription_start_rows"
  WHERE "subscription_start_rows"."started_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "subscription_start_rows"."customer_id"
),
-- springline.yaml:15
"customer_1" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("subscription_end"."subscription_end_exists_30d", FALSE) AS "subscription_end_exists_30d",
    "subscription_end"."subscription_end_max_ended_at",
    CAST(COALESCE("subscription_start"."subscription_start_count", 0) AS BIGINT) - COALESCE("subscription_end"."subscription_end_count", 0) AS "active_subscriptions"
  FROM "crm"."customers" AS "customer_base"
  INNER JOIN "subscription_end" ON "customer_base"."customer_id" = "subscription_end"."customer_id"
  LEFT JOIN "subscription_start" ON "customer_base"."customer_id" = "subscription_start"."customer_id"
),
-- springline.yaml:15
"customer_2" AS (
  SELECT
    "customer_1"."customer_id",
    "customer_1"."subscription_end_exists_30d",
    CASE WHEN "customer_1"."active_subscriptions" = 0 THEN "customer_1"."subscription_end_max_ended_at" END AS "churned_at"
  FROM "customer_1"
),
-- springline.yaml:15
"customer" AS (
  SELECT
    "customer_2"."customer_id",
    "customer_2"."subscription_end_exists_30d",
    COALESCE("customer_2"."churned_at" IS NOT NULL, FALSE) AS "churned"
  FROM "customer_2"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."churned"
  AND "customer"."subscription_end_exists_30d";

-- segment.returned
WITH
-- springline/subscription: customer.yaml:6
"subscription_end" AS (
  SELECT
    "subscription_end_rows"."customer_id",
    COUNT(*) > 0 AS "subscription_end_exists",
    (ARRAY_AGG("subscription_end_rows"."ended_at" ORDER BY "subscription_end_rows"."ended_at" DESC NULLS LAST))[1] AS "subscription_end_last_ended_at",
    COUNT(*) AS "subscription_end_count"
  FROM "billing"."subscriptions" AS "subscription_end_rows"
  WHERE "subscription_end_rows"."ended_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "subscription_end_rows"."customer_id"
),
-- springline/subscription: customer.yaml:5
"subscription_start" AS (
  SELECT
    "subscription_start_rows"."customer_id",
    (ARRAY_AGG("subscription_start_rows"."started_at" ORDER BY "subscription_start_rows"."started_at" DESC NULLS LAST))[1] AS "subscription_start_last_started_at",
    COUNT(*) AS "subscription_start_count"
  FROM "billing"."subscriptions" AS "subscription_start_rows"
  WHERE "subscription_start_rows"."started_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "subscription_start_rows"."customer_id"
),
-- springline.yaml:15
"customer" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("subscription_end"."subscription_end_exists", FALSE) AS "subscription_end_exists",
    "subscription_start"."subscription_start_last_started_at",
    "subscription_end"."subscription_end_last_ended_at",
    CAST(COALESCE("subscription_start"."subscription_start_count", 0) AS BIGINT) - COALESCE("subscription_end"."subscription_end_count", 0) AS "active_subscriptions"
  FROM "crm"."customers" AS "customer_base"
  INNER JOIN "subscription_end" ON "customer_base"."customer_id" = "subscription_end"."customer_id"
  INNER JOIN "subscription_start" ON "customer_base"."customer_id" = "subscription_start"."customer_id"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."active_subscriptions" > 0
  AND "customer"."subscription_end_exists"
  AND "customer"."subscription_start_last_started_at" > "customer"."subscription_end_last_ended_at";

-- segment.may_email
WITH
-- springline/consent: consent.yaml:4
"consent_decision" AS (
  SELECT
    "consent_decision_rows"."customer_id",
    (ARRAY_AGG("consent_decision_rows"."granted" ORDER BY "consent_decision_rows"."decided_at" DESC NULLS LAST, "consent_decision_rows"."granted" NULLS LAST))[1] AS "consent_decision_last_granted"
  FROM "crm"."consents" AS "consent_decision_rows"
  WHERE "consent_decision_rows"."decided_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "consent_decision_rows"."purpose" = 'email'
  GROUP BY "consent_decision_rows"."customer_id"
),
-- springline.yaml:15
"customer" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("consent_decision"."consent_decision_last_granted", FALSE) AS "consent_email"
  FROM "crm"."customers" AS "customer_base"
  LEFT JOIN "consent_decision" ON "customer_base"."customer_id" = "consent_decision"."customer_id"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."consent_email" = TRUE;

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
-- springline/subscription: customer.yaml:5
"subscription_start" AS (
  SELECT
    "subscription_start_rows"."customer_id",
    COUNT(*) AS "subscription_start_count",
    CAST(SUM("subscription_start_rows"."monthly_amount") AS NUMERIC(38, 2)) AS "subscription_start_sum_monthly_amount",
    MIN("subscription_start_rows"."started_at") AS "subscription_start_min_started_at",
    (ARRAY_AGG("subscription_start_rows"."plan" ORDER BY "subscription_start_rows"."started_at" DESC NULLS LAST, "subscription_start_rows"."plan" COLLATE "C" NULLS LAST))[1] AS "subscription_start_last_plan",
    (ARRAY_AGG("subscription_start_rows"."started_at" ORDER BY "subscription_start_rows"."started_at" DESC NULLS LAST))[1] AS "subscription_start_last_started_at",
    COUNT(*) FILTER (WHERE "subscription_start_rows"."started_at" >= TIMESTAMPTZ '2024-05-31 00:00:00+00') > 0 AS "subscription_start_exists_30d",
    COUNT(*) FILTER (WHERE "subscription_start_rows"."started_at" >= TIMESTAMPTZ '2024-05-31 00:00:00+00') AS "subscription_start_count_30d",
    COUNT(*) FILTER (WHERE "subscription_start_rows"."started_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00') > 0 AS "subscription_start_exists_365d"
  FROM "billing"."subscriptions" AS "subscription_start_rows"
  WHERE "subscription_start_rows"."started_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "subscription_start_rows"."customer_id"
),
-- springline/subscription: customer.yaml:6
"subscription_end" AS (
  SELECT
    "subscription_end_rows"."customer_id",
    COUNT(*) AS "subscription_end_count",
    CAST(SUM("subscription_end_rows"."monthly_amount") AS NUMERIC(38, 2)) AS "subscription_end_sum_monthly_amount",
    MAX("subscription_end_rows"."ended_at") AS "subscription_end_max_ended_at",
    COUNT(*) > 0 AS "subscription_end_exists",
    (ARRAY_AGG("subscription_end_rows"."ended_at" ORDER BY "subscription_end_rows"."ended_at" DESC NULLS LAST))[1] AS "subscription_end_last_ended_at",
    COUNT(*) FILTER (WHERE "subscription_end_rows"."ended_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00') > 0 AS "subscription_end_exists_365d",
    COUNT(*) FILTER (WHERE "subscription_end_rows"."ended_at" >= TIMESTAMPTZ '2024-05-31 00:00:00+00') > 0 AS "subscription_end_exists_30d"
  FROM "billing"."subscriptions" AS "subscription_end_rows"
  WHERE "subscription_end_rows"."ended_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "subscription_end_rows"."customer_id"
),
-- springline/consent: consent.yaml:4
"consent_decision" AS (
  SELECT
    "consent_decision_rows"."customer_id",
    (ARRAY_AGG("consent_decision_rows"."granted" ORDER BY "consent_decision_rows"."decided_at" DESC NULLS LAST, "consent_decision_rows"."granted" NULLS LAST))[1] AS "consent_decision_last_granted",
    MAX("consent_decision_rows"."decided_at") AS "consent_decision_max_decided_at"
  FROM "crm"."consents" AS "consent_decision_rows"
  WHERE "consent_decision_rows"."decided_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "consent_decision_rows"."purpose" = 'email'
  GROUP BY "consent_decision_rows"."customer_id"
),
-- springline.yaml:15
"customer_1" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("subscription_start"."subscription_start_count", 0) AS "subscription_start_count",
    "subscription_end"."subscription_end_max_ended_at",
    COALESCE("subscription_end"."subscription_end_exists", FALSE) AS "subscription_end_exists",
    "subscription_start"."subscription_start_last_started_at",
    "subscription_end"."subscription_end_last_ended_at",
    COALESCE("subscription_start"."subscription_start_exists_30d", FALSE) AS "subscription_start_exists_30d",
    COALESCE("subscription_start"."subscription_start_count_30d", 0) AS "subscription_start_count_30d",
    COALESCE("subscription_start"."subscription_start_exists_365d", FALSE) AS "subscription_start_exists_365d",
    COALESCE("subscription_end"."subscription_end_exists_365d", FALSE) AS "subscription_end_exists_365d",
    COALESCE("subscription_end"."subscription_end_exists_30d", FALSE) AS "subscription_end_exists_30d",
    COALESCE("subscription_start"."subscription_start_count", 0) AS "subscriptions_started",
    CAST(COALESCE("subscription_start"."subscription_start_count", 0) AS BIGINT) - COALESCE("subscription_end"."subscription_end_count", 0) AS "active_subscriptions",
    COALESCE("subscription_start"."subscription_start_sum_monthly_amount", 0.00) - COALESCE("subscription_end"."subscription_end_sum_monthly_amount", 0.00) AS "mrr",
    "subscription_start"."subscription_start_min_started_at" AS "subscribed_at",
    "subscription_start"."subscription_start_last_plan" AS "latest_plan",
    COALESCE("consent_decision"."consent_decision_last_granted", FALSE) AS "consent_email",
    "consent_decision"."consent_decision_max_decided_at" AS "consent_email_at"
  FROM "crm"."customers" AS "customer_base"
  LEFT JOIN "subscription_start" ON "customer_base"."customer_id" = "subscription_start"."customer_id"
  LEFT JOIN "subscription_end" ON "customer_base"."customer_id" = "subscription_end"."customer_id"
  LEFT JOIN "consent_decision" ON "customer_base"."customer_id" = "consent_decision"."customer_id"
),
-- springline.yaml:15
"customer_2" AS (
  SELECT
    "customer_1"."customer_id",
    "customer_1"."subscription_start_count",
    "customer_1"."subscription_start_exists_30d",
    "customer_1"."subscription_start_count_30d",
    "customer_1"."subscription_start_exists_365d",
    "customer_1"."subscription_end_exists_365d",
    "customer_1"."subscription_end_exists_30d",
    "customer_1"."subscriptions_started",
    "customer_1"."active_subscriptions",
    "customer_1"."mrr",
    "customer_1"."subscribed_at",
    "customer_1"."latest_plan",
    "customer_1"."consent_email",
    "customer_1"."consent_email_at",
    CASE WHEN "customer_1"."active_subscriptions" = 0 THEN "customer_1"."subscription_end_max_ended_at" END AS "churned_at",
    COALESCE("customer_1"."active_subscriptions" >= 1, FALSE) AS "subscribers",
    COALESCE("customer_1"."mrr" >= 50.00, FALSE) AS "high_mrr",
    COALESCE("customer_1"."active_subscriptions" > 0 AND "customer_1"."subscription_end_exists" AND "customer_1"."subscription_start_last_started_at" > "customer_1"."subscription_end_last_ended_at", FALSE) AS "returned",
    COALESCE("customer_1"."consent_email" = TRUE, FALSE) AS "may_email"
  FROM "customer_1"
),
-- springline.yaml:15
"customer_3" AS (
  SELECT
    "customer_2"."customer_id",
    "customer_2"."subscription_end_exists_30d",
    "customer_2"."subscriptions_started",
    "customer_2"."active_subscriptions",
    "customer_2"."mrr",
    "customer_2"."subscribed_at",
    "customer_2"."latest_plan",
    "customer_2"."consent_email",
    "customer_2"."consent_email_at",
    "customer_2"."churned_at",
    "customer_2"."subscribers",
    "customer_2"."high_mrr",
    "customer_2"."returned",
    "customer_2"."may_email",
    CAST(CAST("customer_2"."churned_at" AT TIME ZONE 'UTC' AS DATE) - CAST("customer_2"."subscribed_at" AT TIME ZONE 'UTC' AS DATE) AS BIGINT) AS "tenure_at_churn_days",
    COALESCE("customer_2"."subscribers" AND "customer_2"."subscription_start_exists_30d" AND "customer_2"."subscription_start_count" = "customer_2"."subscription_start_count_30d", FALSE) AS "new_subscribers",
    COALESCE("customer_2"."subscribers" AND NOT "customer_2"."subscription_start_exists_365d" AND NOT "customer_2"."subscription_end_exists_365d", FALSE) AS "loyal_subscribers",
    COALESCE("customer_2"."churned_at" IS NOT NULL, FALSE) AS "churned"
  FROM "customer_2"
),
-- springline.yaml:15
"customer" AS (
  SELECT
    "customer_3"."customer_id",
    "customer_3"."subscriptions_started",
    "customer_3"."active_subscriptions",
    "customer_3"."mrr",
    "customer_3"."subscribed_at",
    "customer_3"."latest_plan",
    "customer_3"."consent_email",
    "customer_3"."consent_email_at",
    "customer_3"."churned_at",
    "customer_3"."subscribers",
    "customer_3"."high_mrr",
    "customer_3"."returned",
    "customer_3"."may_email",
    "customer_3"."tenure_at_churn_days",
    "customer_3"."new_subscribers",
    "customer_3"."loyal_subscribers",
    "customer_3"."churned",
    COALESCE("customer_3"."churned" AND "customer_3"."subscription_end_exists_30d", FALSE) AS "churned_lately"
  FROM "customer_3"
)
SELECT
  "customer"."customer_id",
  "customer"."subscriptions_started",
  "customer"."active_subscriptions",
  "customer"."mrr",
  "customer"."subscribed_at",
  "customer"."latest_plan",
  "customer"."churned_at",
  "customer"."tenure_at_churn_days",
  "customer"."consent_email",
  "customer"."consent_email_at",
  "customer"."subscribers",
  "customer"."new_subscribers",
  "customer"."loyal_subscribers",
  "customer"."high_mrr",
  "customer"."churned",
  "customer"."churned_lately",
  "customer"."returned",
  "customer"."may_email"
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
    'subscribers' AS "segment",
    "e"."customer_id" AS "entity_id"
  FROM "springline"."entity_customer" AS "e"
  WHERE "e"."subscribers"
  UNION ALL
  SELECT
    'new_subscribers' AS "segment",
    "e"."customer_id" AS "entity_id"
  FROM "springline"."entity_customer" AS "e"
  WHERE "e"."new_subscribers"
  UNION ALL
  SELECT
    'loyal_subscribers' AS "segment",
    "e"."customer_id" AS "entity_id"
  FROM "springline"."entity_customer" AS "e"
  WHERE "e"."loyal_subscribers"
  UNION ALL
  SELECT
    'high_mrr' AS "segment",
    "e"."customer_id" AS "entity_id"
  FROM "springline"."entity_customer" AS "e"
  WHERE "e"."high_mrr"
  UNION ALL
  SELECT
    'churned' AS "segment",
    "e"."customer_id" AS "entity_id"
  FROM "springline"."entity_customer" AS "e"
  WHERE "e"."churned"
  UNION ALL
  SELECT
    'churned_lately' AS "segment",
    "e"."customer_id" AS "entity_id"
  FROM "springline"."entity_customer" AS "e"
  WHERE "e"."churned_lately"
  UNION ALL
  SELECT
    'returned' AS "segment",
    "e"."customer_id" AS "entity_id"
  FROM "springline"."entity_customer" AS "e"
  WHERE "e"."returned"
  UNION ALL
  SELECT
    'may_email' AS "segment",
    "e"."customer_id" AS "entity_id"
  FROM "springline"."entity_customer" AS "e"
  WHERE "e"."may_email"
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

