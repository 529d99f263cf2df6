-- Every function, type, view and operator class of the extension says what it is for.
SELECT pg_describe_object(d.classid, d.objid, 0) AS "without a comment"
FROM pg_depend d
WHERE d.refclassid = 'pg_extension'::regclass
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'tfm')
  AND d.deptype = 'e'
  AND d.classid IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_type'::regclass, 'pg_operator'::regclass,
	'pg_foreign_data_wrapper'::regclass)
  AND NOT (d.classid = 'pg_type'::regclass
	AND EXISTS (SELECT FROM pg_type t WHERE t.oid = d.objid AND (t.typelem <> 0 OR t.typrelid <> 0)))
  AND coalesce(obj_description(d.objid, d.classid::regclass::name), '') = ''
ORDER BY 1;

-- Everything can run in a parallel worker, unless it changes what others see.
SELECT p.oid::regprocedure AS "not parallel safe"
FROM pg_depend d JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
WHERE d.refclassid = 'pg_extension'::regclass
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'tfm')
  AND d.deptype = 'e' AND p.proparallel <> 's' AND p.provolatile <> 'v'
ORDER BY 1;

-- Each name says whose it is.
SELECT p.oid::regprocedure AS "not named tfm_"
FROM pg_depend d JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
WHERE d.refclassid = 'pg_extension'::regclass
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'tfm')
  AND d.deptype = 'e' AND p.proname !~ '^tfm_' AND p.proname NOT IN ('avg', 'sum')
ORDER BY 1;
