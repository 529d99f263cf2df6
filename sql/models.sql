-- Models as foreign servers: loading, describing, pinning, privileges, errors.
-- Errors are shown by their SQLSTATE, and by their text where that holds no path.
\getenv golden TFM_GOLDEN
\set mean :golden '/sentence/mean'
\set cls :golden '/sentence/cls'
\set no_config :golden '/sentence'
SET client_min_messages = warning;

SELECT tfm_load_model('tiny', :'mean');
COMMENT ON SERVER tiny IS 'a tiny one';
\x
SELECT name, family, model_type, architecture, task, parameters, dimensions, max_tokens, dtype,
	path = :'mean' AS path, content ~ '^[0-9a-f]{64}$' AS content, image_bytes > parameters * 4 AS image_bytes,
	memory_bytes > max_tokens * dimensions * 4 AS memory_bytes, compile_seconds > 0 AS compile_seconds, state, error, owner = current_user AS owner, comment
FROM tfm_models;
\x
SELECT tfm_count_tokens('tiny', 'hello') > 0 AS works;

-- CREATE SERVER is the same; the content is pinned by an event trigger.
CREATE SERVER created FOREIGN DATA WRAPPER tfm OPTIONS (path :'mean', dtype 'f32');
SELECT a.content = b.content AS same FROM tfm_models a, tfm_models b WHERE a.name = 'tiny' AND b.name = 'created';
SELECT tfm_refresh_model('created');
-- Another path does not change what the name stands for.
ALTER SERVER created OPTIONS (SET path :'cls');
SELECT state, error FROM tfm_models WHERE name = 'created';
\set VERBOSITY terse
SELECT tfm_tokenize('created', 'hello');
SELECT tfm_refresh_model('created');
SELECT state, error FROM tfm_models WHERE name = 'created';
SELECT tfm_count_tokens('created', 'hello') > 0 AS works;
ALTER SERVER created OPTIONS (SET path :'mean', DROP content);
SELECT a.content = b.content AS same FROM tfm_models a, tfm_models b WHERE a.name = 'tiny' AND b.name = 'created';
ALTER SERVER created RENAME TO renamed;
SELECT tfm_count_tokens('renamed', 'hello') > 0 AS works;
SELECT tfm_tokenize('created', 'hello');

-- A server that no event trigger has pinned is not used until it is.
ALTER EVENT TRIGGER tfm_pin DISABLE;
CREATE SERVER unpinned FOREIGN DATA WRAPPER tfm OPTIONS (path :'mean');
ALTER EVENT TRIGGER tfm_pin ENABLE;
SELECT state, error FROM tfm_models WHERE name = 'unpinned';
SELECT tfm_tokenize('unpinned', 'hello');
SELECT tfm_refresh_model('unpinned');
SELECT tfm_count_tokens('unpinned', 'hello') > 0 AS works;

-- Replacing and dropping.
SELECT tfm_load_model('tiny', :'cls');
SELECT tfm_load_model('tiny', :'cls', replace => true);
SELECT path = :'cls' AS replaced FROM tfm_models WHERE name = 'tiny';
SELECT tfm_load_model('tiny', :'mean', dtype => 'f32', replace => true);
SELECT tfm_drop_model('unpinned');
SELECT tfm_drop_model('unpinned');
SET client_min_messages = notice;
SELECT tfm_drop_model('unpinned', if_exists => true);
SET client_min_messages = warning;
SELECT tfm_load_model('Odd "name"', :'mean');
SELECT tfm_count_tokens('Odd "name"', 'hello') > 0 AS works;
SELECT tfm_drop_model('Odd "name"');

-- What happens in a transaction happens whole or not at all.
BEGIN;
SELECT tfm_load_model('passing', :'mean');
SELECT tfm_count_tokens('passing', 'hello') > 0 AS works;
ROLLBACK;
SELECT tfm_count_tokens('passing', 'hello') > 0 AS works;
DO $$ BEGIN
	PERFORM tfm_load_model('passing', (SELECT path FROM tfm_models WHERE name = 'tiny'));
	PERFORM tfm_tokenize('passing', 'hello');
	PERFORM tfm_drop_model('passing');
	PERFORM tfm_tokenize('passing', 'hello');
END $$;

-- Names that are not registered: ids under tfm.model_path, directories, and mistakes.
\set VERBOSITY default
SELECT tfm_tokenize('tinny', 'hello');
SELECT tfm_tokenize('org/name', 'hello');
SELECT tfm_tokenize('../sentence/mean', 'hello');
SELECT tfm_tokenize('', 'hello');
SELECT tfm_tokenize('hello');
SET tfm.embed_model = 'tinnier';
SELECT tfm_tokenize('hello');
SET tfm.embed_model = 'tiny';
SELECT tfm_tokenize('hello') = tfm_tokenize('tiny', 'hello') AS same;
SET tfm.model_path = :'golden';
SELECT tfm_tokenize('sentence/mean', 'hello') = tfm_tokenize('tiny', 'hello') AS same;
SELECT tfm_tokenize('sentence/none', 'hello');
CREATE SERVER by_id FOREIGN DATA WRAPPER tfm OPTIONS (path 'sentence/mean');
SELECT tfm_tokenize('by_id', 'hello') = tfm_tokenize('tiny', 'hello') AS same;
RESET tfm.model_path;
SELECT tfm_tokenize('by_id', 'hello') = tfm_tokenize('tiny', 'hello') AS same_by_image;
SELECT tfm_load_model('other', 'sentence/mean');
SELECT tfm_tokenize(:'mean', 'hello') = tfm_tokenize('tiny', 'hello') AS same;
SELECT tfm_tokenize('/nonexistent', 'hello');

-- Options.
CREATE SERVER bad FOREIGN DATA WRAPPER tfm;
CREATE SERVER bad FOREIGN DATA WRAPPER tfm OPTIONS (path 'a/../b');
CREATE SERVER bad FOREIGN DATA WRAPPER tfm OPTIONS (path 'org/name');
CREATE SERVER bad FOREIGN DATA WRAPPER tfm OPTIONS (path '/nonexistent');
CREATE SERVER bad FOREIGN DATA WRAPPER tfm OPTIONS (path '/nonexistent', content 'abc');
CREATE SERVER bad FOREIGN DATA WRAPPER tfm OPTIONS (path '/nonexistent', dtyp 'f32');
CREATE FOREIGN TABLE bad () SERVER tiny;
CREATE USER MAPPING FOR CURRENT_USER SERVER tiny OPTIONS (password 'x');
IMPORT FOREIGN SCHEMA s FROM SERVER tiny INTO public;
SELECT tfm_load_model('', :'mean');
SELECT tfm_load_model(repeat('x', 64), :'mean');
SELECT tfm_load_model(NULL, :'mean');
SELECT tfm_refresh_model('none');
\set VERBOSITY sqlstate
SELECT tfm_load_model('bad', :'no_config');
SELECT tfm_tokenize(:'no_config', 'hello');
SELECT count(*) FROM pg_foreign_server WHERE srvname = 'bad';

-- Servers of other wrappers are no models.
\set VERBOSITY terse
CREATE FOREIGN DATA WRAPPER regress_other;
CREATE SERVER foreigner FOREIGN DATA WRAPPER regress_other;
SELECT tfm_tokenize('foreigner', 'hello');
SELECT tfm_load_model('foreigner', :'mean', replace => true);
SELECT tfm_drop_model('foreigner');
SELECT tfm_refresh_model('foreigner');
SELECT count(*) FROM tfm_models WHERE name = 'foreigner';
DROP FOREIGN DATA WRAPPER regress_other CASCADE;

-- Privileges.
\set VERBOSITY default
CREATE ROLE regress_tfm_user;
CREATE ROLE regress_tfm_loader IN ROLE pg_read_server_files;
SET ROLE regress_tfm_user;
SELECT count(*) FROM tfm_models;
SELECT tfm_tokenize('tiny', 'hello');
SELECT tfm_tokenize('/nonexistent', 'hello');
SELECT tfm_load_model('mine', '/nonexistent');
SELECT tfm_refresh_model('tiny');
SELECT tfm_drop_model('tiny');
SELECT tfm_prune_images();
CREATE SERVER mine FOREIGN DATA WRAPPER tfm OPTIONS (path '/nonexistent');
SET tfm.model_path = '/';
SET tfm.max_memory = 0;
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER tiny TO regress_tfm_user;
SET ROLE regress_tfm_user;
SELECT tfm_count_tokens('tiny', 'hello') > 0 AS works;
SELECT name, state FROM tfm_models;
ALTER SERVER tiny OPTIONS (SET path '/nonexistent');
RESET ROLE;
REVOKE USAGE ON FOREIGN SERVER tiny FROM regress_tfm_user;
SET ROLE regress_tfm_user;
SELECT tfm_tokenize('tiny', 'hello');
RESET ROLE;
-- The same statement as two users.
DO $$ BEGIN
	PERFORM tfm_tokenize('tiny', 'hello');
	SET LOCAL ROLE regress_tfm_user;
	PERFORM tfm_tokenize('tiny', 'hello');
END $$;
GRANT USAGE ON FOREIGN DATA WRAPPER tfm TO regress_tfm_loader, regress_tfm_user;
SET ROLE regress_tfm_loader;
SELECT tfm_load_model('loaded', :'mean');
SELECT tfm_count_tokens('loaded', 'hello') > 0 AS works;
SELECT tfm_count_tokens(:'mean', 'hello') > 0 AS works;
SELECT tfm_refresh_model('loaded');
SELECT tfm_refresh_model('tiny');
SELECT tfm_load_model('tiny', :'mean', replace => true);
RESET ROLE;
-- An owner who may not read files may use and drop his model, but not direct it elsewhere.
ALTER SERVER loaded OWNER TO regress_tfm_user;
SET ROLE regress_tfm_user;
SELECT tfm_count_tokens('loaded', 'hello') > 0 AS works;
ALTER SERVER loaded OPTIONS (SET path '/nonexistent');
SELECT tfm_drop_model('loaded');
RESET ROLE;
DROP OWNED BY regress_tfm_user, regress_tfm_loader;
DROP ROLE regress_tfm_user, regress_tfm_loader;

-- Settings.
SHOW tfm.max_memory;
SHOW tfm.threads;
SET tfm.threads = -1;
SET tfm.no_such_setting = 1;
SET tfm.max_memory = '100kB';
\set VERBOSITY sqlstate
SELECT tfm_tokenize('tiny', repeat('hello ', 100000));
\set VERBOSITY default
RESET tfm.max_memory;

-- With shared images gone, each is made again where it is needed.
SELECT tfm_prune_images('-1 hour') >= 0 AS pruned;
SELECT name, state FROM tfm_models ORDER BY name;

-- Every object is described.
SELECT d.classid::regclass, pg_describe_object(d.classid, d.objid, 0)
FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
WHERE e.extname = 'tfm' AND d.deptype = 'e'
	AND d.classid IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_foreign_data_wrapper'::regclass,
		'pg_event_trigger'::regclass, 'pg_operator'::regclass)
	AND obj_description(d.objid, d.classid::regclass::name) IS NULL
ORDER BY 2;

SELECT tfm_drop_model(name::text) FROM tfm_models;

-- What is near to a name that is not known.
CREATE FUNCTION refusal(config text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE message text; hint text;
BEGIN
	PERFORM tfm_import_model('near', ARRAY['config.json'], ARRAY[config::bytea]);
	RETURN 'accepted';
EXCEPTION WHEN feature_not_supported THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	RETURN message || E'\n' || hint;
END $$;
\pset format unaligned
SELECT refusal('{"model_type": "dbrx2"}');
SELECT refusal('{"model_type": "none like it"}');
SELECT refusal('{"model_type": "my_own", "architectures": ["BioGptForCausalLM"]}');
SELECT refusal('{"model_type": "biogpt", "architectures": ["BioGptForImages"]}');
\pset format aligned
