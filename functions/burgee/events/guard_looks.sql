-- Written by `python -m burgee.analysis.guard_statements`: do not edit.

-- newest
SELECT "t24"."exposure", "t22"."event", "t5"."exposures_read", "t5"."exposures_faulty", "t6"."events_read",
"t6"."events_faulty" FROM ( SELECT MAX("t20"."seen") AS "exposure" FROM ( SELECT COALESCE("t15"."known",
"t15"."unit") AS "unit", "t15"."time", "t15"."seen", "t15"."project", "t15"."environment", "t15"."release",
"t15"."arm", "t15"."segment0", "t15"."unit" AS "sent_as" FROM ( SELECT "t10"."unit", "t10"."time", "t10"."seen",
"t10"."project", "t10"."environment", "t10"."release", "t10"."arm", "t10"."segment0", "t14"."known",
"t14"."anonymous", "t14"."scope", "t14"."place" FROM ( SELECT "t0"."unit", "t0"."time", GREATEST("t0"."time",
COALESCE("t0"."received", "t0"."time")) AS "seen", COALESCE("t0"."project", 'default') AS "project",
COALESCE("t0"."environment", 'default') AS "environment", "t0"."release", "t0"."variant" AS "arm",
COALESCE(ELEMENT_AT("t0"."properties", 'place'), NULL) AS "segment0" FROM "asked_exposures" AS "t0" WHERE
"t0"."fault" IS NULL AND COALESCE("t0"."project", 'default') = :project AND COALESCE("t0"."environment", 'default')
= :environment AND "t0"."topic" = :topic AND "t0"."type" = 'exposure' AND "t0"."variant" IN ('compared', 'reached')
AND ( ( ( "t0"."reason" = 'SPLIT' ) AND ( "t0"."rule" = :rule ) ) OR ( ( "t0"."reason" IS NULL ) AND ( "t0"."rule"
IS NULL ) ) ) ) AS "t10" LEFT OUTER JOIN ( SELECT "t12"."known", "t12"."unit" AS "anonymous", "t12"."project" AS
"scope", "t12"."environment" AS "place" FROM ( SELECT "t7"."unit", "t7"."known", "t7"."time", "t7"."project",
"t7"."environment", ROW_NUMBER() OVER ( PARTITION BY "t7"."unit", "t7"."project", "t7"."environment" ORDER BY
"t7"."time" ASC, "t7"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t2"."unit", "t2"."known", "t2"."time",
COALESCE("t2"."project", 'default') AS "project", COALESCE("t2"."environment", 'default') AS "environment" FROM
"asked_identities" AS "t2" WHERE "t2"."fault" IS NULL AND COALESCE("t2"."project", 'default') = :project AND
COALESCE("t2"."environment", 'default') = :environment AND "t2"."type" = 'identify' ) AS "t7" ) AS "t12" WHERE
"t12"."rank" = 0 ) AS "t14" ON "t10"."unit" = "t14"."anonymous" AND "t10"."project" = "t14"."scope" AND
"t10"."environment" = "t14"."place" ) AS "t15" WHERE ( ( "t15"."arm" = 'reached' ) AND ( TRY_CAST("t15"."segment0"
AS BIGINT) >= :reached_low ) AND ( TRY_CAST("t15"."segment0" AS BIGINT) < :reached_high ) ) OR ( ( "t15"."arm" =
'compared' ) AND ( TRY_CAST("t15"."segment0" AS BIGINT) >= :compared_low ) AND ( TRY_CAST("t15"."segment0" AS
BIGINT) < :compared_high ) ) ) AS "t20" ) AS "t24" CROSS JOIN ( SELECT MAX("t19"."seen") AS "event" FROM ( SELECT
"t18"."unit", "t18"."event_id", "t18"."event", "t18"."time", "t18"."seen", "t18"."project", "t18"."environment",
"t18"."p0", "t18"."p1", "t18"."w0", "t18"."w1" FROM ( SELECT "t17"."unit", "t17"."event_id", "t17"."event",
"t17"."time", "t17"."seen", "t17"."project", "t17"."environment", "t17"."p0", "t17"."p1", "t17"."w0", "t17"."w1",
"t17"."sent_as" FROM ( SELECT COALESCE("t16"."known", "t16"."unit") AS "unit", "t16"."event_id", "t16"."event",
"t16"."time", "t16"."seen", "t16"."project", "t16"."environment", "t16"."p0", "t16"."p1", "t16"."w0", "t16"."w1",
"t16"."known", "t16"."anonymous", "t16"."scope", "t16"."place", "t16"."unit" AS "sent_as" FROM ( SELECT
"t11"."unit", "t11"."event_id", "t11"."event", "t11"."time", "t11"."seen", "t11"."project", "t11"."environment",
"t11"."p0", "t11"."p1", "t11"."w0", "t11"."w1", "t14"."known", "t14"."anonymous", "t14"."scope", "t14"."place" FROM
( SELECT "t1"."unit", "t1"."event_id", "t1"."event", "t1"."time", GREATEST("t1"."time", COALESCE("t1"."received",
"t1"."time")) AS "seen", COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default')
AS "environment", "t1"."amount0" AS "p0", "t1"."amount1" AS "p1", ( "t1"."event" = :event0 ) AND
COALESCE("t1"."where0" = TRUE, FALSE) AS "w0", ( "t1"."event" = :event1 ) AND COALESCE("t1"."where1" = TRUE, FALSE)
AS "w1" FROM "asked_events" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default') = :project
AND COALESCE("t1"."environment", 'default') = :environment AND "t1"."topic" = '_track' AND "t1"."type" = 'track' AND
"t1"."event" IN (:events) ) AS "t11" LEFT OUTER JOIN ( SELECT "t12"."known", "t12"."unit" AS "anonymous",
"t12"."project" AS "scope", "t12"."environment" AS "place" FROM ( SELECT "t7"."unit", "t7"."known", "t7"."time",
"t7"."project", "t7"."environment", ROW_NUMBER() OVER ( PARTITION BY "t7"."unit", "t7"."project", "t7"."environment"
ORDER BY "t7"."time" ASC, "t7"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t2"."unit", "t2"."known", "t2"."time",
COALESCE("t2"."project", 'default') AS "project", COALESCE("t2"."environment", 'default') AS "environment" FROM
"asked_identities" AS "t2" WHERE "t2"."fault" IS NULL AND COALESCE("t2"."project", 'default') = :project AND
COALESCE("t2"."environment", 'default') = :environment AND "t2"."type" = 'identify' ) AS "t7" ) AS "t12" WHERE
"t12"."rank" = 0 ) AS "t14" ON "t11"."unit" = "t14"."anonymous" AND "t11"."project" = "t14"."scope" AND
"t11"."environment" = "t14"."place" ) AS "t16" ) AS "t17" ) AS "t18" ) AS "t19" ) AS "t22" CROSS JOIN ( SELECT
COUNT(*) AS "exposures_read", COUNT("t0"."fault") AS "exposures_faulty" FROM "asked_exposures" AS "t0" ) AS "t5"
CROSS JOIN ( SELECT COUNT(*) AS "events_read", COUNT("t1"."fault") AS "events_faulty" FROM "asked_events" AS "t1" )
AS "t6"

-- look proportion
WITH "t18" AS ( SELECT "t15"."unit", MIN("t15"."arm") AS "arm", MIN("t15"."arm") <> MAX("t15"."arm") AS "crossed",
MIN("t15"."time") AS "first", MIN("t15"."seen") AS "seen", MIN("t15"."project") AS "project",
MIN("t15"."environment") AS "environment", ( MIN("t15"."environment") <> MAX("t15"."environment") ) OR (
MIN("t15"."project") <> MAX("t15"."project") ) AS "scattered", MIN("t15"."sent_as") <> MAX("t15"."sent_as") AS
"aliased", MIN("t15"."segment0") AS "segment0" FROM ( SELECT COALESCE("t11"."known", "t11"."unit") AS "unit",
"t11"."time", "t11"."seen", "t11"."project", "t11"."environment", "t11"."release", "t11"."arm", "t11"."segment0",
"t11"."unit" AS "sent_as" FROM ( SELECT "t6"."unit", "t6"."time", "t6"."seen", "t6"."project", "t6"."environment",
"t6"."release", "t6"."arm", "t6"."segment0", "t10"."known", "t10"."anonymous", "t10"."scope", "t10"."place" FROM (
SELECT "t0"."unit", "t0"."time", GREATEST("t0"."time", COALESCE("t0"."received", "t0"."time")) AS "seen",
COALESCE("t0"."project", 'default') AS "project", COALESCE("t0"."environment", 'default') AS "environment",
"t0"."release", "t0"."variant" AS "arm", COALESCE(ELEMENT_AT("t0"."properties", 'place'), NULL) AS "segment0" FROM
"asked_exposures" AS "t0" WHERE "t0"."fault" IS NULL AND COALESCE("t0"."project", 'default') = :project AND
COALESCE("t0"."environment", 'default') = :environment AND "t0"."topic" = :topic AND "t0"."type" = 'exposure' AND
"t0"."variant" IN ('compared', 'reached') AND ( ( ( "t0"."reason" = 'SPLIT' ) AND ( "t0"."rule" = :rule ) ) OR ( (
"t0"."reason" IS NULL ) AND ( "t0"."rule" IS NULL ) ) ) ) AS "t6" LEFT OUTER JOIN ( SELECT "t8"."known", "t8"."unit"
AS "anonymous", "t8"."project" AS "scope", "t8"."environment" AS "place" FROM ( SELECT "t3"."unit", "t3"."known",
"t3"."time", "t3"."project", "t3"."environment", ROW_NUMBER() OVER ( PARTITION BY "t3"."unit", "t3"."project",
"t3"."environment" ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t1"."unit",
"t1"."known", "t1"."time", COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default')
AS "environment" FROM "asked_identities" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default')
= :project AND COALESCE("t1"."environment", 'default') = :environment AND "t1"."type" = 'identify' ) AS "t3" ) AS
"t8" WHERE "t8"."rank" = 0 ) AS "t10" ON "t6"."unit" = "t10"."anonymous" AND "t6"."project" = "t10"."scope" AND
"t6"."environment" = "t10"."place" ) AS "t11" WHERE ( ( ( "t11"."arm" = 'reached' ) AND ( TRY_CAST("t11"."segment0"
AS BIGINT) >= :reached_low ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) < :reached_high ) ) OR ( ( "t11"."arm" =
'compared' ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) >= :compared_low ) AND ( TRY_CAST("t11"."segment0" AS
BIGINT) < :compared_high ) ) ) AND "t11"."time" >= :since AND "t11"."seen" < :until_next ) AS "t15" GROUP BY 1 )
SELECT "t33"."arm", COUNT(*) AS "n", SUM(IF("t33"."m0_value" IS NOT NULL, COALESCE("t33"."active0", 0), 0)) AS
"active0", SUM( IF(( "t33"."m0_value" IS NOT NULL ) AND ( "t33"."first" > "t33"."last0" ), 1, 0) ) AS "quiet0",
MAX("t33"."last0") AS "last0", COUNT("t33"."m0_value") AS "m0_n", AVG( IF( "t33"."m0_value" > CAST(:cap AS DOUBLE),
CAST(:cap AS DOUBLE), "t33"."m0_value" ) ) AS "m0_value_mean", VARIANCE( IF( "t33"."m0_value" > CAST(:cap AS
DOUBLE), CAST(:cap AS DOUBLE), "t33"."m0_value" ) ) AS "m0_value_value" FROM ( SELECT "t32"."unit", "t32"."arm",
"t32"."crossed", "t32"."first", "t32"."seen", "t32"."project", "t32"."environment", "t32"."scattered",
"t32"."aliased", "t32"."segment0", "t32"."active0", GREATEST( COALESCE( MAX("t32"."last0") OVER (ROWS BETWEEN
UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING), 0 ), :known ) AS "last0", "t32"."m0_value" FROM ( SELECT "t31"."unit",
"t31"."arm", "t31"."crossed", "t31"."first", "t31"."seen", "t31"."project", "t31"."environment", "t31"."scattered",
"t31"."aliased", "t31"."segment0", "t31"."active0", "t31"."last0", IF( "t31"."first" <= :mature,
CAST(IF(COALESCE("t31"."m0_value", CAST(0.0 AS DOUBLE)) > 0, 1, 0) AS DOUBLE), NULL ) AS "m0_value" FROM ( SELECT
"t30"."unit", "t30"."arm", "t30"."crossed", "t30"."first", "t30"."seen", "t30"."project", "t30"."environment",
"t30"."scattered", "t30"."aliased", "t30"."segment0", "t30"."active0", "t30"."last0", "t30"."m0_value" FROM ( SELECT
"t22"."unit", "t22"."arm", "t22"."crossed", "t22"."first", "t22"."seen", "t22"."project", "t22"."environment",
"t22"."scattered", "t22"."aliased", "t22"."segment0", "t29"."unit" AS "unit_right", "t29"."active0", "t29"."last0",
"t29"."m0_value" FROM ( SELECT * FROM "t18" AS "t19" WHERE "t19"."first" >= :begins AND "t19"."first" < :ends AND
NOT ( "t19"."crossed" ) ) AS "t22" LEFT OUTER JOIN ( SELECT "t27"."unit", MAX( IF( CAST(IF( ( "t27"."event" =
:event0 ) AND "t27"."w0" AND ( ( "t27"."time" >= ( "t27"."first" + :delay ) ) AND ( "t27"."time" < ( "t27"."first" +
:window ) ) ), 1, 0 ) AS DOUBLE) > 0, 1, 0 ) ) AS "active0", MAX( IF( CAST(IF( ( "t27"."event" = :event0 ) AND
"t27"."w0" AND ( ( "t27"."time" >= ( "t27"."first" + :delay ) ) AND ( "t27"."time" < ( "t27"."first" + :window ) )
), 1, 0 ) AS DOUBLE) > 0, "t27"."time", NULL ) ) AS "last0", SUM( CAST(IF( ( "t27"."event" = :event0 ) AND
"t27"."w0" AND ( ( "t27"."time" >= ( "t27"."first" + :delay ) ) AND ( "t27"."time" < ( "t27"."first" + :window ) )
), 1, 0 ) AS DOUBLE) ) AS "m0_value" FROM ( SELECT "t26"."unit", "t26"."event", "t26"."time", "t26"."seen",
"t26"."first", "t26"."arm", "t26"."entry", "t26"."w0" FROM ( SELECT "t25"."unit", "t25"."event", "t25"."time",
"t25"."seen", "t25"."first", "t25"."arm", "t25"."entry", "t25"."event_id", "t25"."w0", "t25"."elsewhere",
"t25"."late", ROW_NUMBER() OVER ( PARTITION BY "t25"."unit", "t25"."event_id" ORDER BY "t25"."seen" ASC,
"t25"."time" ASC, "t25"."event" ASC, "t25"."w0" ASC ) - 1 AS "rank" FROM ( SELECT * FROM ( SELECT "t17"."unit",
"t17"."event", "t17"."time", "t17"."seen", "t23"."first", "t23"."arm", "t23"."entry", "t17"."event_id", "t17"."w0",
( "t17"."project" <> "t23"."home" ) OR ( "t17"."environment" <> "t23"."place" ) AS "elsewhere", "t17"."seen" >=
:until_next AS "late" FROM ( SELECT * FROM ( SELECT "t13"."unit", "t13"."event_id", "t13"."event", "t13"."time",
"t13"."seen", "t13"."project", "t13"."environment", "t13"."w0" FROM ( SELECT COALESCE("t12"."known", "t12"."unit")
AS "unit", "t12"."event_id", "t12"."event", "t12"."time", "t12"."seen", "t12"."project", "t12"."environment",
"t12"."w0", "t12"."unit" AS "sent_as" FROM ( SELECT "t7"."unit", "t7"."event_id", "t7"."event", "t7"."time",
"t7"."seen", "t7"."project", "t7"."environment", "t7"."w0", "t10"."known", "t10"."anonymous", "t10"."scope",
"t10"."place" FROM ( SELECT "t2"."unit", "t2"."event_id", "t2"."event", "t2"."time", GREATEST("t2"."time",
COALESCE("t2"."received", "t2"."time")) AS "seen", COALESCE("t2"."project", 'default') AS "project",
COALESCE("t2"."environment", 'default') AS "environment", ( "t2"."event" = :event0 ) AND COALESCE("t2"."where0" =
TRUE, FALSE) AS "w0" FROM "asked_events" AS "t2" WHERE "t2"."fault" IS NULL AND COALESCE("t2"."project", 'default')
= :project AND COALESCE("t2"."environment", 'default') = :environment AND "t2"."topic" = '_track' AND "t2"."type" =
'track' AND "t2"."event" IN (:event0) ) AS "t7" LEFT OUTER JOIN ( SELECT "t8"."known", "t8"."unit" AS "anonymous",
"t8"."project" AS "scope", "t8"."environment" AS "place" FROM ( SELECT "t3"."unit", "t3"."known", "t3"."time",
"t3"."project", "t3"."environment", ROW_NUMBER() OVER ( PARTITION BY "t3"."unit", "t3"."project", "t3"."environment"
ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t1"."unit", "t1"."known", "t1"."time",
COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default') AS "environment" FROM
"asked_identities" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default') = :project AND
COALESCE("t1"."environment", 'default') = :environment AND "t1"."type" = 'identify' ) AS "t3" ) AS "t8" WHERE
"t8"."rank" = 0 ) AS "t10" ON "t7"."unit" = "t10"."anonymous" AND "t7"."project" = "t10"."scope" AND
"t7"."environment" = "t10"."place" ) AS "t12" ) AS "t13" ) AS "t14" WHERE "t14"."time" >= :since AND "t14"."time" <
:until_next ) AS "t17" INNER JOIN ( SELECT "t19"."unit", "t19"."first", "t19"."arm", "t19"."seen" AS "entry",
"t19"."project" AS "home", "t19"."environment" AS "place" FROM "t18" AS "t19" WHERE "t19"."first" >= :begins AND
"t19"."first" < :ends AND NOT ( "t19"."crossed" ) ) AS "t23" ON "t17"."unit" = "t23"."unit" ) AS "t24" WHERE NOT (
"t24"."elsewhere" ) AND NOT ( "t24"."late" ) ) AS "t25" ) AS "t26" WHERE "t26"."rank" = 0 ) AS "t27" GROUP BY 1 ) AS
"t29" ON "t22"."unit" = "t29"."unit" ) AS "t30" ) AS "t31" ) AS "t32" ) AS "t33" GROUP BY 1

-- cap proportion
WITH "t18" AS ( SELECT "t15"."unit", MIN("t15"."arm") AS "arm", MIN("t15"."arm") <> MAX("t15"."arm") AS "crossed",
MIN("t15"."time") AS "first", MIN("t15"."seen") AS "seen", MIN("t15"."project") AS "project",
MIN("t15"."environment") AS "environment", ( MIN("t15"."environment") <> MAX("t15"."environment") ) OR (
MIN("t15"."project") <> MAX("t15"."project") ) AS "scattered", MIN("t15"."sent_as") <> MAX("t15"."sent_as") AS
"aliased", MIN("t15"."segment0") AS "segment0" FROM ( SELECT COALESCE("t11"."known", "t11"."unit") AS "unit",
"t11"."time", "t11"."seen", "t11"."project", "t11"."environment", "t11"."release", "t11"."arm", "t11"."segment0",
"t11"."unit" AS "sent_as" FROM ( SELECT "t6"."unit", "t6"."time", "t6"."seen", "t6"."project", "t6"."environment",
"t6"."release", "t6"."arm", "t6"."segment0", "t10"."known", "t10"."anonymous", "t10"."scope", "t10"."place" FROM (
SELECT "t0"."unit", "t0"."time", GREATEST("t0"."time", COALESCE("t0"."received", "t0"."time")) AS "seen",
COALESCE("t0"."project", 'default') AS "project", COALESCE("t0"."environment", 'default') AS "environment",
"t0"."release", "t0"."variant" AS "arm", COALESCE(ELEMENT_AT("t0"."properties", 'place'), NULL) AS "segment0" FROM
"asked_exposures" AS "t0" WHERE "t0"."fault" IS NULL AND COALESCE("t0"."project", 'default') = :project AND
COALESCE("t0"."environment", 'default') = :environment AND "t0"."topic" = :topic AND "t0"."type" = 'exposure' AND
"t0"."variant" IN ('compared', 'reached') AND ( ( ( "t0"."reason" = 'SPLIT' ) AND ( "t0"."rule" = :rule ) ) OR ( (
"t0"."reason" IS NULL ) AND ( "t0"."rule" IS NULL ) ) ) ) AS "t6" LEFT OUTER JOIN ( SELECT "t8"."known", "t8"."unit"
AS "anonymous", "t8"."project" AS "scope", "t8"."environment" AS "place" FROM ( SELECT "t3"."unit", "t3"."known",
"t3"."time", "t3"."project", "t3"."environment", ROW_NUMBER() OVER ( PARTITION BY "t3"."unit", "t3"."project",
"t3"."environment" ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t1"."unit",
"t1"."known", "t1"."time", COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default')
AS "environment" FROM "asked_identities" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default')
= :project AND COALESCE("t1"."environment", 'default') = :environment AND "t1"."type" = 'identify' ) AS "t3" ) AS
"t8" WHERE "t8"."rank" = 0 ) AS "t10" ON "t6"."unit" = "t10"."anonymous" AND "t6"."project" = "t10"."scope" AND
"t6"."environment" = "t10"."place" ) AS "t11" WHERE ( ( ( "t11"."arm" = 'reached' ) AND ( TRY_CAST("t11"."segment0"
AS BIGINT) >= :reached_low ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) < :reached_high ) ) OR ( ( "t11"."arm" =
'compared' ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) >= :compared_low ) AND ( TRY_CAST("t11"."segment0" AS
BIGINT) < :compared_high ) ) ) AND "t11"."time" >= :since AND "t11"."seen" < :until_next ) AS "t15" GROUP BY 1 )
SELECT "t34"."value" FROM ( SELECT "t33"."value", ( ROW_NUMBER() OVER (ORDER BY "t33"."value" ASC) - 1 ) + 1 AS
"rank", COUNT(*) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS "total" FROM ( SELECT * FROM (
SELECT IF( "t31"."first" <= :mature, CAST(IF(COALESCE("t31"."m0_value", CAST(0.0 AS DOUBLE)) > 0, 1, 0) AS DOUBLE),
NULL ) AS "value" FROM ( SELECT "t30"."unit", "t30"."arm", "t30"."crossed", "t30"."first", "t30"."seen",
"t30"."project", "t30"."environment", "t30"."scattered", "t30"."aliased", "t30"."segment0", "t30"."active0",
"t30"."last0", "t30"."m0_value" FROM ( SELECT "t22"."unit", "t22"."arm", "t22"."crossed", "t22"."first",
"t22"."seen", "t22"."project", "t22"."environment", "t22"."scattered", "t22"."aliased", "t22"."segment0",
"t29"."unit" AS "unit_right", "t29"."active0", "t29"."last0", "t29"."m0_value" FROM ( SELECT * FROM "t18" AS "t19"
WHERE "t19"."first" >= :begins AND "t19"."first" < :ends AND NOT ( "t19"."crossed" ) ) AS "t22" LEFT OUTER JOIN (
SELECT "t27"."unit", MAX( IF( CAST(IF( ( "t27"."event" = :event0 ) AND "t27"."w0" AND ( ( "t27"."time" >= (
"t27"."first" + :delay ) ) AND ( "t27"."time" < ( "t27"."first" + :window ) ) ), 1, 0 ) AS DOUBLE) > 0, 1, 0 ) ) AS
"active0", MAX( IF( CAST(IF( ( "t27"."event" = :event0 ) AND "t27"."w0" AND ( ( "t27"."time" >= ( "t27"."first" +
:delay ) ) AND ( "t27"."time" < ( "t27"."first" + :window ) ) ), 1, 0 ) AS DOUBLE) > 0, "t27"."time", NULL ) ) AS
"last0", SUM( CAST(IF( ( "t27"."event" = :event0 ) AND "t27"."w0" AND ( ( "t27"."time" >= ( "t27"."first" + :delay )
) AND ( "t27"."time" < ( "t27"."first" + :window ) ) ), 1, 0 ) AS DOUBLE) ) AS "m0_value" FROM ( SELECT
"t26"."unit", "t26"."event", "t26"."time", "t26"."seen", "t26"."first", "t26"."arm", "t26"."entry", "t26"."w0" FROM
( SELECT "t25"."unit", "t25"."event", "t25"."time", "t25"."seen", "t25"."first", "t25"."arm", "t25"."entry",
"t25"."event_id", "t25"."w0", "t25"."elsewhere", "t25"."late", ROW_NUMBER() OVER ( PARTITION BY "t25"."unit",
"t25"."event_id" ORDER BY "t25"."seen" ASC, "t25"."time" ASC, "t25"."event" ASC, "t25"."w0" ASC ) - 1 AS "rank" FROM
( SELECT * FROM ( SELECT "t17"."unit", "t17"."event", "t17"."time", "t17"."seen", "t23"."first", "t23"."arm",
"t23"."entry", "t17"."event_id", "t17"."w0", ( "t17"."project" <> "t23"."home" ) OR ( "t17"."environment" <>
"t23"."place" ) AS "elsewhere", "t17"."seen" >= :until_next AS "late" FROM ( SELECT * FROM ( SELECT "t13"."unit",
"t13"."event_id", "t13"."event", "t13"."time", "t13"."seen", "t13"."project", "t13"."environment", "t13"."w0" FROM (
SELECT COALESCE("t12"."known", "t12"."unit") AS "unit", "t12"."event_id", "t12"."event", "t12"."time", "t12"."seen",
"t12"."project", "t12"."environment", "t12"."w0", "t12"."unit" AS "sent_as" FROM ( SELECT "t7"."unit",
"t7"."event_id", "t7"."event", "t7"."time", "t7"."seen", "t7"."project", "t7"."environment", "t7"."w0",
"t10"."known", "t10"."anonymous", "t10"."scope", "t10"."place" FROM ( SELECT "t2"."unit", "t2"."event_id",
"t2"."event", "t2"."time", GREATEST("t2"."time", COALESCE("t2"."received", "t2"."time")) AS "seen",
COALESCE("t2"."project", 'default') AS "project", COALESCE("t2"."environment", 'default') AS "environment", (
"t2"."event" = :event0 ) AND COALESCE("t2"."where0" = TRUE, FALSE) AS "w0" FROM "asked_events" AS "t2" WHERE
"t2"."fault" IS NULL AND COALESCE("t2"."project", 'default') = :project AND COALESCE("t2"."environment", 'default')
= :environment AND "t2"."topic" = '_track' AND "t2"."type" = 'track' AND "t2"."event" IN (:event0) ) AS "t7" LEFT
OUTER JOIN ( SELECT "t8"."known", "t8"."unit" AS "anonymous", "t8"."project" AS "scope", "t8"."environment" AS
"place" FROM ( SELECT "t3"."unit", "t3"."known", "t3"."time", "t3"."project", "t3"."environment", ROW_NUMBER() OVER
( PARTITION BY "t3"."unit", "t3"."project", "t3"."environment" ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS
"rank" FROM ( SELECT "t1"."unit", "t1"."known", "t1"."time", COALESCE("t1"."project", 'default') AS "project",
COALESCE("t1"."environment", 'default') AS "environment" FROM "asked_identities" AS "t1" WHERE "t1"."fault" IS NULL
AND COALESCE("t1"."project", 'default') = :project AND COALESCE("t1"."environment", 'default') = :environment AND
"t1"."type" = 'identify' ) AS "t3" ) AS "t8" WHERE "t8"."rank" = 0 ) AS "t10" ON "t7"."unit" = "t10"."anonymous" AND
"t7"."project" = "t10"."scope" AND "t7"."environment" = "t10"."place" ) AS "t12" ) AS "t13" ) AS "t14" WHERE
"t14"."time" >= :since AND "t14"."time" < :until_next ) AS "t17" INNER JOIN ( SELECT "t19"."unit", "t19"."first",
"t19"."arm", "t19"."seen" AS "entry", "t19"."project" AS "home", "t19"."environment" AS "place" FROM "t18" AS "t19"
WHERE "t19"."first" >= :begins AND "t19"."first" < :ends AND NOT ( "t19"."crossed" ) ) AS "t23" ON "t17"."unit" =
"t23"."unit" ) AS "t24" WHERE NOT ( "t24"."elsewhere" ) AND NOT ( "t24"."late" ) ) AS "t25" ) AS "t26" WHERE
"t26"."rank" = 0 ) AS "t27" GROUP BY 1 ) AS "t29" ON "t22"."unit" = "t29"."unit" ) AS "t30" ) AS "t31" ) AS "t32"
WHERE "t32"."value" IS NOT NULL ) AS "t33" ) AS "t34" WHERE "t34"."rank" = CAST(CEIL(CAST(( "t34"."total" *
CAST(:share AS DOUBLE) ) AS DOUBLE) / 100) AS BIGINT)

-- look mean
WITH "t19" AS ( SELECT "t16"."unit", MIN("t16"."arm") AS "arm", MIN("t16"."arm") <> MAX("t16"."arm") AS "crossed",
MIN("t16"."time") AS "first", MIN("t16"."seen") AS "seen", MIN("t16"."project") AS "project",
MIN("t16"."environment") AS "environment", ( MIN("t16"."environment") <> MAX("t16"."environment") ) OR (
MIN("t16"."project") <> MAX("t16"."project") ) AS "scattered", MIN("t16"."sent_as") <> MAX("t16"."sent_as") AS
"aliased", MIN("t16"."segment0") AS "segment0" FROM ( SELECT COALESCE("t11"."known", "t11"."unit") AS "unit",
"t11"."time", "t11"."seen", "t11"."project", "t11"."environment", "t11"."release", "t11"."arm", "t11"."segment0",
"t11"."unit" AS "sent_as" FROM ( SELECT "t6"."unit", "t6"."time", "t6"."seen", "t6"."project", "t6"."environment",
"t6"."release", "t6"."arm", "t6"."segment0", "t10"."known", "t10"."anonymous", "t10"."scope", "t10"."place" FROM (
SELECT "t0"."unit", "t0"."time", GREATEST("t0"."time", COALESCE("t0"."received", "t0"."time")) AS "seen",
COALESCE("t0"."project", 'default') AS "project", COALESCE("t0"."environment", 'default') AS "environment",
"t0"."release", "t0"."variant" AS "arm", COALESCE(ELEMENT_AT("t0"."properties", 'place'), NULL) AS "segment0" FROM
"asked_exposures" AS "t0" WHERE "t0"."fault" IS NULL AND COALESCE("t0"."project", 'default') = :project AND
COALESCE("t0"."environment", 'default') = :environment AND "t0"."topic" = :topic AND "t0"."type" = 'exposure' AND
"t0"."variant" IN ('compared', 'reached') AND ( ( ( "t0"."reason" = 'SPLIT' ) AND ( "t0"."rule" = :rule ) ) OR ( (
"t0"."reason" IS NULL ) AND ( "t0"."rule" IS NULL ) ) ) ) AS "t6" LEFT OUTER JOIN ( SELECT "t8"."known", "t8"."unit"
AS "anonymous", "t8"."project" AS "scope", "t8"."environment" AS "place" FROM ( SELECT "t3"."unit", "t3"."known",
"t3"."time", "t3"."project", "t3"."environment", ROW_NUMBER() OVER ( PARTITION BY "t3"."unit", "t3"."project",
"t3"."environment" ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t1"."unit",
"t1"."known", "t1"."time", COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default')
AS "environment" FROM "asked_identities" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default')
= :project AND COALESCE("t1"."environment", 'default') = :environment AND "t1"."type" = 'identify' ) AS "t3" ) AS
"t8" WHERE "t8"."rank" = 0 ) AS "t10" ON "t6"."unit" = "t10"."anonymous" AND "t6"."project" = "t10"."scope" AND
"t6"."environment" = "t10"."place" ) AS "t11" WHERE ( ( ( "t11"."arm" = 'reached' ) AND ( TRY_CAST("t11"."segment0"
AS BIGINT) >= :reached_low ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) < :reached_high ) ) OR ( ( "t11"."arm" =
'compared' ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) >= :compared_low ) AND ( TRY_CAST("t11"."segment0" AS
BIGINT) < :compared_high ) ) ) AND "t11"."time" >= :since AND "t11"."seen" < :until_next ) AS "t16" GROUP BY 1 )
SELECT "t34"."arm", COUNT(*) AS "n", SUM(IF("t34"."m0_value" IS NOT NULL, COALESCE("t34"."active0", 0), 0)) AS
"active0", SUM( IF(( "t34"."m0_value" IS NOT NULL ) AND ( "t34"."first" > "t34"."last0" ), 1, 0) ) AS "quiet0",
MAX("t34"."last0") AS "last0", COUNT("t34"."m0_value") AS "m0_n", AVG( IF( "t34"."m0_value" > CAST(:cap AS DOUBLE),
CAST(:cap AS DOUBLE), "t34"."m0_value" ) ) AS "m0_value_mean", AVG( IF( "t34"."m0_value" > CAST(:cap AS DOUBLE),
CAST(:cap AS DOUBLE), "t34"."m0_value" ) * IF( "t34"."m0_value" > CAST(:cap AS DOUBLE), CAST(:cap AS DOUBLE),
"t34"."m0_value" ) * IF( "t34"."m0_value" > CAST(:cap AS DOUBLE), CAST(:cap AS DOUBLE), "t34"."m0_value" ) ) AS
"m0_value_cubed", MAX("t34"."m0_value") AS "m0_value_largest", SUM("t34"."m0_value") AS "m0_value_total", VARIANCE(
IF( "t34"."m0_value" > CAST(:cap AS DOUBLE), CAST(:cap AS DOUBLE), "t34"."m0_value" ) ) AS "m0_value_value" FROM (
SELECT "t33"."unit", "t33"."arm", "t33"."crossed", "t33"."first", "t33"."seen", "t33"."project",
"t33"."environment", "t33"."scattered", "t33"."aliased", "t33"."segment0", "t33"."active0", GREATEST( COALESCE(
MAX("t33"."last0") OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING), 0 ), :known ) AS "last0",
"t33"."m0_value" FROM ( SELECT "t32"."unit", "t32"."arm", "t32"."crossed", "t32"."first", "t32"."seen",
"t32"."project", "t32"."environment", "t32"."scattered", "t32"."aliased", "t32"."segment0", "t32"."active0",
"t32"."last0", IF( "t32"."first" <= :mature, COALESCE("t32"."m0_value", CAST(0.0 AS DOUBLE)), NULL ) AS "m0_value"
FROM ( SELECT "t31"."unit", "t31"."arm", "t31"."crossed", "t31"."first", "t31"."seen", "t31"."project",
"t31"."environment", "t31"."scattered", "t31"."aliased", "t31"."segment0", "t31"."active0", "t31"."last0",
"t31"."m0_value" FROM ( SELECT "t23"."unit", "t23"."arm", "t23"."crossed", "t23"."first", "t23"."seen",
"t23"."project", "t23"."environment", "t23"."scattered", "t23"."aliased", "t23"."segment0", "t30"."unit" AS
"unit_right", "t30"."active0", "t30"."last0", "t30"."m0_value" FROM ( SELECT * FROM "t19" AS "t20" WHERE
"t20"."first" >= :begins AND "t20"."first" < :ends AND NOT ( "t20"."crossed" ) ) AS "t23" LEFT OUTER JOIN ( SELECT
"t28"."unit", MAX( IF( IF( ( "t28"."event" = :event0 ) AND "t28"."w0" AND ( ( "t28"."time" >= ( "t28"."first" +
:delay ) ) AND ( "t28"."time" < ( "t28"."first" + :window ) ) ), "t28"."p0", NULL ) IS NOT NULL, 1, 0 ) ) AS
"active0", MAX( IF( IF( ( "t28"."event" = :event0 ) AND "t28"."w0" AND ( ( "t28"."time" >= ( "t28"."first" + :delay
) ) AND ( "t28"."time" < ( "t28"."first" + :window ) ) ), "t28"."p0", NULL ) IS NOT NULL, "t28"."time", NULL ) ) AS
"last0", SUM( IF( ( "t28"."event" = :event0 ) AND "t28"."w0" AND ( ( "t28"."time" >= ( "t28"."first" + :delay ) )
AND ( "t28"."time" < ( "t28"."first" + :window ) ) ), "t28"."p0", NULL ) ) AS "m0_value" FROM ( SELECT "t27"."unit",
"t27"."event", "t27"."time", "t27"."seen", "t27"."first", "t27"."arm", "t27"."entry", IF( ABS(TRY_CAST("t27"."p0" AS
DOUBLE)) <= CAST(1000000000000000.0 AS DOUBLE), TRY_CAST("t27"."p0" AS DOUBLE), NULL ) AS "p0", "t27"."w0" FROM (
SELECT "t26"."unit", "t26"."event", "t26"."time", "t26"."seen", "t26"."first", "t26"."arm", "t26"."entry",
"t26"."event_id", "t26"."p0", "t26"."w0", "t26"."elsewhere", "t26"."late", ROW_NUMBER() OVER ( PARTITION BY
"t26"."unit", "t26"."event_id" ORDER BY "t26"."seen" ASC, "t26"."time" ASC, "t26"."event" ASC, "t26"."p0" ASC,
"t26"."w0" ASC ) - 1 AS "rank" FROM ( SELECT * FROM ( SELECT "t18"."unit", "t18"."event", "t18"."time",
"t18"."seen", "t24"."first", "t24"."arm", "t24"."entry", "t18"."event_id", "t18"."p0", "t18"."w0", ( "t18"."project"
<> "t24"."home" ) OR ( "t18"."environment" <> "t24"."place" ) AS "elsewhere", "t18"."seen" >= :until_next AS "late"
FROM ( SELECT * FROM ( SELECT "t14"."unit", "t14"."event_id", "t14"."event", "t14"."time", "t14"."seen",
"t14"."project", "t14"."environment", "t14"."p0", "t14"."w0" FROM ( SELECT "t13"."unit", "t13"."event_id",
"t13"."event", "t13"."time", "t13"."seen", "t13"."project", "t13"."environment", "t13"."p0", "t13"."w0",
"t13"."sent_as" FROM ( SELECT COALESCE("t12"."known", "t12"."unit") AS "unit", "t12"."event_id", "t12"."event",
"t12"."time", "t12"."seen", "t12"."project", "t12"."environment", "t12"."p0", "t12"."w0", "t12"."known",
"t12"."anonymous", "t12"."scope", "t12"."place", "t12"."unit" AS "sent_as" FROM ( SELECT "t7"."unit",
"t7"."event_id", "t7"."event", "t7"."time", "t7"."seen", "t7"."project", "t7"."environment", "t7"."p0", "t7"."w0",
"t10"."known", "t10"."anonymous", "t10"."scope", "t10"."place" FROM ( SELECT "t2"."unit", "t2"."event_id",
"t2"."event", "t2"."time", GREATEST("t2"."time", COALESCE("t2"."received", "t2"."time")) AS "seen",
COALESCE("t2"."project", 'default') AS "project", COALESCE("t2"."environment", 'default') AS "environment",
"t2"."amount0" AS "p0", ( "t2"."event" = :event0 ) AND COALESCE("t2"."where0" = TRUE, FALSE) AS "w0" FROM
"asked_events" AS "t2" WHERE "t2"."fault" IS NULL AND COALESCE("t2"."project", 'default') = :project AND
COALESCE("t2"."environment", 'default') = :environment AND "t2"."topic" = '_track' AND "t2"."type" = 'track' AND
"t2"."event" IN (:event0) ) AS "t7" LEFT OUTER JOIN ( SELECT "t8"."known", "t8"."unit" AS "anonymous",
"t8"."project" AS "scope", "t8"."environment" AS "place" FROM ( SELECT "t3"."unit", "t3"."known", "t3"."time",
"t3"."project", "t3"."environment", ROW_NUMBER() OVER ( PARTITION BY "t3"."unit", "t3"."project", "t3"."environment"
ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t1"."unit", "t1"."known", "t1"."time",
COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default') AS "environment" FROM
"asked_identities" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default') = :project AND
COALESCE("t1"."environment", 'default') = :environment AND "t1"."type" = 'identify' ) AS "t3" ) AS "t8" WHERE
"t8"."rank" = 0 ) AS "t10" ON "t7"."unit" = "t10"."anonymous" AND "t7"."project" = "t10"."scope" AND
"t7"."environment" = "t10"."place" ) AS "t12" ) AS "t13" ) AS "t14" ) AS "t15" WHERE "t15"."time" >= :since AND
"t15"."time" < :until_next ) AS "t18" INNER JOIN ( SELECT "t20"."unit", "t20"."first", "t20"."arm", "t20"."seen" AS
"entry", "t20"."project" AS "home", "t20"."environment" AS "place" FROM "t19" AS "t20" WHERE "t20"."first" >=
:begins AND "t20"."first" < :ends AND NOT ( "t20"."crossed" ) ) AS "t24" ON "t18"."unit" = "t24"."unit" ) AS "t25"
WHERE NOT ( "t25"."elsewhere" ) AND NOT ( "t25"."late" ) ) AS "t26" ) AS "t27" WHERE "t27"."rank" = 0 ) AS "t28"
GROUP BY 1 ) AS "t30" ON "t23"."unit" = "t30"."unit" ) AS "t31" ) AS "t32" ) AS "t33" ) AS "t34" GROUP BY 1

-- cap mean
WITH "t19" AS ( SELECT "t16"."unit", MIN("t16"."arm") AS "arm", MIN("t16"."arm") <> MAX("t16"."arm") AS "crossed",
MIN("t16"."time") AS "first", MIN("t16"."seen") AS "seen", MIN("t16"."project") AS "project",
MIN("t16"."environment") AS "environment", ( MIN("t16"."environment") <> MAX("t16"."environment") ) OR (
MIN("t16"."project") <> MAX("t16"."project") ) AS "scattered", MIN("t16"."sent_as") <> MAX("t16"."sent_as") AS
"aliased", MIN("t16"."segment0") AS "segment0" FROM ( SELECT COALESCE("t11"."known", "t11"."unit") AS "unit",
"t11"."time", "t11"."seen", "t11"."project", "t11"."environment", "t11"."release", "t11"."arm", "t11"."segment0",
"t11"."unit" AS "sent_as" FROM ( SELECT "t6"."unit", "t6"."time", "t6"."seen", "t6"."project", "t6"."environment",
"t6"."release", "t6"."arm", "t6"."segment0", "t10"."known", "t10"."anonymous", "t10"."scope", "t10"."place" FROM (
SELECT "t0"."unit", "t0"."time", GREATEST("t0"."time", COALESCE("t0"."received", "t0"."time")) AS "seen",
COALESCE("t0"."project", 'default') AS "project", COALESCE("t0"."environment", 'default') AS "environment",
"t0"."release", "t0"."variant" AS "arm", COALESCE(ELEMENT_AT("t0"."properties", 'place'), NULL) AS "segment0" FROM
"asked_exposures" AS "t0" WHERE "t0"."fault" IS NULL AND COALESCE("t0"."project", 'default') = :project AND
COALESCE("t0"."environment", 'default') = :environment AND "t0"."topic" = :topic AND "t0"."type" = 'exposure' AND
"t0"."variant" IN ('compared', 'reached') AND ( ( ( "t0"."reason" = 'SPLIT' ) AND ( "t0"."rule" = :rule ) ) OR ( (
"t0"."reason" IS NULL ) AND ( "t0"."rule" IS NULL ) ) ) ) AS "t6" LEFT OUTER JOIN ( SELECT "t8"."known", "t8"."unit"
AS "anonymous", "t8"."project" AS "scope", "t8"."environment" AS "place" FROM ( SELECT "t3"."unit", "t3"."known",
"t3"."time", "t3"."project", "t3"."environment", ROW_NUMBER() OVER ( PARTITION BY "t3"."unit", "t3"."project",
"t3"."environment" ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t1"."unit",
"t1"."known", "t1"."time", COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default')
AS "environment" FROM "asked_identities" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default')
= :project AND COALESCE("t1"."environment", 'default') = :environment AND "t1"."type" = 'identify' ) AS "t3" ) AS
"t8" WHERE "t8"."rank" = 0 ) AS "t10" ON "t6"."unit" = "t10"."anonymous" AND "t6"."project" = "t10"."scope" AND
"t6"."environment" = "t10"."place" ) AS "t11" WHERE ( ( ( "t11"."arm" = 'reached' ) AND ( TRY_CAST("t11"."segment0"
AS BIGINT) >= :reached_low ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) < :reached_high ) ) OR ( ( "t11"."arm" =
'compared' ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) >= :compared_low ) AND ( TRY_CAST("t11"."segment0" AS
BIGINT) < :compared_high ) ) ) AND "t11"."time" >= :since AND "t11"."seen" < :until_next ) AS "t16" GROUP BY 1 )
SELECT "t35"."value" FROM ( SELECT "t34"."value", ( ROW_NUMBER() OVER (ORDER BY "t34"."value" ASC) - 1 ) + 1 AS
"rank", COUNT(*) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS "total" FROM ( SELECT * FROM (
SELECT IF( "t32"."first" <= :mature, COALESCE("t32"."m0_value", CAST(0.0 AS DOUBLE)), NULL ) AS "value" FROM (
SELECT "t31"."unit", "t31"."arm", "t31"."crossed", "t31"."first", "t31"."seen", "t31"."project",
"t31"."environment", "t31"."scattered", "t31"."aliased", "t31"."segment0", "t31"."active0", "t31"."last0",
"t31"."m0_value" FROM ( SELECT "t23"."unit", "t23"."arm", "t23"."crossed", "t23"."first", "t23"."seen",
"t23"."project", "t23"."environment", "t23"."scattered", "t23"."aliased", "t23"."segment0", "t30"."unit" AS
"unit_right", "t30"."active0", "t30"."last0", "t30"."m0_value" FROM ( SELECT * FROM "t19" AS "t20" WHERE
"t20"."first" >= :begins AND "t20"."first" < :ends AND NOT ( "t20"."crossed" ) ) AS "t23" LEFT OUTER JOIN ( SELECT
"t28"."unit", MAX( IF( IF( ( "t28"."event" = :event0 ) AND "t28"."w0" AND ( ( "t28"."time" >= ( "t28"."first" +
:delay ) ) AND ( "t28"."time" < ( "t28"."first" + :window ) ) ), "t28"."p0", NULL ) IS NOT NULL, 1, 0 ) ) AS
"active0", MAX( IF( IF( ( "t28"."event" = :event0 ) AND "t28"."w0" AND ( ( "t28"."time" >= ( "t28"."first" + :delay
) ) AND ( "t28"."time" < ( "t28"."first" + :window ) ) ), "t28"."p0", NULL ) IS NOT NULL, "t28"."time", NULL ) ) AS
"last0", SUM( IF( ( "t28"."event" = :event0 ) AND "t28"."w0" AND ( ( "t28"."time" >= ( "t28"."first" + :delay ) )
AND ( "t28"."time" < ( "t28"."first" + :window ) ) ), "t28"."p0", NULL ) ) AS "m0_value" FROM ( SELECT "t27"."unit",
"t27"."event", "t27"."time", "t27"."seen", "t27"."first", "t27"."arm", "t27"."entry", IF( ABS(TRY_CAST("t27"."p0" AS
DOUBLE)) <= CAST(1000000000000000.0 AS DOUBLE), TRY_CAST("t27"."p0" AS DOUBLE), NULL ) AS "p0", "t27"."w0" FROM (
SELECT "t26"."unit", "t26"."event", "t26"."time", "t26"."seen", "t26"."first", "t26"."arm", "t26"."entry",
"t26"."event_id", "t26"."p0", "t26"."w0", "t26"."elsewhere", "t26"."late", ROW_NUMBER() OVER ( PARTITION BY
"t26"."unit", "t26"."event_id" ORDER BY "t26"."seen" ASC, "t26"."time" ASC, "t26"."event" ASC, "t26"."p0" ASC,
"t26"."w0" ASC ) - 1 AS "rank" FROM ( SELECT * FROM ( SELECT "t18"."unit", "t18"."event", "t18"."time",
"t18"."seen", "t24"."first", "t24"."arm", "t24"."entry", "t18"."event_id", "t18"."p0", "t18"."w0", ( "t18"."project"
<> "t24"."home" ) OR ( "t18"."environment" <> "t24"."place" ) AS "elsewhere", "t18"."seen" >= :until_next AS "late"
FROM ( SELECT * FROM ( SELECT "t14"."unit", "t14"."event_id", "t14"."event", "t14"."time", "t14"."seen",
"t14"."project", "t14"."environment", "t14"."p0", "t14"."w0" FROM ( SELECT "t13"."unit", "t13"."event_id",
"t13"."event", "t13"."time", "t13"."seen", "t13"."project", "t13"."environment", "t13"."p0", "t13"."w0",
"t13"."sent_as" FROM ( SELECT COALESCE("t12"."known", "t12"."unit") AS "unit", "t12"."event_id", "t12"."event",
"t12"."time", "t12"."seen", "t12"."project", "t12"."environment", "t12"."p0", "t12"."w0", "t12"."known",
"t12"."anonymous", "t12"."scope", "t12"."place", "t12"."unit" AS "sent_as" FROM ( SELECT "t7"."unit",
"t7"."event_id", "t7"."event", "t7"."time", "t7"."seen", "t7"."project", "t7"."environment", "t7"."p0", "t7"."w0",
"t10"."known", "t10"."anonymous", "t10"."scope", "t10"."place" FROM ( SELECT "t2"."unit", "t2"."event_id",
"t2"."event", "t2"."time", GREATEST("t2"."time", COALESCE("t2"."received", "t2"."time")) AS "seen",
COALESCE("t2"."project", 'default') AS "project", COALESCE("t2"."environment", 'default') AS "environment",
"t2"."amount0" AS "p0", ( "t2"."event" = :event0 ) AND COALESCE("t2"."where0" = TRUE, FALSE) AS "w0" FROM
"asked_events" AS "t2" WHERE "t2"."fault" IS NULL AND COALESCE("t2"."project", 'default') = :project AND
COALESCE("t2"."environment", 'default') = :environment AND "t2"."topic" = '_track' AND "t2"."type" = 'track' AND
"t2"."event" IN (:event0) ) AS "t7" LEFT OUTER JOIN ( SELECT "t8"."known", "t8"."unit" AS "anonymous",
"t8"."project" AS "scope", "t8"."environment" AS "place" FROM ( SELECT "t3"."unit", "t3"."known", "t3"."time",
"t3"."project", "t3"."environment", ROW_NUMBER() OVER ( PARTITION BY "t3"."unit", "t3"."project", "t3"."environment"
ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t1"."unit", "t1"."known", "t1"."time",
COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default') AS "environment" FROM
"asked_identities" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default') = :project AND
COALESCE("t1"."environment", 'default') = :environment AND "t1"."type" = 'identify' ) AS "t3" ) AS "t8" WHERE
"t8"."rank" = 0 ) AS "t10" ON "t7"."unit" = "t10"."anonymous" AND "t7"."project" = "t10"."scope" AND
"t7"."environment" = "t10"."place" ) AS "t12" ) AS "t13" ) AS "t14" ) AS "t15" WHERE "t15"."time" >= :since AND
"t15"."time" < :until_next ) AS "t18" INNER JOIN ( SELECT "t20"."unit", "t20"."first", "t20"."arm", "t20"."seen" AS
"entry", "t20"."project" AS "home", "t20"."environment" AS "place" FROM "t19" AS "t20" WHERE "t20"."first" >=
:begins AND "t20"."first" < :ends AND NOT ( "t20"."crossed" ) ) AS "t24" ON "t18"."unit" = "t24"."unit" ) AS "t25"
WHERE NOT ( "t25"."elsewhere" ) AND NOT ( "t25"."late" ) ) AS "t26" ) AS "t27" WHERE "t27"."rank" = 0 ) AS "t28"
GROUP BY 1 ) AS "t30" ON "t23"."unit" = "t30"."unit" ) AS "t31" ) AS "t32" ) AS "t33" WHERE "t33"."value" IS NOT
NULL ) AS "t34" ) AS "t35" WHERE "t35"."rank" = CAST(CEIL(CAST(( "t35"."total" * CAST(:share AS DOUBLE) ) AS DOUBLE)
/ 100) AS BIGINT)

-- look mean-distinct
WITH "t19" AS ( SELECT "t16"."unit", MIN("t16"."arm") AS "arm", MIN("t16"."arm") <> MAX("t16"."arm") AS "crossed",
MIN("t16"."time") AS "first", MIN("t16"."seen") AS "seen", MIN("t16"."project") AS "project",
MIN("t16"."environment") AS "environment", ( MIN("t16"."environment") <> MAX("t16"."environment") ) OR (
MIN("t16"."project") <> MAX("t16"."project") ) AS "scattered", MIN("t16"."sent_as") <> MAX("t16"."sent_as") AS
"aliased", MIN("t16"."segment0") AS "segment0" FROM ( SELECT COALESCE("t11"."known", "t11"."unit") AS "unit",
"t11"."time", "t11"."seen", "t11"."project", "t11"."environment", "t11"."release", "t11"."arm", "t11"."segment0",
"t11"."unit" AS "sent_as" FROM ( SELECT "t6"."unit", "t6"."time", "t6"."seen", "t6"."project", "t6"."environment",
"t6"."release", "t6"."arm", "t6"."segment0", "t10"."known", "t10"."anonymous", "t10"."scope", "t10"."place" FROM (
SELECT "t0"."unit", "t0"."time", GREATEST("t0"."time", COALESCE("t0"."received", "t0"."time")) AS "seen",
COALESCE("t0"."project", 'default') AS "project", COALESCE("t0"."environment", 'default') AS "environment",
"t0"."release", "t0"."variant" AS "arm", COALESCE(ELEMENT_AT("t0"."properties", 'place'), NULL) AS "segment0" FROM
"asked_exposures" AS "t0" WHERE "t0"."fault" IS NULL AND COALESCE("t0"."project", 'default') = :project AND
COALESCE("t0"."environment", 'default') = :environment AND "t0"."topic" = :topic AND "t0"."type" = 'exposure' AND
"t0"."variant" IN ('compared', 'reached') AND ( ( ( "t0"."reason" = 'SPLIT' ) AND ( "t0"."rule" = :rule ) ) OR ( (
"t0"."reason" IS NULL ) AND ( "t0"."rule" IS NULL ) ) ) ) AS "t6" LEFT OUTER JOIN ( SELECT "t8"."known", "t8"."unit"
AS "anonymous", "t8"."project" AS "scope", "t8"."environment" AS "place" FROM ( SELECT "t3"."unit", "t3"."known",
"t3"."time", "t3"."project", "t3"."environment", ROW_NUMBER() OVER ( PARTITION BY "t3"."unit", "t3"."project",
"t3"."environment" ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t1"."unit",
"t1"."known", "t1"."time", COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default')
AS "environment" FROM "asked_identities" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default')
= :project AND COALESCE("t1"."environment", 'default') = :environment AND "t1"."type" = 'identify' ) AS "t3" ) AS
"t8" WHERE "t8"."rank" = 0 ) AS "t10" ON "t6"."unit" = "t10"."anonymous" AND "t6"."project" = "t10"."scope" AND
"t6"."environment" = "t10"."place" ) AS "t11" WHERE ( ( ( "t11"."arm" = 'reached' ) AND ( TRY_CAST("t11"."segment0"
AS BIGINT) >= :reached_low ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) < :reached_high ) ) OR ( ( "t11"."arm" =
'compared' ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) >= :compared_low ) AND ( TRY_CAST("t11"."segment0" AS
BIGINT) < :compared_high ) ) ) AND "t11"."time" >= :since AND "t11"."seen" < :until_next ) AS "t16" GROUP BY 1 )
SELECT "t35"."arm", COUNT(*) AS "n", SUM(IF("t35"."m0_value" IS NOT NULL, COALESCE("t35"."active0", 0), 0)) AS
"active0", SUM( IF(( "t35"."m0_value" IS NOT NULL ) AND ( "t35"."first" > "t35"."last0" ), 1, 0) ) AS "quiet0",
MAX("t35"."last0") AS "last0", COUNT("t35"."m0_value") AS "m0_n", AVG( IF( "t35"."m0_value" > CAST(:cap AS DOUBLE),
CAST(:cap AS DOUBLE), "t35"."m0_value" ) ) AS "m0_value_mean", AVG( IF( "t35"."m0_value" > CAST(:cap AS DOUBLE),
CAST(:cap AS DOUBLE), "t35"."m0_value" ) * IF( "t35"."m0_value" > CAST(:cap AS DOUBLE), CAST(:cap AS DOUBLE),
"t35"."m0_value" ) * IF( "t35"."m0_value" > CAST(:cap AS DOUBLE), CAST(:cap AS DOUBLE), "t35"."m0_value" ) ) AS
"m0_value_cubed", MAX("t35"."m0_value") AS "m0_value_largest", SUM("t35"."m0_value") AS "m0_value_total", VARIANCE(
IF( "t35"."m0_value" > CAST(:cap AS DOUBLE), CAST(:cap AS DOUBLE), "t35"."m0_value" ) ) AS "m0_value_value" FROM (
SELECT "t34"."unit", "t34"."arm", "t34"."crossed", "t34"."first", "t34"."seen", "t34"."project",
"t34"."environment", "t34"."scattered", "t34"."aliased", "t34"."segment0", "t34"."active0", GREATEST( COALESCE(
MAX("t34"."last0") OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING), 0 ), :known ) AS "last0",
"t34"."m0_value" FROM ( SELECT "t33"."unit", "t33"."arm", "t33"."crossed", "t33"."first", "t33"."seen",
"t33"."project", "t33"."environment", "t33"."scattered", "t33"."aliased", "t33"."segment0", "t33"."active0",
"t33"."last0", IF( "t33"."first" <= :mature, COALESCE("t33"."m0_value", CAST(0.0 AS DOUBLE)), NULL ) AS "m0_value"
FROM ( SELECT "t32"."unit", "t32"."arm", "t32"."crossed", "t32"."first", "t32"."seen", "t32"."project",
"t32"."environment", "t32"."scattered", "t32"."aliased", "t32"."segment0", "t32"."active0", "t32"."last0",
"t32"."m0_value" FROM ( SELECT "t23"."unit", "t23"."arm", "t23"."crossed", "t23"."first", "t23"."seen",
"t23"."project", "t23"."environment", "t23"."scattered", "t23"."aliased", "t23"."segment0", "t31"."unit" AS
"unit_right", "t31"."active0", "t31"."last0", "t31"."m0_value" FROM ( SELECT * FROM "t19" AS "t20" WHERE
"t20"."first" >= :begins AND "t20"."first" < :ends AND NOT ( "t20"."crossed" ) ) AS "t23" LEFT OUTER JOIN ( SELECT
"t29"."unit", MAX(IF("t29"."f_m0_value" > 0, 1, 0)) AS "active0", MAX(IF("t29"."f_m0_value" > 0, "t29"."time",
NULL)) AS "last0", SUM("t29"."f_m0_value") AS "m0_value" FROM ( SELECT "t28"."unit", "t28"."event", "t28"."time",
"t28"."seen", "t28"."first", "t28"."arm", "t28"."entry", "t28"."d0", "t28"."w0", CAST(IF( ( "t28"."event" = :event0
) AND "t28"."w0" AND ( ( "t28"."time" >= ( "t28"."first" + :delay ) ) AND ( "t28"."time" < ( "t28"."first" + :window
) ) ) AND ( "t28"."d0" IS NOT NULL ) AND ( ( ROW_NUMBER() OVER ( PARTITION BY "t28"."unit", "t28"."d0", (
"t28"."event" = :event0 ) AND "t28"."w0" AND ( ( "t28"."time" >= ( "t28"."first" + :delay ) ) AND ( "t28"."time" < (
"t28"."first" + :window ) ) ) AND ( "t28"."d0" IS NOT NULL ) ORDER BY "t28"."seen" ASC, "t28"."time" ASC ) - 1 ) = 0
), 1, 0 ) AS DOUBLE) AS "f_m0_value" FROM ( SELECT "t27"."unit", "t27"."event", "t27"."time", "t27"."seen",
"t27"."first", "t27"."arm", "t27"."entry", "t27"."d0", "t27"."w0" FROM ( SELECT "t26"."unit", "t26"."event",
"t26"."time", "t26"."seen", "t26"."first", "t26"."arm", "t26"."entry", "t26"."event_id", "t26"."d0", "t26"."w0",
"t26"."elsewhere", "t26"."late", ROW_NUMBER() OVER ( PARTITION BY "t26"."unit", "t26"."event_id" ORDER BY
"t26"."seen" ASC, "t26"."time" ASC, "t26"."event" ASC, "t26"."d0" ASC, "t26"."w0" ASC ) - 1 AS "rank" FROM ( SELECT
* FROM ( SELECT "t18"."unit", "t18"."event", "t18"."time", "t18"."seen", "t24"."first", "t24"."arm", "t24"."entry",
"t18"."event_id", "t18"."d0", "t18"."w0", ( "t18"."project" <> "t24"."home" ) OR ( "t18"."environment" <>
"t24"."place" ) AS "elsewhere", "t18"."seen" >= :until_next AS "late" FROM ( SELECT * FROM ( SELECT "t14"."unit",
"t14"."event_id", "t14"."event", "t14"."time", "t14"."seen", "t14"."project", "t14"."environment", "t14"."d0",
"t14"."w0" FROM ( SELECT "t13"."unit", "t13"."event_id", "t13"."event", "t13"."time", "t13"."seen", "t13"."project",
"t13"."environment", "t13"."d0", "t13"."w0", "t13"."sent_as" FROM ( SELECT COALESCE("t12"."known", "t12"."unit") AS
"unit", "t12"."event_id", "t12"."event", "t12"."time", "t12"."seen", "t12"."project", "t12"."environment",
"t12"."d0", "t12"."w0", "t12"."known", "t12"."anonymous", "t12"."scope", "t12"."place", "t12"."unit" AS "sent_as"
FROM ( SELECT "t7"."unit", "t7"."event_id", "t7"."event", "t7"."time", "t7"."seen", "t7"."project",
"t7"."environment", "t7"."d0", "t7"."w0", "t10"."known", "t10"."anonymous", "t10"."scope", "t10"."place" FROM (
SELECT "t2"."unit", "t2"."event_id", "t2"."event", "t2"."time", GREATEST("t2"."time", COALESCE("t2"."received",
"t2"."time")) AS "seen", COALESCE("t2"."project", 'default') AS "project", COALESCE("t2"."environment", 'default')
AS "environment", "t2"."distinct0" AS "d0", ( "t2"."event" = :event0 ) AND COALESCE("t2"."where0" = TRUE, FALSE) AS
"w0" FROM "asked_events" AS "t2" WHERE "t2"."fault" IS NULL AND COALESCE("t2"."project", 'default') = :project AND
COALESCE("t2"."environment", 'default') = :environment AND "t2"."topic" = '_track' AND "t2"."type" = 'track' AND
"t2"."event" IN (:event0) ) AS "t7" LEFT OUTER JOIN ( SELECT "t8"."known", "t8"."unit" AS "anonymous",
"t8"."project" AS "scope", "t8"."environment" AS "place" FROM ( SELECT "t3"."unit", "t3"."known", "t3"."time",
"t3"."project", "t3"."environment", ROW_NUMBER() OVER ( PARTITION BY "t3"."unit", "t3"."project", "t3"."environment"
ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t1"."unit", "t1"."known", "t1"."time",
COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default') AS "environment" FROM
"asked_identities" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default') = :project AND
COALESCE("t1"."environment", 'default') = :environment AND "t1"."type" = 'identify' ) AS "t3" ) AS "t8" WHERE
"t8"."rank" = 0 ) AS "t10" ON "t7"."unit" = "t10"."anonymous" AND "t7"."project" = "t10"."scope" AND
"t7"."environment" = "t10"."place" ) AS "t12" ) AS "t13" ) AS "t14" ) AS "t15" WHERE "t15"."time" >= :since AND
"t15"."time" < :until_next ) AS "t18" INNER JOIN ( SELECT "t20"."unit", "t20"."first", "t20"."arm", "t20"."seen" AS
"entry", "t20"."project" AS "home", "t20"."environment" AS "place" FROM "t19" AS "t20" WHERE "t20"."first" >=
:begins AND "t20"."first" < :ends AND NOT ( "t20"."crossed" ) ) AS "t24" ON "t18"."unit" = "t24"."unit" ) AS "t25"
WHERE NOT ( "t25"."elsewhere" ) AND NOT ( "t25"."late" ) ) AS "t26" ) AS "t27" WHERE "t27"."rank" = 0 ) AS "t28" )
AS "t29" GROUP BY 1 ) AS "t31" ON "t23"."unit" = "t31"."unit" ) AS "t32" ) AS "t33" ) AS "t34" ) AS "t35" GROUP BY 1

-- cap mean-distinct
WITH "t19" AS ( SELECT "t16"."unit", MIN("t16"."arm") AS "arm", MIN("t16"."arm") <> MAX("t16"."arm") AS "crossed",
MIN("t16"."time") AS "first", MIN("t16"."seen") AS "seen", MIN("t16"."project") AS "project",
MIN("t16"."environment") AS "environment", ( MIN("t16"."environment") <> MAX("t16"."environment") ) OR (
MIN("t16"."project") <> MAX("t16"."project") ) AS "scattered", MIN("t16"."sent_as") <> MAX("t16"."sent_as") AS
"aliased", MIN("t16"."segment0") AS "segment0" FROM ( SELECT COALESCE("t11"."known", "t11"."unit") AS "unit",
"t11"."time", "t11"."seen", "t11"."project", "t11"."environment", "t11"."release", "t11"."arm", "t11"."segment0",
"t11"."unit" AS "sent_as" FROM ( SELECT "t6"."unit", "t6"."time", "t6"."seen", "t6"."project", "t6"."environment",
"t6"."release", "t6"."arm", "t6"."segment0", "t10"."known", "t10"."anonymous", "t10"."scope", "t10"."place" FROM (
SELECT "t0"."unit", "t0"."time", GREATEST("t0"."time", COALESCE("t0"."received", "t0"."time")) AS "seen",
COALESCE("t0"."project", 'default') AS "project", COALESCE("t0"."environment", 'default') AS "environment",
"t0"."release", "t0"."variant" AS "arm", COALESCE(ELEMENT_AT("t0"."properties", 'place'), NULL) AS "segment0" FROM
"asked_exposures" AS "t0" WHERE "t0"."fault" IS NULL AND COALESCE("t0"."project", 'default') = :project AND
COALESCE("t0"."environment", 'default') = :environment AND "t0"."topic" = :topic AND "t0"."type" = 'exposure' AND
"t0"."variant" IN ('compared', 'reached') AND ( ( ( "t0"."reason" = 'SPLIT' ) AND ( "t0"."rule" = :rule ) ) OR ( (
"t0"."reason" IS NULL ) AND ( "t0"."rule" IS NULL ) ) ) ) AS "t6" LEFT OUTER JOIN ( SELECT "t8"."known", "t8"."unit"
AS "anonymous", "t8"."project" AS "scope", "t8"."environment" AS "place" FROM ( SELECT "t3"."unit", "t3"."known",
"t3"."time", "t3"."project", "t3"."environment", ROW_NUMBER() OVER ( PARTITION BY "t3"."unit", "t3"."project",
"t3"."environment" ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t1"."unit",
"t1"."known", "t1"."time", COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default')
AS "environment" FROM "asked_identities" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default')
= :project AND COALESCE("t1"."environment", 'default') = :environment AND "t1"."type" = 'identify' ) AS "t3" ) AS
"t8" WHERE "t8"."rank" = 0 ) AS "t10" ON "t6"."unit" = "t10"."anonymous" AND "t6"."project" = "t10"."scope" AND
"t6"."environment" = "t10"."place" ) AS "t11" WHERE ( ( ( "t11"."arm" = 'reached' ) AND ( TRY_CAST("t11"."segment0"
AS BIGINT) >= :reached_low ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) < :reached_high ) ) OR ( ( "t11"."arm" =
'compared' ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) >= :compared_low ) AND ( TRY_CAST("t11"."segment0" AS
BIGINT) < :compared_high ) ) ) AND "t11"."time" >= :since AND "t11"."seen" < :until_next ) AS "t16" GROUP BY 1 )
SELECT "t36"."value" FROM ( SELECT "t35"."value", ( ROW_NUMBER() OVER (ORDER BY "t35"."value" ASC) - 1 ) + 1 AS
"rank", COUNT(*) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS "total" FROM ( SELECT * FROM (
SELECT IF( "t33"."first" <= :mature, COALESCE("t33"."m0_value", CAST(0.0 AS DOUBLE)), NULL ) AS "value" FROM (
SELECT "t32"."unit", "t32"."arm", "t32"."crossed", "t32"."first", "t32"."seen", "t32"."project",
"t32"."environment", "t32"."scattered", "t32"."aliased", "t32"."segment0", "t32"."active0", "t32"."last0",
"t32"."m0_value" FROM ( SELECT "t23"."unit", "t23"."arm", "t23"."crossed", "t23"."first", "t23"."seen",
"t23"."project", "t23"."environment", "t23"."scattered", "t23"."aliased", "t23"."segment0", "t31"."unit" AS
"unit_right", "t31"."active0", "t31"."last0", "t31"."m0_value" FROM ( SELECT * FROM "t19" AS "t20" WHERE
"t20"."first" >= :begins AND "t20"."first" < :ends AND NOT ( "t20"."crossed" ) ) AS "t23" LEFT OUTER JOIN ( SELECT
"t29"."unit", MAX(IF("t29"."f_m0_value" > 0, 1, 0)) AS "active0", MAX(IF("t29"."f_m0_value" > 0, "t29"."time",
NULL)) AS "last0", SUM("t29"."f_m0_value") AS "m0_value" FROM ( SELECT "t28"."unit", "t28"."event", "t28"."time",
"t28"."seen", "t28"."first", "t28"."arm", "t28"."entry", "t28"."d0", "t28"."w0", CAST(IF( ( "t28"."event" = :event0
) AND "t28"."w0" AND ( ( "t28"."time" >= ( "t28"."first" + :delay ) ) AND ( "t28"."time" < ( "t28"."first" + :window
) ) ) AND ( "t28"."d0" IS NOT NULL ) AND ( ( ROW_NUMBER() OVER ( PARTITION BY "t28"."unit", "t28"."d0", (
"t28"."event" = :event0 ) AND "t28"."w0" AND ( ( "t28"."time" >= ( "t28"."first" + :delay ) ) AND ( "t28"."time" < (
"t28"."first" + :window ) ) ) AND ( "t28"."d0" IS NOT NULL ) ORDER BY "t28"."seen" ASC, "t28"."time" ASC ) - 1 ) = 0
), 1, 0 ) AS DOUBLE) AS "f_m0_value" FROM ( SELECT "t27"."unit", "t27"."event", "t27"."time", "t27"."seen",
"t27"."first", "t27"."arm", "t27"."entry", "t27"."d0", "t27"."w0" FROM ( SELECT "t26"."unit", "t26"."event",
"t26"."time", "t26"."seen", "t26"."first", "t26"."arm", "t26"."entry", "t26"."event_id", "t26"."d0", "t26"."w0",
"t26"."elsewhere", "t26"."late", ROW_NUMBER() OVER ( PARTITION BY "t26"."unit", "t26"."event_id" ORDER BY
"t26"."seen" ASC, "t26"."time" ASC, "t26"."event" ASC, "t26"."d0" ASC, "t26"."w0" ASC ) - 1 AS "rank" FROM ( SELECT
* FROM ( SELECT "t18"."unit", "t18"."event", "t18"."time", "t18"."seen", "t24"."first", "t24"."arm", "t24"."entry",
"t18"."event_id", "t18"."d0", "t18"."w0", ( "t18"."project" <> "t24"."home" ) OR ( "t18"."environment" <>
"t24"."place" ) AS "elsewhere", "t18"."seen" >= :until_next AS "late" FROM ( SELECT * FROM ( SELECT "t14"."unit",
"t14"."event_id", "t14"."event", "t14"."time", "t14"."seen", "t14"."project", "t14"."environment", "t14"."d0",
"t14"."w0" FROM ( SELECT "t13"."unit", "t13"."event_id", "t13"."event", "t13"."time", "t13"."seen", "t13"."project",
"t13"."environment", "t13"."d0", "t13"."w0", "t13"."sent_as" FROM ( SELECT COALESCE("t12"."known", "t12"."unit") AS
"unit", "t12"."event_id", "t12"."event", "t12"."time", "t12"."seen", "t12"."project", "t12"."environment",
"t12"."d0", "t12"."w0", "t12"."known", "t12"."anonymous", "t12"."scope", "t12"."place", "t12"."unit" AS "sent_as"
FROM ( SELECT "t7"."unit", "t7"."event_id", "t7"."event", "t7"."time", "t7"."seen", "t7"."project",
"t7"."environment", "t7"."d0", "t7"."w0", "t10"."known", "t10"."anonymous", "t10"."scope", "t10"."place" FROM (
SELECT "t2"."unit", "t2"."event_id", "t2"."event", "t2"."time", GREATEST("t2"."time", COALESCE("t2"."received",
"t2"."time")) AS "seen", COALESCE("t2"."project", 'default') AS "project", COALESCE("t2"."environment", 'default')
AS "environment", "t2"."distinct0" AS "d0", ( "t2"."event" = :event0 ) AND COALESCE("t2"."where0" = TRUE, FALSE) AS
"w0" FROM "asked_events" AS "t2" WHERE "t2"."fault" IS NULL AND COALESCE("t2"."project", 'default') = :project AND
COALESCE("t2"."environment", 'default') = :environment AND "t2"."topic" = '_track' AND "t2"."type" = 'track' AND
"t2"."event" IN (:event0) ) AS "t7" LEFT OUTER JOIN ( SELECT "t8"."known", "t8"."unit" AS "anonymous",
"t8"."project" AS "scope", "t8"."environment" AS "place" FROM ( SELECT "t3"."unit", "t3"."known", "t3"."time",
"t3"."project", "t3"."environment", ROW_NUMBER() OVER ( PARTITION BY "t3"."unit", "t3"."project", "t3"."environment"
ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t1"."unit", "t1"."known", "t1"."time",
COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default') AS "environment" FROM
"asked_identities" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default') = :project AND
COALESCE("t1"."environment", 'default') = :environment AND "t1"."type" = 'identify' ) AS "t3" ) AS "t8" WHERE
"t8"."rank" = 0 ) AS "t10" ON "t7"."unit" = "t10"."anonymous" AND "t7"."project" = "t10"."scope" AND
"t7"."environment" = "t10"."place" ) AS "t12" ) AS "t13" ) AS "t14" ) AS "t15" WHERE "t15"."time" >= :since AND
"t15"."time" < :until_next ) AS "t18" INNER JOIN ( SELECT "t20"."unit", "t20"."first", "t20"."arm", "t20"."seen" AS
"entry", "t20"."project" AS "home", "t20"."environment" AS "place" FROM "t19" AS "t20" WHERE "t20"."first" >=
:begins AND "t20"."first" < :ends AND NOT ( "t20"."crossed" ) ) AS "t24" ON "t18"."unit" = "t24"."unit" ) AS "t25"
WHERE NOT ( "t25"."elsewhere" ) AND NOT ( "t25"."late" ) ) AS "t26" ) AS "t27" WHERE "t27"."rank" = 0 ) AS "t28" )
AS "t29" GROUP BY 1 ) AS "t31" ON "t23"."unit" = "t31"."unit" ) AS "t32" ) AS "t33" ) AS "t34" WHERE "t34"."value"
IS NOT NULL ) AS "t35" ) AS "t36" WHERE "t36"."rank" = CAST(CEIL(CAST(( "t36"."total" * CAST(:share AS DOUBLE) ) AS
DOUBLE) / 100) AS BIGINT)

-- look ratio
WITH "t19" AS ( SELECT "t16"."unit", MIN("t16"."arm") AS "arm", MIN("t16"."arm") <> MAX("t16"."arm") AS "crossed",
MIN("t16"."time") AS "first", MIN("t16"."seen") AS "seen", MIN("t16"."project") AS "project",
MIN("t16"."environment") AS "environment", ( MIN("t16"."environment") <> MAX("t16"."environment") ) OR (
MIN("t16"."project") <> MAX("t16"."project") ) AS "scattered", MIN("t16"."sent_as") <> MAX("t16"."sent_as") AS
"aliased", MIN("t16"."segment0") AS "segment0" FROM ( SELECT COALESCE("t11"."known", "t11"."unit") AS "unit",
"t11"."time", "t11"."seen", "t11"."project", "t11"."environment", "t11"."release", "t11"."arm", "t11"."segment0",
"t11"."unit" AS "sent_as" FROM ( SELECT "t6"."unit", "t6"."time", "t6"."seen", "t6"."project", "t6"."environment",
"t6"."release", "t6"."arm", "t6"."segment0", "t10"."known", "t10"."anonymous", "t10"."scope", "t10"."place" FROM (
SELECT "t0"."unit", "t0"."time", GREATEST("t0"."time", COALESCE("t0"."received", "t0"."time")) AS "seen",
COALESCE("t0"."project", 'default') AS "project", COALESCE("t0"."environment", 'default') AS "environment",
"t0"."release", "t0"."variant" AS "arm", COALESCE(ELEMENT_AT("t0"."properties", 'place'), NULL) AS "segment0" FROM
"asked_exposures" AS "t0" WHERE "t0"."fault" IS NULL AND COALESCE("t0"."project", 'default') = :project AND
COALESCE("t0"."environment", 'default') = :environment AND "t0"."topic" = :topic AND "t0"."type" = 'exposure' AND
"t0"."variant" IN ('compared', 'reached') AND ( ( ( "t0"."reason" = 'SPLIT' ) AND ( "t0"."rule" = :rule ) ) OR ( (
"t0"."reason" IS NULL ) AND ( "t0"."rule" IS NULL ) ) ) ) AS "t6" LEFT OUTER JOIN ( SELECT "t8"."known", "t8"."unit"
AS "anonymous", "t8"."project" AS "scope", "t8"."environment" AS "place" FROM ( SELECT "t3"."unit", "t3"."known",
"t3"."time", "t3"."project", "t3"."environment", ROW_NUMBER() OVER ( PARTITION BY "t3"."unit", "t3"."project",
"t3"."environment" ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t1"."unit",
"t1"."known", "t1"."time", COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default')
AS "environment" FROM "asked_identities" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default')
= :project AND COALESCE("t1"."environment", 'default') = :environment AND "t1"."type" = 'identify' ) AS "t3" ) AS
"t8" WHERE "t8"."rank" = 0 ) AS "t10" ON "t6"."unit" = "t10"."anonymous" AND "t6"."project" = "t10"."scope" AND
"t6"."environment" = "t10"."place" ) AS "t11" WHERE ( ( ( "t11"."arm" = 'reached' ) AND ( TRY_CAST("t11"."segment0"
AS BIGINT) >= :reached_low ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) < :reached_high ) ) OR ( ( "t11"."arm" =
'compared' ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) >= :compared_low ) AND ( TRY_CAST("t11"."segment0" AS
BIGINT) < :compared_high ) ) ) AND "t11"."time" >= :since AND "t11"."seen" < :until_next ) AS "t16" GROUP BY 1 )
SELECT "t34"."arm", COUNT(*) AS "n", SUM(IF("t34"."m0_value" IS NOT NULL, COALESCE("t34"."active0", 0), 0)) AS
"active0", SUM( IF(( "t34"."m0_value" IS NOT NULL ) AND ( "t34"."first" > "t34"."last0" ), 1, 0) ) AS "quiet0",
MAX("t34"."last0") AS "last0", COUNT("t34"."m0_value") AS "m0_n", AVG( IF( "t34"."m0_value" > CAST(:cap AS DOUBLE),
CAST(:cap AS DOUBLE), "t34"."m0_value" ) ) AS "m0_value_mean", AVG("t34"."m0_per") AS "m0_per_mean", AVG( IF(
"t34"."m0_value" > CAST(:cap AS DOUBLE), CAST(:cap AS DOUBLE), "t34"."m0_value" ) * IF( "t34"."m0_value" > CAST(:cap
AS DOUBLE), CAST(:cap AS DOUBLE), "t34"."m0_value" ) * IF( "t34"."m0_value" > CAST(:cap AS DOUBLE), CAST(:cap AS
DOUBLE), "t34"."m0_value" ) ) AS "m0_value_cubed", MAX("t34"."m0_value") AS "m0_value_largest",
SUM("t34"."m0_value") AS "m0_value_total", VARIANCE( IF( "t34"."m0_value" > CAST(:cap AS DOUBLE), CAST(:cap AS
DOUBLE), "t34"."m0_value" ) ) AS "m0_value_value", COVAR_SAMP( IF( "t34"."m0_value" > CAST(:cap AS DOUBLE),
CAST(:cap AS DOUBLE), "t34"."m0_value" ), "t34"."m0_per" ) AS "m0_value_per", VARIANCE("t34"."m0_per") AS
"m0_per_per" FROM ( SELECT "t33"."unit", "t33"."arm", "t33"."crossed", "t33"."first", "t33"."seen", "t33"."project",
"t33"."environment", "t33"."scattered", "t33"."aliased", "t33"."segment0", "t33"."active0", GREATEST( COALESCE(
MAX("t33"."last0") OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING), 0 ), :known ) AS "last0",
"t33"."m0_value", "t33"."m0_per" FROM ( SELECT "t32"."unit", "t32"."arm", "t32"."crossed", "t32"."first",
"t32"."seen", "t32"."project", "t32"."environment", "t32"."scattered", "t32"."aliased", "t32"."segment0",
"t32"."active0", "t32"."last0", IF( "t32"."first" <= :mature, COALESCE("t32"."m0_value", CAST(0.0 AS DOUBLE)), NULL
) AS "m0_value", IF("t32"."first" <= :mature, COALESCE("t32"."m0_per", CAST(0.0 AS DOUBLE)), NULL) AS "m0_per" FROM
( SELECT "t31"."unit", "t31"."arm", "t31"."crossed", "t31"."first", "t31"."seen", "t31"."project",
"t31"."environment", "t31"."scattered", "t31"."aliased", "t31"."segment0", "t31"."active0", "t31"."last0",
"t31"."m0_value", "t31"."m0_per" FROM ( SELECT "t23"."unit", "t23"."arm", "t23"."crossed", "t23"."first",
"t23"."seen", "t23"."project", "t23"."environment", "t23"."scattered", "t23"."aliased", "t23"."segment0",
"t30"."unit" AS "unit_right", "t30"."active0", "t30"."last0", "t30"."m0_value", "t30"."m0_per" FROM ( SELECT * FROM
"t19" AS "t20" WHERE "t20"."first" >= :begins AND "t20"."first" < :ends AND NOT ( "t20"."crossed" ) ) AS "t23" LEFT
OUTER JOIN ( SELECT "t28"."unit", MAX( IF( IF( ( "t28"."event" = :event0 ) AND "t28"."w0" AND ( ( "t28"."time" >= (
"t28"."first" + :delay ) ) AND ( "t28"."time" < ( "t28"."first" + :window ) ) ), "t28"."p0", NULL ) IS NOT NULL, 1,
0 ) ) AS "active0", MAX( IF( IF( ( "t28"."event" = :event0 ) AND "t28"."w0" AND ( ( "t28"."time" >= ( "t28"."first"
+ :delay ) ) AND ( "t28"."time" < ( "t28"."first" + :window ) ) ), "t28"."p0", NULL ) IS NOT NULL, "t28"."time",
NULL ) ) AS "last0", SUM( IF( ( "t28"."event" = :event0 ) AND "t28"."w0" AND ( ( "t28"."time" >= ( "t28"."first" +
:delay ) ) AND ( "t28"."time" < ( "t28"."first" + :window ) ) ), "t28"."p0", NULL ) ) AS "m0_value", SUM( IF( (
"t28"."event" = :event1 ) AND "t28"."w1" AND ( ( "t28"."time" >= ( "t28"."first" + :delay ) ) AND ( "t28"."time" < (
"t28"."first" + :window ) ) ), "t28"."p1", NULL ) ) AS "m0_per" FROM ( SELECT "t27"."unit", "t27"."event",
"t27"."time", "t27"."seen", "t27"."first", "t27"."arm", "t27"."entry", IF( ABS(TRY_CAST("t27"."p0" AS DOUBLE)) <=
CAST(1000000000000000.0 AS DOUBLE), TRY_CAST("t27"."p0" AS DOUBLE), NULL ) AS "p0", IF( ABS(TRY_CAST("t27"."p1" AS
DOUBLE)) <= CAST(1000000000000000.0 AS DOUBLE), TRY_CAST("t27"."p1" AS DOUBLE), NULL ) AS "p1", "t27"."w0",
"t27"."w1" FROM ( SELECT "t26"."unit", "t26"."event", "t26"."time", "t26"."seen", "t26"."first", "t26"."arm",
"t26"."entry", "t26"."event_id", "t26"."p0", "t26"."p1", "t26"."w0", "t26"."w1", "t26"."elsewhere", "t26"."late",
ROW_NUMBER() OVER ( PARTITION BY "t26"."unit", "t26"."event_id" ORDER BY "t26"."seen" ASC, "t26"."time" ASC,
"t26"."event" ASC, "t26"."p0" ASC, "t26"."p1" ASC, "t26"."w0" ASC, "t26"."w1" ASC ) - 1 AS "rank" FROM ( SELECT *
FROM ( SELECT "t18"."unit", "t18"."event", "t18"."time", "t18"."seen", "t24"."first", "t24"."arm", "t24"."entry",
"t18"."event_id", "t18"."p0", "t18"."p1", "t18"."w0", "t18"."w1", ( "t18"."project" <> "t24"."home" ) OR (
"t18"."environment" <> "t24"."place" ) AS "elsewhere", "t18"."seen" >= :until_next AS "late" FROM ( SELECT * FROM (
SELECT "t14"."unit", "t14"."event_id", "t14"."event", "t14"."time", "t14"."seen", "t14"."project",
"t14"."environment", "t14"."p0", "t14"."p1", "t14"."w0", "t14"."w1" FROM ( SELECT "t13"."unit", "t13"."event_id",
"t13"."event", "t13"."time", "t13"."seen", "t13"."project", "t13"."environment", "t13"."p0", "t13"."p1", "t13"."w0",
"t13"."w1", "t13"."sent_as" FROM ( SELECT COALESCE("t12"."known", "t12"."unit") AS "unit", "t12"."event_id",
"t12"."event", "t12"."time", "t12"."seen", "t12"."project", "t12"."environment", "t12"."p0", "t12"."p1", "t12"."w0",
"t12"."w1", "t12"."known", "t12"."anonymous", "t12"."scope", "t12"."place", "t12"."unit" AS "sent_as" FROM ( SELECT
"t7"."unit", "t7"."event_id", "t7"."event", "t7"."time", "t7"."seen", "t7"."project", "t7"."environment", "t7"."p0",
"t7"."p1", "t7"."w0", "t7"."w1", "t10"."known", "t10"."anonymous", "t10"."scope", "t10"."place" FROM ( SELECT
"t2"."unit", "t2"."event_id", "t2"."event", "t2"."time", GREATEST("t2"."time", COALESCE("t2"."received",
"t2"."time")) AS "seen", COALESCE("t2"."project", 'default') AS "project", COALESCE("t2"."environment", 'default')
AS "environment", "t2"."amount0" AS "p0", "t2"."amount1" AS "p1", ( "t2"."event" = :event0 ) AND
COALESCE("t2"."where0" = TRUE, FALSE) AS "w0", ( "t2"."event" = :event1 ) AND COALESCE("t2"."where1" = TRUE, FALSE)
AS "w1" FROM "asked_events" AS "t2" WHERE "t2"."fault" IS NULL AND COALESCE("t2"."project", 'default') = :project
AND COALESCE("t2"."environment", 'default') = :environment AND "t2"."topic" = '_track' AND "t2"."type" = 'track' AND
"t2"."event" IN (:event0, :event1) ) AS "t7" LEFT OUTER JOIN ( SELECT "t8"."known", "t8"."unit" AS "anonymous",
"t8"."project" AS "scope", "t8"."environment" AS "place" FROM ( SELECT "t3"."unit", "t3"."known", "t3"."time",
"t3"."project", "t3"."environment", ROW_NUMBER() OVER ( PARTITION BY "t3"."unit", "t3"."project", "t3"."environment"
ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t1"."unit", "t1"."known", "t1"."time",
COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default') AS "environment" FROM
"asked_identities" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default') = :project AND
COALESCE("t1"."environment", 'default') = :environment AND "t1"."type" = 'identify' ) AS "t3" ) AS "t8" WHERE
"t8"."rank" = 0 ) AS "t10" ON "t7"."unit" = "t10"."anonymous" AND "t7"."project" = "t10"."scope" AND
"t7"."environment" = "t10"."place" ) AS "t12" ) AS "t13" ) AS "t14" ) AS "t15" WHERE "t15"."time" >= :since AND
"t15"."time" < :until_next ) AS "t18" INNER JOIN ( SELECT "t20"."unit", "t20"."first", "t20"."arm", "t20"."seen" AS
"entry", "t20"."project" AS "home", "t20"."environment" AS "place" FROM "t19" AS "t20" WHERE "t20"."first" >=
:begins AND "t20"."first" < :ends AND NOT ( "t20"."crossed" ) ) AS "t24" ON "t18"."unit" = "t24"."unit" ) AS "t25"
WHERE NOT ( "t25"."elsewhere" ) AND NOT ( "t25"."late" ) ) AS "t26" ) AS "t27" WHERE "t27"."rank" = 0 ) AS "t28"
GROUP BY 1 ) AS "t30" ON "t23"."unit" = "t30"."unit" ) AS "t31" ) AS "t32" ) AS "t33" ) AS "t34" GROUP BY 1

-- look ratio-distinct
WITH "t19" AS ( SELECT "t16"."unit", MIN("t16"."arm") AS "arm", MIN("t16"."arm") <> MAX("t16"."arm") AS "crossed",
MIN("t16"."time") AS "first", MIN("t16"."seen") AS "seen", MIN("t16"."project") AS "project",
MIN("t16"."environment") AS "environment", ( MIN("t16"."environment") <> MAX("t16"."environment") ) OR (
MIN("t16"."project") <> MAX("t16"."project") ) AS "scattered", MIN("t16"."sent_as") <> MAX("t16"."sent_as") AS
"aliased", MIN("t16"."segment0") AS "segment0" FROM ( SELECT COALESCE("t11"."known", "t11"."unit") AS "unit",
"t11"."time", "t11"."seen", "t11"."project", "t11"."environment", "t11"."release", "t11"."arm", "t11"."segment0",
"t11"."unit" AS "sent_as" FROM ( SELECT "t6"."unit", "t6"."time", "t6"."seen", "t6"."project", "t6"."environment",
"t6"."release", "t6"."arm", "t6"."segment0", "t10"."known", "t10"."anonymous", "t10"."scope", "t10"."place" FROM (
SELECT "t0"."unit", "t0"."time", GREATEST("t0"."time", COALESCE("t0"."received", "t0"."time")) AS "seen",
COALESCE("t0"."project", 'default') AS "project", COALESCE("t0"."environment", 'default') AS "environment",
"t0"."release", "t0"."variant" AS "arm", COALESCE(ELEMENT_AT("t0"."properties", 'place'), NULL) AS "segment0" FROM
"asked_exposures" AS "t0" WHERE "t0"."fault" IS NULL AND COALESCE("t0"."project", 'default') = :project AND
COALESCE("t0"."environment", 'default') = :environment AND "t0"."topic" = :topic AND "t0"."type" = 'exposure' AND
"t0"."variant" IN ('compared', 'reached') AND ( ( ( "t0"."reason" = 'SPLIT' ) AND ( "t0"."rule" = :rule ) ) OR ( (
"t0"."reason" IS NULL ) AND ( "t0"."rule" IS NULL ) ) ) ) AS "t6" LEFT OUTER JOIN ( SELECT "t8"."known", "t8"."unit"
AS "anonymous", "t8"."project" AS "scope", "t8"."environment" AS "place" FROM ( SELECT "t3"."unit", "t3"."known",
"t3"."time", "t3"."project", "t3"."environment", ROW_NUMBER() OVER ( PARTITION BY "t3"."unit", "t3"."project",
"t3"."environment" ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t1"."unit",
"t1"."known", "t1"."time", COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default')
AS "environment" FROM "asked_identities" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default')
= :project AND COALESCE("t1"."environment", 'default') = :environment AND "t1"."type" = 'identify' ) AS "t3" ) AS
"t8" WHERE "t8"."rank" = 0 ) AS "t10" ON "t6"."unit" = "t10"."anonymous" AND "t6"."project" = "t10"."scope" AND
"t6"."environment" = "t10"."place" ) AS "t11" WHERE ( ( ( "t11"."arm" = 'reached' ) AND ( TRY_CAST("t11"."segment0"
AS BIGINT) >= :reached_low ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) < :reached_high ) ) OR ( ( "t11"."arm" =
'compared' ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) >= :compared_low ) AND ( TRY_CAST("t11"."segment0" AS
BIGINT) < :compared_high ) ) ) AND "t11"."time" >= :since AND "t11"."seen" < :until_next ) AS "t16" GROUP BY 1 )
SELECT "t35"."arm", COUNT(*) AS "n", SUM(IF("t35"."m0_value" IS NOT NULL, COALESCE("t35"."active0", 0), 0)) AS
"active0", SUM( IF(( "t35"."m0_value" IS NOT NULL ) AND ( "t35"."first" > "t35"."last0" ), 1, 0) ) AS "quiet0",
MAX("t35"."last0") AS "last0", COUNT("t35"."m0_value") AS "m0_n", AVG( IF( "t35"."m0_value" > CAST(:cap AS DOUBLE),
CAST(:cap AS DOUBLE), "t35"."m0_value" ) ) AS "m0_value_mean", AVG("t35"."m0_per") AS "m0_per_mean", AVG( IF(
"t35"."m0_value" > CAST(:cap AS DOUBLE), CAST(:cap AS DOUBLE), "t35"."m0_value" ) * IF( "t35"."m0_value" > CAST(:cap
AS DOUBLE), CAST(:cap AS DOUBLE), "t35"."m0_value" ) * IF( "t35"."m0_value" > CAST(:cap AS DOUBLE), CAST(:cap AS
DOUBLE), "t35"."m0_value" ) ) AS "m0_value_cubed", MAX("t35"."m0_value") AS "m0_value_largest",
SUM("t35"."m0_value") AS "m0_value_total", VARIANCE( IF( "t35"."m0_value" > CAST(:cap AS DOUBLE), CAST(:cap AS
DOUBLE), "t35"."m0_value" ) ) AS "m0_value_value", COVAR_SAMP( IF( "t35"."m0_value" > CAST(:cap AS DOUBLE),
CAST(:cap AS DOUBLE), "t35"."m0_value" ), "t35"."m0_per" ) AS "m0_value_per", VARIANCE("t35"."m0_per") AS
"m0_per_per" FROM ( SELECT "t34"."unit", "t34"."arm", "t34"."crossed", "t34"."first", "t34"."seen", "t34"."project",
"t34"."environment", "t34"."scattered", "t34"."aliased", "t34"."segment0", "t34"."active0", GREATEST( COALESCE(
MAX("t34"."last0") OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING), 0 ), :known ) AS "last0",
"t34"."m0_value", "t34"."m0_per" FROM ( SELECT "t33"."unit", "t33"."arm", "t33"."crossed", "t33"."first",
"t33"."seen", "t33"."project", "t33"."environment", "t33"."scattered", "t33"."aliased", "t33"."segment0",
"t33"."active0", "t33"."last0", IF( "t33"."first" <= :mature, COALESCE("t33"."m0_value", CAST(0.0 AS DOUBLE)), NULL
) AS "m0_value", IF("t33"."first" <= :mature, COALESCE("t33"."m0_per", CAST(0.0 AS DOUBLE)), NULL) AS "m0_per" FROM
( SELECT "t32"."unit", "t32"."arm", "t32"."crossed", "t32"."first", "t32"."seen", "t32"."project",
"t32"."environment", "t32"."scattered", "t32"."aliased", "t32"."segment0", "t32"."active0", "t32"."last0",
"t32"."m0_value", "t32"."m0_per" FROM ( SELECT "t23"."unit", "t23"."arm", "t23"."crossed", "t23"."first",
"t23"."seen", "t23"."project", "t23"."environment", "t23"."scattered", "t23"."aliased", "t23"."segment0",
"t31"."unit" AS "unit_right", "t31"."active0", "t31"."last0", "t31"."m0_value", "t31"."m0_per" FROM ( SELECT * FROM
"t19" AS "t20" WHERE "t20"."first" >= :begins AND "t20"."first" < :ends AND NOT ( "t20"."crossed" ) ) AS "t23" LEFT
OUTER JOIN ( SELECT "t29"."unit", MAX(IF("t29"."f_m0_value" > 0, 1, 0)) AS "active0", MAX(IF("t29"."f_m0_value" > 0,
"t29"."time", NULL)) AS "last0", SUM("t29"."f_m0_value") AS "m0_value", SUM( IF( ( "t29"."event" = :event1 ) AND
"t29"."w1" AND ( ( "t29"."time" >= ( "t29"."first" + :delay ) ) AND ( "t29"."time" < ( "t29"."first" + :window ) )
), "t29"."p0", NULL ) ) AS "m0_per" FROM ( SELECT "t28"."unit", "t28"."event", "t28"."time", "t28"."seen",
"t28"."first", "t28"."arm", "t28"."entry", "t28"."p0", "t28"."d0", "t28"."w0", "t28"."w1", CAST(IF( ( "t28"."event"
= :event0 ) AND "t28"."w0" AND ( ( "t28"."time" >= ( "t28"."first" + :delay ) ) AND ( "t28"."time" < ( "t28"."first"
+ :window ) ) ) AND ( "t28"."d0" IS NOT NULL ) AND ( ( ROW_NUMBER() OVER ( PARTITION BY "t28"."unit", "t28"."d0", (
"t28"."event" = :event0 ) AND "t28"."w0" AND ( ( "t28"."time" >= ( "t28"."first" + :delay ) ) AND ( "t28"."time" < (
"t28"."first" + :window ) ) ) AND ( "t28"."d0" IS NOT NULL ) ORDER BY "t28"."seen" ASC, "t28"."time" ASC ) - 1 ) = 0
), 1, 0 ) AS DOUBLE) AS "f_m0_value" FROM ( SELECT "t27"."unit", "t27"."event", "t27"."time", "t27"."seen",
"t27"."first", "t27"."arm", "t27"."entry", IF( ABS(TRY_CAST("t27"."p0" AS DOUBLE)) <= CAST(1000000000000000.0 AS
DOUBLE), TRY_CAST("t27"."p0" AS DOUBLE), NULL ) AS "p0", "t27"."d0", "t27"."w0", "t27"."w1" FROM ( SELECT
"t26"."unit", "t26"."event", "t26"."time", "t26"."seen", "t26"."first", "t26"."arm", "t26"."entry",
"t26"."event_id", "t26"."p0", "t26"."d0", "t26"."w0", "t26"."w1", "t26"."elsewhere", "t26"."late", ROW_NUMBER() OVER
( PARTITION BY "t26"."unit", "t26"."event_id" ORDER BY "t26"."seen" ASC, "t26"."time" ASC, "t26"."event" ASC,
"t26"."p0" ASC, "t26"."d0" ASC, "t26"."w0" ASC, "t26"."w1" ASC ) - 1 AS "rank" FROM ( SELECT * FROM ( SELECT
"t18"."unit", "t18"."event", "t18"."time", "t18"."seen", "t24"."first", "t24"."arm", "t24"."entry",
"t18"."event_id", "t18"."p0", "t18"."d0", "t18"."w0", "t18"."w1", ( "t18"."project" <> "t24"."home" ) OR (
"t18"."environment" <> "t24"."place" ) AS "elsewhere", "t18"."seen" >= :until_next AS "late" FROM ( SELECT * FROM (
SELECT "t14"."unit", "t14"."event_id", "t14"."event", "t14"."time", "t14"."seen", "t14"."project",
"t14"."environment", "t14"."p0", "t14"."d0", "t14"."w0", "t14"."w1" FROM ( SELECT "t13"."unit", "t13"."event_id",
"t13"."event", "t13"."time", "t13"."seen", "t13"."project", "t13"."environment", "t13"."p0", "t13"."d0", "t13"."w0",
"t13"."w1", "t13"."sent_as" FROM ( SELECT COALESCE("t12"."known", "t12"."unit") AS "unit", "t12"."event_id",
"t12"."event", "t12"."time", "t12"."seen", "t12"."project", "t12"."environment", "t12"."p0", "t12"."d0", "t12"."w0",
"t12"."w1", "t12"."known", "t12"."anonymous", "t12"."scope", "t12"."place", "t12"."unit" AS "sent_as" FROM ( SELECT
"t7"."unit", "t7"."event_id", "t7"."event", "t7"."time", "t7"."seen", "t7"."project", "t7"."environment", "t7"."p0",
"t7"."d0", "t7"."w0", "t7"."w1", "t10"."known", "t10"."anonymous", "t10"."scope", "t10"."place" FROM ( SELECT
"t2"."unit", "t2"."event_id", "t2"."event", "t2"."time", GREATEST("t2"."time", COALESCE("t2"."received",
"t2"."time")) AS "seen", COALESCE("t2"."project", 'default') AS "project", COALESCE("t2"."environment", 'default')
AS "environment", "t2"."amount1" AS "p0", "t2"."distinct0" AS "d0", ( "t2"."event" = :event0 ) AND
COALESCE("t2"."where0" = TRUE, FALSE) AS "w0", ( "t2"."event" = :event1 ) AND COALESCE("t2"."where1" = TRUE, FALSE)
AS "w1" FROM "asked_events" AS "t2" WHERE "t2"."fault" IS NULL AND COALESCE("t2"."project", 'default') = :project
AND COALESCE("t2"."environment", 'default') = :environment AND "t2"."topic" = '_track' AND "t2"."type" = 'track' AND
"t2"."event" IN (:event0, :event1) ) AS "t7" LEFT OUTER JOIN ( SELECT "t8"."known", "t8"."unit" AS "anonymous",
"t8"."project" AS "scope", "t8"."environment" AS "place" FROM ( SELECT "t3"."unit", "t3"."known", "t3"."time",
"t3"."project", "t3"."environment", ROW_NUMBER() OVER ( PARTITION BY "t3"."unit", "t3"."project", "t3"."environment"
ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t1"."unit", "t1"."known", "t1"."time",
COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default') AS "environment" FROM
"asked_identities" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default') = :project AND
COALESCE("t1"."environment", 'default') = :environment AND "t1"."type" = 'identify' ) AS "t3" ) AS "t8" WHERE
"t8"."rank" = 0 ) AS "t10" ON "t7"."unit" = "t10"."anonymous" AND "t7"."project" = "t10"."scope" AND
"t7"."environment" = "t10"."place" ) AS "t12" ) AS "t13" ) AS "t14" ) AS "t15" WHERE "t15"."time" >= :since AND
"t15"."time" < :until_next ) AS "t18" INNER JOIN ( SELECT "t20"."unit", "t20"."first", "t20"."arm", "t20"."seen" AS
"entry", "t20"."project" AS "home", "t20"."environment" AS "place" FROM "t19" AS "t20" WHERE "t20"."first" >=
:begins AND "t20"."first" < :ends AND NOT ( "t20"."crossed" ) ) AS "t24" ON "t18"."unit" = "t24"."unit" ) AS "t25"
WHERE NOT ( "t25"."elsewhere" ) AND NOT ( "t25"."late" ) ) AS "t26" ) AS "t27" WHERE "t27"."rank" = 0 ) AS "t28" )
AS "t29" GROUP BY 1 ) AS "t31" ON "t23"."unit" = "t31"."unit" ) AS "t32" ) AS "t33" ) AS "t34" ) AS "t35" GROUP BY 1

-- look ratio-per-distinct
WITH "t19" AS ( SELECT "t16"."unit", MIN("t16"."arm") AS "arm", MIN("t16"."arm") <> MAX("t16"."arm") AS "crossed",
MIN("t16"."time") AS "first", MIN("t16"."seen") AS "seen", MIN("t16"."project") AS "project",
MIN("t16"."environment") AS "environment", ( MIN("t16"."environment") <> MAX("t16"."environment") ) OR (
MIN("t16"."project") <> MAX("t16"."project") ) AS "scattered", MIN("t16"."sent_as") <> MAX("t16"."sent_as") AS
"aliased", MIN("t16"."segment0") AS "segment0" FROM ( SELECT COALESCE("t11"."known", "t11"."unit") AS "unit",
"t11"."time", "t11"."seen", "t11"."project", "t11"."environment", "t11"."release", "t11"."arm", "t11"."segment0",
"t11"."unit" AS "sent_as" FROM ( SELECT "t6"."unit", "t6"."time", "t6"."seen", "t6"."project", "t6"."environment",
"t6"."release", "t6"."arm", "t6"."segment0", "t10"."known", "t10"."anonymous", "t10"."scope", "t10"."place" FROM (
SELECT "t0"."unit", "t0"."time", GREATEST("t0"."time", COALESCE("t0"."received", "t0"."time")) AS "seen",
COALESCE("t0"."project", 'default') AS "project", COALESCE("t0"."environment", 'default') AS "environment",
"t0"."release", "t0"."variant" AS "arm", COALESCE(ELEMENT_AT("t0"."properties", 'place'), NULL) AS "segment0" FROM
"asked_exposures" AS "t0" WHERE "t0"."fault" IS NULL AND COALESCE("t0"."project", 'default') = :project AND
COALESCE("t0"."environment", 'default') = :environment AND "t0"."topic" = :topic AND "t0"."type" = 'exposure' AND
"t0"."variant" IN ('compared', 'reached') AND ( ( ( "t0"."reason" = 'SPLIT' ) AND ( "t0"."rule" = :rule ) ) OR ( (
"t0"."reason" IS NULL ) AND ( "t0"."rule" IS NULL ) ) ) ) AS "t6" LEFT OUTER JOIN ( SELECT "t8"."known", "t8"."unit"
AS "anonymous", "t8"."project" AS "scope", "t8"."environment" AS "place" FROM ( SELECT "t3"."unit", "t3"."known",
"t3"."time", "t3"."project", "t3"."environment", ROW_NUMBER() OVER ( PARTITION BY "t3"."unit", "t3"."project",
"t3"."environment" ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t1"."unit",
"t1"."known", "t1"."time", COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default')
AS "environment" FROM "asked_identities" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default')
= :project AND COALESCE("t1"."environment", 'default') = :environment AND "t1"."type" = 'identify' ) AS "t3" ) AS
"t8" WHERE "t8"."rank" = 0 ) AS "t10" ON "t6"."unit" = "t10"."anonymous" AND "t6"."project" = "t10"."scope" AND
"t6"."environment" = "t10"."place" ) AS "t11" WHERE ( ( ( "t11"."arm" = 'reached' ) AND ( TRY_CAST("t11"."segment0"
AS BIGINT) >= :reached_low ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) < :reached_high ) ) OR ( ( "t11"."arm" =
'compared' ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) >= :compared_low ) AND ( TRY_CAST("t11"."segment0" AS
BIGINT) < :compared_high ) ) ) AND "t11"."time" >= :since AND "t11"."seen" < :until_next ) AS "t16" GROUP BY 1 )
SELECT "t35"."arm", COUNT(*) AS "n", SUM(IF("t35"."m0_value" IS NOT NULL, COALESCE("t35"."active0", 0), 0)) AS
"active0", SUM( IF(( "t35"."m0_value" IS NOT NULL ) AND ( "t35"."first" > "t35"."last0" ), 1, 0) ) AS "quiet0",
MAX("t35"."last0") AS "last0", COUNT("t35"."m0_value") AS "m0_n", AVG( IF( "t35"."m0_value" > CAST(:cap AS DOUBLE),
CAST(:cap AS DOUBLE), "t35"."m0_value" ) ) AS "m0_value_mean", AVG("t35"."m0_per") AS "m0_per_mean", AVG( IF(
"t35"."m0_value" > CAST(:cap AS DOUBLE), CAST(:cap AS DOUBLE), "t35"."m0_value" ) * IF( "t35"."m0_value" > CAST(:cap
AS DOUBLE), CAST(:cap AS DOUBLE), "t35"."m0_value" ) * IF( "t35"."m0_value" > CAST(:cap AS DOUBLE), CAST(:cap AS
DOUBLE), "t35"."m0_value" ) ) AS "m0_value_cubed", MAX("t35"."m0_value") AS "m0_value_largest",
SUM("t35"."m0_value") AS "m0_value_total", VARIANCE( IF( "t35"."m0_value" > CAST(:cap AS DOUBLE), CAST(:cap AS
DOUBLE), "t35"."m0_value" ) ) AS "m0_value_value", COVAR_SAMP( IF( "t35"."m0_value" > CAST(:cap AS DOUBLE),
CAST(:cap AS DOUBLE), "t35"."m0_value" ), "t35"."m0_per" ) AS "m0_value_per", VARIANCE("t35"."m0_per") AS
"m0_per_per" FROM ( SELECT "t34"."unit", "t34"."arm", "t34"."crossed", "t34"."first", "t34"."seen", "t34"."project",
"t34"."environment", "t34"."scattered", "t34"."aliased", "t34"."segment0", "t34"."active0", GREATEST( COALESCE(
MAX("t34"."last0") OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING), 0 ), :known ) AS "last0",
"t34"."m0_value", "t34"."m0_per" FROM ( SELECT "t33"."unit", "t33"."arm", "t33"."crossed", "t33"."first",
"t33"."seen", "t33"."project", "t33"."environment", "t33"."scattered", "t33"."aliased", "t33"."segment0",
"t33"."active0", "t33"."last0", IF( "t33"."first" <= :mature, COALESCE("t33"."m0_value", CAST(0.0 AS DOUBLE)), NULL
) AS "m0_value", IF("t33"."first" <= :mature, COALESCE("t33"."m0_per", CAST(0.0 AS DOUBLE)), NULL) AS "m0_per" FROM
( SELECT "t32"."unit", "t32"."arm", "t32"."crossed", "t32"."first", "t32"."seen", "t32"."project",
"t32"."environment", "t32"."scattered", "t32"."aliased", "t32"."segment0", "t32"."active0", "t32"."last0",
"t32"."m0_value", "t32"."m0_per" FROM ( SELECT "t23"."unit", "t23"."arm", "t23"."crossed", "t23"."first",
"t23"."seen", "t23"."project", "t23"."environment", "t23"."scattered", "t23"."aliased", "t23"."segment0",
"t31"."unit" AS "unit_right", "t31"."active0", "t31"."last0", "t31"."m0_value", "t31"."m0_per" FROM ( SELECT * FROM
"t19" AS "t20" WHERE "t20"."first" >= :begins AND "t20"."first" < :ends AND NOT ( "t20"."crossed" ) ) AS "t23" LEFT
OUTER JOIN ( SELECT "t29"."unit", MAX( IF( IF( ( "t29"."event" = :event0 ) AND "t29"."w0" AND ( ( "t29"."time" >= (
"t29"."first" + :delay ) ) AND ( "t29"."time" < ( "t29"."first" + :window ) ) ), "t29"."p0", NULL ) IS NOT NULL, 1,
0 ) ) AS "active0", MAX( IF( IF( ( "t29"."event" = :event0 ) AND "t29"."w0" AND ( ( "t29"."time" >= ( "t29"."first"
+ :delay ) ) AND ( "t29"."time" < ( "t29"."first" + :window ) ) ), "t29"."p0", NULL ) IS NOT NULL, "t29"."time",
NULL ) ) AS "last0", SUM( IF( ( "t29"."event" = :event0 ) AND "t29"."w0" AND ( ( "t29"."time" >= ( "t29"."first" +
:delay ) ) AND ( "t29"."time" < ( "t29"."first" + :window ) ) ), "t29"."p0", NULL ) ) AS "m0_value",
SUM("t29"."f_m0_per") AS "m0_per" FROM ( SELECT "t28"."unit", "t28"."event", "t28"."time", "t28"."seen",
"t28"."first", "t28"."arm", "t28"."entry", "t28"."p0", "t28"."d0", "t28"."w0", "t28"."w1", CAST(IF( ( "t28"."event"
= :event1 ) AND "t28"."w1" AND ( ( "t28"."time" >= ( "t28"."first" + :delay ) ) AND ( "t28"."time" < ( "t28"."first"
+ :window ) ) ) AND ( "t28"."d0" IS NOT NULL ) AND ( ( ROW_NUMBER() OVER ( PARTITION BY "t28"."unit", "t28"."d0", (
"t28"."event" = :event1 ) AND "t28"."w1" AND ( ( "t28"."time" >= ( "t28"."first" + :delay ) ) AND ( "t28"."time" < (
"t28"."first" + :window ) ) ) AND ( "t28"."d0" IS NOT NULL ) ORDER BY "t28"."seen" ASC, "t28"."time" ASC ) - 1 ) = 0
), 1, 0 ) AS DOUBLE) AS "f_m0_per" FROM ( SELECT "t27"."unit", "t27"."event", "t27"."time", "t27"."seen",
"t27"."first", "t27"."arm", "t27"."entry", IF( ABS(TRY_CAST("t27"."p0" AS DOUBLE)) <= CAST(1000000000000000.0 AS
DOUBLE), TRY_CAST("t27"."p0" AS DOUBLE), NULL ) AS "p0", "t27"."d0", "t27"."w0", "t27"."w1" FROM ( SELECT
"t26"."unit", "t26"."event", "t26"."time", "t26"."seen", "t26"."first", "t26"."arm", "t26"."entry",
"t26"."event_id", "t26"."p0", "t26"."d0", "t26"."w0", "t26"."w1", "t26"."elsewhere", "t26"."late", ROW_NUMBER() OVER
( PARTITION BY "t26"."unit", "t26"."event_id" ORDER BY "t26"."seen" ASC, "t26"."time" ASC, "t26"."event" ASC,
"t26"."p0" ASC, "t26"."d0" ASC, "t26"."w0" ASC, "t26"."w1" ASC ) - 1 AS "rank" FROM ( SELECT * FROM ( SELECT
"t18"."unit", "t18"."event", "t18"."time", "t18"."seen", "t24"."first", "t24"."arm", "t24"."entry",
"t18"."event_id", "t18"."p0", "t18"."d0", "t18"."w0", "t18"."w1", ( "t18"."project" <> "t24"."home" ) OR (
"t18"."environment" <> "t24"."place" ) AS "elsewhere", "t18"."seen" >= :until_next AS "late" FROM ( SELECT * FROM (
SELECT "t14"."unit", "t14"."event_id", "t14"."event", "t14"."time", "t14"."seen", "t14"."project",
"t14"."environment", "t14"."p0", "t14"."d0", "t14"."w0", "t14"."w1" FROM ( SELECT "t13"."unit", "t13"."event_id",
"t13"."event", "t13"."time", "t13"."seen", "t13"."project", "t13"."environment", "t13"."p0", "t13"."d0", "t13"."w0",
"t13"."w1", "t13"."sent_as" FROM ( SELECT COALESCE("t12"."known", "t12"."unit") AS "unit", "t12"."event_id",
"t12"."event", "t12"."time", "t12"."seen", "t12"."project", "t12"."environment", "t12"."p0", "t12"."d0", "t12"."w0",
"t12"."w1", "t12"."known", "t12"."anonymous", "t12"."scope", "t12"."place", "t12"."unit" AS "sent_as" FROM ( SELECT
"t7"."unit", "t7"."event_id", "t7"."event", "t7"."time", "t7"."seen", "t7"."project", "t7"."environment", "t7"."p0",
"t7"."d0", "t7"."w0", "t7"."w1", "t10"."known", "t10"."anonymous", "t10"."scope", "t10"."place" FROM ( SELECT
"t2"."unit", "t2"."event_id", "t2"."event", "t2"."time", GREATEST("t2"."time", COALESCE("t2"."received",
"t2"."time")) AS "seen", COALESCE("t2"."project", 'default') AS "project", COALESCE("t2"."environment", 'default')
AS "environment", "t2"."amount0" AS "p0", "t2"."distinct1" AS "d0", ( "t2"."event" = :event0 ) AND
COALESCE("t2"."where0" = TRUE, FALSE) AS "w0", ( "t2"."event" = :event1 ) AND COALESCE("t2"."where1" = TRUE, FALSE)
AS "w1" FROM "asked_events" AS "t2" WHERE "t2"."fault" IS NULL AND COALESCE("t2"."project", 'default') = :project
AND COALESCE("t2"."environment", 'default') = :environment AND "t2"."topic" = '_track' AND "t2"."type" = 'track' AND
"t2"."event" IN (:event0, :event1) ) AS "t7" LEFT OUTER JOIN ( SELECT "t8"."known", "t8"."unit" AS "anonymous",
"t8"."project" AS "scope", "t8"."environment" AS "place" FROM ( SELECT "t3"."unit", "t3"."known", "t3"."time",
"t3"."project", "t3"."environment", ROW_NUMBER() OVER ( PARTITION BY "t3"."unit", "t3"."project", "t3"."environment"
ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t1"."unit", "t1"."known", "t1"."time",
COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default') AS "environment" FROM
"asked_identities" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default') = :project AND
COALESCE("t1"."environment", 'default') = :environment AND "t1"."type" = 'identify' ) AS "t3" ) AS "t8" WHERE
"t8"."rank" = 0 ) AS "t10" ON "t7"."unit" = "t10"."anonymous" AND "t7"."project" = "t10"."scope" AND
"t7"."environment" = "t10"."place" ) AS "t12" ) AS "t13" ) AS "t14" ) AS "t15" WHERE "t15"."time" >= :since AND
"t15"."time" < :until_next ) AS "t18" INNER JOIN ( SELECT "t20"."unit", "t20"."first", "t20"."arm", "t20"."seen" AS
"entry", "t20"."project" AS "home", "t20"."environment" AS "place" FROM "t19" AS "t20" WHERE "t20"."first" >=
:begins AND "t20"."first" < :ends AND NOT ( "t20"."crossed" ) ) AS "t24" ON "t18"."unit" = "t24"."unit" ) AS "t25"
WHERE NOT ( "t25"."elsewhere" ) AND NOT ( "t25"."late" ) ) AS "t26" ) AS "t27" WHERE "t27"."rank" = 0 ) AS "t28" )
AS "t29" GROUP BY 1 ) AS "t31" ON "t23"."unit" = "t31"."unit" ) AS "t32" ) AS "t33" ) AS "t34" ) AS "t35" GROUP BY 1

-- look ratio-distinct-per-distinct
WITH "t19" AS ( SELECT "t16"."unit", MIN("t16"."arm") AS "arm", MIN("t16"."arm") <> MAX("t16"."arm") AS "crossed",
MIN("t16"."time") AS "first", MIN("t16"."seen") AS "seen", MIN("t16"."project") AS "project",
MIN("t16"."environment") AS "environment", ( MIN("t16"."environment") <> MAX("t16"."environment") ) OR (
MIN("t16"."project") <> MAX("t16"."project") ) AS "scattered", MIN("t16"."sent_as") <> MAX("t16"."sent_as") AS
"aliased", MIN("t16"."segment0") AS "segment0" FROM ( SELECT COALESCE("t11"."known", "t11"."unit") AS "unit",
"t11"."time", "t11"."seen", "t11"."project", "t11"."environment", "t11"."release", "t11"."arm", "t11"."segment0",
"t11"."unit" AS "sent_as" FROM ( SELECT "t6"."unit", "t6"."time", "t6"."seen", "t6"."project", "t6"."environment",
"t6"."release", "t6"."arm", "t6"."segment0", "t10"."known", "t10"."anonymous", "t10"."scope", "t10"."place" FROM (
SELECT "t0"."unit", "t0"."time", GREATEST("t0"."time", COALESCE("t0"."received", "t0"."time")) AS "seen",
COALESCE("t0"."project", 'default') AS "project", COALESCE("t0"."environment", 'default') AS "environment",
"t0"."release", "t0"."variant" AS "arm", COALESCE(ELEMENT_AT("t0"."properties", 'place'), NULL) AS "segment0" FROM
"asked_exposures" AS "t0" WHERE "t0"."fault" IS NULL AND COALESCE("t0"."project", 'default') = :project AND
COALESCE("t0"."environment", 'default') = :environment AND "t0"."topic" = :topic AND "t0"."type" = 'exposure' AND
"t0"."variant" IN ('compared', 'reached') AND ( ( ( "t0"."reason" = 'SPLIT' ) AND ( "t0"."rule" = :rule ) ) OR ( (
"t0"."reason" IS NULL ) AND ( "t0"."rule" IS NULL ) ) ) ) AS "t6" LEFT OUTER JOIN ( SELECT "t8"."known", "t8"."unit"
AS "anonymous", "t8"."project" AS "scope", "t8"."environment" AS "place" FROM ( SELECT "t3"."unit", "t3"."known",
"t3"."time", "t3"."project", "t3"."environment", ROW_NUMBER() OVER ( PARTITION BY "t3"."unit", "t3"."project",
"t3"."environment" ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t1"."unit",
"t1"."known", "t1"."time", COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default')
AS "environment" FROM "asked_identities" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default')
= :project AND COALESCE("t1"."environment", 'default') = :environment AND "t1"."type" = 'identify' ) AS "t3" ) AS
"t8" WHERE "t8"."rank" = 0 ) AS "t10" ON "t6"."unit" = "t10"."anonymous" AND "t6"."project" = "t10"."scope" AND
"t6"."environment" = "t10"."place" ) AS "t11" WHERE ( ( ( "t11"."arm" = 'reached' ) AND ( TRY_CAST("t11"."segment0"
AS BIGINT) >= :reached_low ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) < :reached_high ) ) OR ( ( "t11"."arm" =
'compared' ) AND ( TRY_CAST("t11"."segment0" AS BIGINT) >= :compared_low ) AND ( TRY_CAST("t11"."segment0" AS
BIGINT) < :compared_high ) ) ) AND "t11"."time" >= :since AND "t11"."seen" < :until_next ) AS "t16" GROUP BY 1 )
SELECT "t35"."arm", COUNT(*) AS "n", SUM(IF("t35"."m0_value" IS NOT NULL, COALESCE("t35"."active0", 0), 0)) AS
"active0", SUM( IF(( "t35"."m0_value" IS NOT NULL ) AND ( "t35"."first" > "t35"."last0" ), 1, 0) ) AS "quiet0",
MAX("t35"."last0") AS "last0", COUNT("t35"."m0_value") AS "m0_n", AVG( IF( "t35"."m0_value" > CAST(:cap AS DOUBLE),
CAST(:cap AS DOUBLE), "t35"."m0_value" ) ) AS "m0_value_mean", AVG("t35"."m0_per") AS "m0_per_mean", AVG( IF(
"t35"."m0_value" > CAST(:cap AS DOUBLE), CAST(:cap AS DOUBLE), "t35"."m0_value" ) * IF( "t35"."m0_value" > CAST(:cap
AS DOUBLE), CAST(:cap AS DOUBLE), "t35"."m0_value" ) * IF( "t35"."m0_value" > CAST(:cap AS DOUBLE), CAST(:cap AS
DOUBLE), "t35"."m0_value" ) ) AS "m0_value_cubed", MAX("t35"."m0_value") AS "m0_value_largest",
SUM("t35"."m0_value") AS "m0_value_total", VARIANCE( IF( "t35"."m0_value" > CAST(:cap AS DOUBLE), CAST(:cap AS
DOUBLE), "t35"."m0_value" ) ) AS "m0_value_value", COVAR_SAMP( IF( "t35"."m0_value" > CAST(:cap AS DOUBLE),
CAST(:cap AS DOUBLE), "t35"."m0_value" ), "t35"."m0_per" ) AS "m0_value_per", VARIANCE("t35"."m0_per") AS
"m0_per_per" FROM ( SELECT "t34"."unit", "t34"."arm", "t34"."crossed", "t34"."first", "t34"."seen", "t34"."project",
"t34"."environment", "t34"."scattered", "t34"."aliased", "t34"."segment0", "t34"."active0", GREATEST( COALESCE(
MAX("t34"."last0") OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING), 0 ), :known ) AS "last0",
"t34"."m0_value", "t34"."m0_per" FROM ( SELECT "t33"."unit", "t33"."arm", "t33"."crossed", "t33"."first",
"t33"."seen", "t33"."project", "t33"."environment", "t33"."scattered", "t33"."aliased", "t33"."segment0",
"t33"."active0", "t33"."last0", IF( "t33"."first" <= :mature, COALESCE("t33"."m0_value", CAST(0.0 AS DOUBLE)), NULL
) AS "m0_value", IF("t33"."first" <= :mature, COALESCE("t33"."m0_per", CAST(0.0 AS DOUBLE)), NULL) AS "m0_per" FROM
( SELECT "t32"."unit", "t32"."arm", "t32"."crossed", "t32"."first", "t32"."seen", "t32"."project",
"t32"."environment", "t32"."scattered", "t32"."aliased", "t32"."segment0", "t32"."active0", "t32"."last0",
"t32"."m0_value", "t32"."m0_per" FROM ( SELECT "t23"."unit", "t23"."arm", "t23"."crossed", "t23"."first",
"t23"."seen", "t23"."project", "t23"."environment", "t23"."scattered", "t23"."aliased", "t23"."segment0",
"t31"."unit" AS "unit_right", "t31"."active0", "t31"."last0", "t31"."m0_value", "t31"."m0_per" FROM ( SELECT * FROM
"t19" AS "t20" WHERE "t20"."first" >= :begins AND "t20"."first" < :ends AND NOT ( "t20"."crossed" ) ) AS "t23" LEFT
OUTER JOIN ( SELECT "t29"."unit", MAX(IF("t29"."f_m0_value" > 0, 1, 0)) AS "active0", MAX(IF("t29"."f_m0_value" > 0,
"t29"."time", NULL)) AS "last0", SUM("t29"."f_m0_value") AS "m0_value", SUM("t29"."f_m0_per") AS "m0_per" FROM (
SELECT "t28"."unit", "t28"."event", "t28"."time", "t28"."seen", "t28"."first", "t28"."arm", "t28"."entry",
"t28"."d0", "t28"."d1", "t28"."w0", "t28"."w1", CAST(IF( ( "t28"."event" = :event0 ) AND "t28"."w0" AND ( (
"t28"."time" >= ( "t28"."first" + :delay ) ) AND ( "t28"."time" < ( "t28"."first" + :window ) ) ) AND ( "t28"."d0"
IS NOT NULL ) AND ( ( ROW_NUMBER() OVER ( PARTITION BY "t28"."unit", "t28"."d0", ( "t28"."event" = :event0 ) AND
"t28"."w0" AND ( ( "t28"."time" >= ( "t28"."first" + :delay ) ) AND ( "t28"."time" < ( "t28"."first" + :window ) ) )
AND ( "t28"."d0" IS NOT NULL ) ORDER BY "t28"."seen" ASC, "t28"."time" ASC ) - 1 ) = 0 ), 1, 0 ) AS DOUBLE) AS
"f_m0_value", CAST(IF( ( "t28"."event" = :event1 ) AND "t28"."w1" AND ( ( "t28"."time" >= ( "t28"."first" + :delay )
) AND ( "t28"."time" < ( "t28"."first" + :window ) ) ) AND ( "t28"."d1" IS NOT NULL ) AND ( ( ROW_NUMBER() OVER (
PARTITION BY "t28"."unit", "t28"."d1", ( "t28"."event" = :event1 ) AND "t28"."w1" AND ( ( "t28"."time" >= (
"t28"."first" + :delay ) ) AND ( "t28"."time" < ( "t28"."first" + :window ) ) ) AND ( "t28"."d1" IS NOT NULL ) ORDER
BY "t28"."seen" ASC, "t28"."time" ASC ) - 1 ) = 0 ), 1, 0 ) AS DOUBLE) AS "f_m0_per" FROM ( SELECT "t27"."unit",
"t27"."event", "t27"."time", "t27"."seen", "t27"."first", "t27"."arm", "t27"."entry", "t27"."d0", "t27"."d1",
"t27"."w0", "t27"."w1" FROM ( SELECT "t26"."unit", "t26"."event", "t26"."time", "t26"."seen", "t26"."first",
"t26"."arm", "t26"."entry", "t26"."event_id", "t26"."d0", "t26"."d1", "t26"."w0", "t26"."w1", "t26"."elsewhere",
"t26"."late", ROW_NUMBER() OVER ( PARTITION BY "t26"."unit", "t26"."event_id" ORDER BY "t26"."seen" ASC,
"t26"."time" ASC, "t26"."event" ASC, "t26"."d0" ASC, "t26"."d1" ASC, "t26"."w0" ASC, "t26"."w1" ASC ) - 1 AS "rank"
FROM ( SELECT * FROM ( SELECT "t18"."unit", "t18"."event", "t18"."time", "t18"."seen", "t24"."first", "t24"."arm",
"t24"."entry", "t18"."event_id", "t18"."d0", "t18"."d1", "t18"."w0", "t18"."w1", ( "t18"."project" <> "t24"."home" )
OR ( "t18"."environment" <> "t24"."place" ) AS "elsewhere", "t18"."seen" >= :until_next AS "late" FROM ( SELECT *
FROM ( SELECT "t14"."unit", "t14"."event_id", "t14"."event", "t14"."time", "t14"."seen", "t14"."project",
"t14"."environment", "t14"."d0", "t14"."d1", "t14"."w0", "t14"."w1" FROM ( SELECT "t13"."unit", "t13"."event_id",
"t13"."event", "t13"."time", "t13"."seen", "t13"."project", "t13"."environment", "t13"."d0", "t13"."d1", "t13"."w0",
"t13"."w1", "t13"."sent_as" FROM ( SELECT COALESCE("t12"."known", "t12"."unit") AS "unit", "t12"."event_id",
"t12"."event", "t12"."time", "t12"."seen", "t12"."project", "t12"."environment", "t12"."d0", "t12"."d1", "t12"."w0",
"t12"."w1", "t12"."known", "t12"."anonymous", "t12"."scope", "t12"."place", "t12"."unit" AS "sent_as" FROM ( SELECT
"t7"."unit", "t7"."event_id", "t7"."event", "t7"."time", "t7"."seen", "t7"."project", "t7"."environment", "t7"."d0",
"t7"."d1", "t7"."w0", "t7"."w1", "t10"."known", "t10"."anonymous", "t10"."scope", "t10"."place" FROM ( SELECT
"t2"."unit", "t2"."event_id", "t2"."event", "t2"."time", GREATEST("t2"."time", COALESCE("t2"."received",
"t2"."time")) AS "seen", COALESCE("t2"."project", 'default') AS "project", COALESCE("t2"."environment", 'default')
AS "environment", "t2"."distinct0" AS "d0", "t2"."distinct1" AS "d1", ( "t2"."event" = :event0 ) AND
COALESCE("t2"."where0" = TRUE, FALSE) AS "w0", ( "t2"."event" = :event1 ) AND COALESCE("t2"."where1" = TRUE, FALSE)
AS "w1" FROM "asked_events" AS "t2" WHERE "t2"."fault" IS NULL AND COALESCE("t2"."project", 'default') = :project
AND COALESCE("t2"."environment", 'default') = :environment AND "t2"."topic" = '_track' AND "t2"."type" = 'track' AND
"t2"."event" IN (:event0, :event1) ) AS "t7" LEFT OUTER JOIN ( SELECT "t8"."known", "t8"."unit" AS "anonymous",
"t8"."project" AS "scope", "t8"."environment" AS "place" FROM ( SELECT "t3"."unit", "t3"."known", "t3"."time",
"t3"."project", "t3"."environment", ROW_NUMBER() OVER ( PARTITION BY "t3"."unit", "t3"."project", "t3"."environment"
ORDER BY "t3"."time" ASC, "t3"."known" ASC ) - 1 AS "rank" FROM ( SELECT "t1"."unit", "t1"."known", "t1"."time",
COALESCE("t1"."project", 'default') AS "project", COALESCE("t1"."environment", 'default') AS "environment" FROM
"asked_identities" AS "t1" WHERE "t1"."fault" IS NULL AND COALESCE("t1"."project", 'default') = :project AND
COALESCE("t1"."environment", 'default') = :environment AND "t1"."type" = 'identify' ) AS "t3" ) AS "t8" WHERE
"t8"."rank" = 0 ) AS "t10" ON "t7"."unit" = "t10"."anonymous" AND "t7"."project" = "t10"."scope" AND
"t7"."environment" = "t10"."place" ) AS "t12" ) AS "t13" ) AS "t14" ) AS "t15" WHERE "t15"."time" >= :since AND
"t15"."time" < :until_next ) AS "t18" INNER JOIN ( SELECT "t20"."unit", "t20"."first", "t20"."arm", "t20"."seen" AS
"entry", "t20"."project" AS "home", "t20"."environment" AS "place" FROM "t19" AS "t20" WHERE "t20"."first" >=
:begins AND "t20"."first" < :ends AND NOT ( "t20"."crossed" ) ) AS "t24" ON "t18"."unit" = "t24"."unit" ) AS "t25"
WHERE NOT ( "t25"."elsewhere" ) AND NOT ( "t25"."late" ) ) AS "t26" ) AS "t27" WHERE "t27"."rank" = 0 ) AS "t28" )
AS "t29" GROUP BY 1 ) AS "t31" ON "t23"."unit" = "t31"."unit" ) AS "t32" ) AS "t33" ) AS "t34" ) AS "t35" GROUP BY 1
