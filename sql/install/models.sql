-- Models are foreign servers of the wrapper tfm.

CREATE FUNCTION tfm_fdw_handler() RETURNS fdw_handler
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION tfm_fdw_handler() IS 'handler of the foreign-data wrapper tfm, whose servers are models';

CREATE FUNCTION tfm_fdw_validator(text[], oid) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION tfm_fdw_validator(text[], oid) IS 'checks the options of a model';

CREATE FOREIGN DATA WRAPPER tfm HANDLER tfm_fdw_handler VALIDATOR tfm_fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER tfm IS 'each server is a model';

CREATE FUNCTION tfm_pin() RETURNS event_trigger
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION tfm_pin() IS 'pins a model that CREATE SERVER has made to the content of its checkpoint';

CREATE EVENT TRIGGER tfm_pin ON ddl_command_end
	WHEN TAG IN ('CREATE SERVER', 'ALTER SERVER') EXECUTE FUNCTION tfm_pin();
COMMENT ON EVENT TRIGGER tfm_pin IS 'pins a model that CREATE SERVER has made to the content of its checkpoint';

-- Has the library loaded, which removes the images that only this database uses when the extension is
-- dropped; it runs before these commands, since a trigger after them would be dropped too.
CREATE FUNCTION tfm_watch_drops() RETURNS event_trigger
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION tfm_watch_drops() IS 'sees to it that dropping the extension removes its files';

CREATE EVENT TRIGGER tfm_watch_drops ON ddl_command_start
	WHEN TAG IN ('DROP EXTENSION', 'DROP OWNED', 'DROP SCHEMA') EXECUTE FUNCTION tfm_watch_drops();
COMMENT ON EVENT TRIGGER tfm_watch_drops IS 'sees to it that dropping the extension removes its files';

CREATE FUNCTION tfm_load_model(name text, path text, dtype text DEFAULT 'auto', compute text DEFAULT 'auto', replace boolean DEFAULT false) RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT COST 1000000;
COMMENT ON FUNCTION tfm_load_model(text, text, text, text, boolean) IS 'compile a checkpoint and register it as a model; returns its name';

CREATE FUNCTION tfm_drop_model(name text, if_exists boolean DEFAULT false) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION tfm_drop_model(text, boolean) IS 'drop a registered model';

CREATE FUNCTION tfm_refresh_model(name text) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT COST 1000000;
COMMENT ON FUNCTION tfm_refresh_model(text) IS 'accept the checkpoint of a model as it is now, and compile it again; whether it had changed';

CREATE FUNCTION tfm_prune_images(unused_for interval DEFAULT '30 days') RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;
REVOKE EXECUTE ON FUNCTION tfm_prune_images(interval) FROM PUBLIC;
COMMENT ON FUNCTION tfm_prune_images(interval) IS 'remove compiled images that no session has opened for so long, but for those of this database''s models and of other databases; bytes freed';

CREATE FUNCTION tfm_model_info(server oid,
		OUT family text, OUT model_type text, OUT architecture text, OUT task text,
		OUT parameters bigint, OUT dimensions integer, OUT max_tokens integer, OUT dtype text, OUT compute text,
		OUT image_bytes bigint, OUT memory_bytes bigint, OUT compile_seconds double precision, OUT state text, OUT error text)
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION tfm_model_info(oid) IS 'what is known of a model; see the view tfm_models';

CREATE VIEW tfm_models WITH (security_barrier) AS
	SELECT s.srvname AS name, i.family, i.model_type, i.architecture, i.task, i.parameters,
		i.dimensions, i.max_tokens, i.dtype, i.compute, o.path, o.content, i.image_bytes, i.memory_bytes, i.compile_seconds,
		i.state, i.error, pg_catalog.pg_get_userbyid(s.srvowner) AS owner,
		pg_catalog.obj_description(s.oid, 'pg_foreign_server') AS comment,
		o.stored, (SELECT sum(f.size)::bigint FROM tfm_stored_files f WHERE o.stored AND f.content = o.content) AS stored_bytes
	FROM pg_catalog.pg_foreign_server s
		JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw AND w.fdwname = 'tfm'
		CROSS JOIN LATERAL (
			SELECT max(option_value) FILTER (WHERE option_name = 'path') AS path,
				count(*) FILTER (WHERE option_name = 'stored') > 0 AS stored,
				max(option_value) FILTER (WHERE option_name = 'content') AS content
			FROM pg_catalog.pg_options_to_table(s.srvoptions)) o
		CROSS JOIN LATERAL tfm_model_info(s.oid) i
	WHERE pg_catalog.has_server_privilege(s.oid, 'USAGE');
GRANT SELECT ON tfm_models TO PUBLIC;
COMMENT ON VIEW tfm_models IS 'the models that the current user may use';
COMMENT ON COLUMN tfm_models.parameters IS 'number of weights'' elements that the model uses';
COMMENT ON COLUMN tfm_models.dimensions IS 'of an embedding; NULL if the model makes none';
COMMENT ON COLUMN tfm_models.max_tokens IS 'longest input in tokens, special ones included';
COMMENT ON COLUMN tfm_models.memory_bytes IS 'memory that the computation of one longest input takes';
COMMENT ON COLUMN tfm_models.dtype IS 'type in which weights are kept; of most, if they differ';
COMMENT ON COLUMN tfm_models.compute IS 'arithmetic of matrix products: f32, bf16 or int8';
COMMENT ON COLUMN tfm_models.image_bytes IS 'size of the compiled image, which all sessions share';
COMMENT ON COLUMN tfm_models.compile_seconds IS 'time that compiling the image took';
COMMENT ON COLUMN tfm_models.stored IS 'whether its files are in the database, see tfm_import_model';
COMMENT ON COLUMN tfm_models.stored_bytes IS 'size of the files that are there';
COMMENT ON COLUMN tfm_models.content IS 'SHA-256 of the checkpoint that the name stands for';
COMMENT ON COLUMN tfm_models.state IS 'ready; not compiled (done at first use); changed or not pinned (see tfm_refresh_model); error';
