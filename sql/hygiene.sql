-- What the extension's objects may do, and who may use them, as the catalogs have it.
CREATE VIEW member AS
	SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
	WHERE e.extname = 'tfm' AND d.deptype = 'e';
CREATE VIEW member_function AS
	SELECT p.*, p.oid::regprocedure AS function FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid;

-- No function has the privileges of its owner, and none has a body whose names a search_path decides.
SELECT function FROM member_function WHERE prosecdef;
SELECT function FROM member_function JOIN pg_language l ON l.oid = prolang
WHERE lanname NOT IN ('c', 'internal') AND prokind <> 'a' AND prosqlbody IS NULL
	AND NOT coalesce(proconfig, '{}') && ARRAY['search_path=pg_catalog, pg_temp', 'search_path=""'];

-- What must not be given to everybody: whatever is volatile and is not in this list has to be thought about.  It
-- checks privileges itself, tells what everybody may know, or does something only where PostgreSQL calls it.
SELECT function FROM member_function
WHERE provolatile = 'v' AND has_function_privilege('public', oid, 'EXECUTE')
ORDER BY function::text COLLATE "C";
SELECT function FROM member_function WHERE NOT has_function_privilege('public', oid, 'EXECUTE')
ORDER BY function::text COLLATE "C";

-- What depends on settings is not immutable, and what changes something is not run by parallel workers.
SELECT function FROM member_function
WHERE provolatile = 'i' AND (prosrc ~ '_default$' OR proname IN ('tfm_embed', 'tfm_generate', 'tfm_tokenize') AND proargnames[1] <> 'model');
SELECT function FROM member_function WHERE provolatile = 'v' AND proparallel = 's';
-- A function that is given the model is immutable or stable, so that plans know what to do with it.
SELECT function FROM member_function WHERE provolatile = 'v' AND proargnames[1] = 'model' AND proretset;

-- Tables are the owner's; views can be read by all, and nothing more.
SELECT c.oid::regclass AS relation, c.relkind, a.privilege_type
FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
	CROSS JOIN aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
WHERE a.grantee = 0 AND NOT (c.relkind = 'v' AND a.privilege_type = 'SELECT');
-- Views over tables do not let functions of a query see rows that they leave out.
SELECT DISTINCT c.oid::regclass AS view
FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND m.objid = c.oid AND c.relkind = 'v'
	JOIN pg_rewrite r ON r.ev_class = c.oid
	JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
	JOIN pg_class t ON t.oid = d.refobjid AND t.relkind = 'r' AND t.relnamespace <> 'pg_catalog'::regnamespace
WHERE NOT coalesce('security_barrier=true' = ANY (c.reloptions), false) AND NOT 'security_barrier' = ANY (coalesce(c.reloptions, '{}'));
-- A type that is only a name for another's bytes would let one be forged from the other.
SELECT pg_describe_object(m.classid, m.objid, 0) FROM member m JOIN pg_cast c ON m.classid = 'pg_cast'::regclass AND m.objid = c.oid
WHERE c.castmethod <> 'f';

-- The wrapper is nobody's until it is granted.
SELECT has_foreign_data_wrapper_privilege('public', 'tfm', 'USAGE') AS usable;

DROP VIEW member_function, member;
