-- Checkpoints whose files are in the database.

CREATE TABLE tfm_stored_files (
	content text COLLATE "C" NOT NULL,
	file integer NOT NULL,
	name text COLLATE "C" NOT NULL,
	size bigint NOT NULL,
	sha256 text COLLATE "C" NOT NULL,
	PRIMARY KEY (content, file)) USING heap;
REVOKE ALL ON tfm_stored_files FROM PUBLIC;
COMMENT ON TABLE tfm_stored_files IS 'files of the checkpoints that tfm_import_model has stored';
COMMENT ON COLUMN tfm_stored_files.content IS 'SHA-256 of the whole checkpoint, the option of the servers that point to it';
COMMENT ON COLUMN tfm_stored_files.file IS 'its number, from 0, by the bytes of its name';
COMMENT ON COLUMN tfm_stored_files.name IS 'relative to the checkpoint''s directory';
COMMENT ON COLUMN tfm_stored_files.size IS 'in bytes';
COMMENT ON COLUMN tfm_stored_files.sha256 IS 'of its bytes';

CREATE TABLE tfm_stored_chunks (
	content text COLLATE "C" NOT NULL,
	file integer NOT NULL,
	chunk bigint NOT NULL,
	bytes bytea NOT NULL,
	PRIMARY KEY (content, file, chunk)) USING heap;
-- Weights do not compress.
ALTER TABLE tfm_stored_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;
REVOKE ALL ON tfm_stored_chunks FROM PUBLIC;
COMMENT ON TABLE tfm_stored_chunks IS 'bytes of the files in tfm_stored_files';
COMMENT ON COLUMN tfm_stored_chunks.content IS 'as in tfm_stored_files';
COMMENT ON COLUMN tfm_stored_chunks.file IS 'as in tfm_stored_files';
COMMENT ON COLUMN tfm_stored_chunks.chunk IS 'its number, from 0';
COMMENT ON COLUMN tfm_stored_chunks.bytes IS '1 MB of the file, or what is left of it';

-- What users have put there is theirs: pg_dump takes it along.
SELECT pg_catalog.pg_extension_config_dump('tfm_stored_files', '');
SELECT pg_catalog.pg_extension_config_dump('tfm_stored_chunks', '');

CREATE FUNCTION tfm_import_model(name text, path text, dtype text DEFAULT 'auto', compute text DEFAULT 'auto', replace boolean DEFAULT false) RETURNS text
	AS 'MODULE_PATHNAME', 'tfm_import_model_path' LANGUAGE C VOLATILE STRICT COST 1000000;
COMMENT ON FUNCTION tfm_import_model(text, text, text, text, boolean) IS 'store the files of a checkpoint in the database and register them as a model; returns its name';

CREATE FUNCTION tfm_import_model(name text, files text[], contents bytea[], dtype text DEFAULT 'auto', compute text DEFAULT 'auto', replace boolean DEFAULT false) RETURNS text
	AS 'MODULE_PATHNAME', 'tfm_import_model_bytes' LANGUAGE C VOLATILE STRICT COST 1000000;
COMMENT ON FUNCTION tfm_import_model(text, text[], bytea[], text, text, boolean) IS 'the same of files whose contents are given';

CREATE FUNCTION tfm_import_model(name text, files text[], large_objects oid[], dtype text DEFAULT 'auto', compute text DEFAULT 'auto', replace boolean DEFAULT false) RETURNS text
	AS 'MODULE_PATHNAME', 'tfm_import_model_objects' LANGUAGE C VOLATILE STRICT COST 1000000;
COMMENT ON FUNCTION tfm_import_model(text, text[], oid[], text, text, boolean) IS 'the same of files whose contents are large objects';

CREATE FUNCTION tfm_export_model(name text, directory text) RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT COST 1000000;
COMMENT ON FUNCTION tfm_export_model(text, text) IS 'write the files of a stored model into a new directory on the server; returns the checkpoint''s path';

CREATE FUNCTION tfm_model_files(name text, OUT file text, OUT size bigint, OUT sha256 text) RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION tfm_model_files(text) IS 'the files of a stored model';

CREATE FUNCTION tfm_model_file(name text, file text, start bigint DEFAULT 0, length bigint DEFAULT NULL) RETURNS bytea
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION tfm_model_file(text, text, bigint, bigint) IS 'bytes of a file of a stored model';

CREATE FUNCTION tfm_forget() RETURNS event_trigger
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION tfm_forget() IS 'deletes stored files with the last model that they are of';

CREATE EVENT TRIGGER tfm_forget ON sql_drop
	WHEN TAG IN ('DROP SERVER', 'DROP FOREIGN DATA WRAPPER', 'DROP OWNED', 'DROP EXTENSION')
	EXECUTE FUNCTION tfm_forget();
COMMENT ON EVENT TRIGGER tfm_forget IS 'deletes stored files with the last model that they are of';
