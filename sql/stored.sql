-- Models whose files are in the database: importing, reading, forgetting, privileges, errors.
\getenv golden TFM_GOLDEN
\set mean :golden '/sentence/mean'
\set cls :golden '/sentence/cls'
\set sharded :golden '/bert/BertModel-sharded'
\set gguf :golden '/gguf/llama/model.gguf'
\set words :golden '/chat/words'
\set folder :golden '/sentence'
SET client_min_messages = warning;

-- What is stored, without regard to who may see it.
CREATE VIEW stored AS
	SELECT (SELECT count(DISTINCT content) FROM tfm_stored_files) AS models, count(*) AS files,
		(SELECT count(DISTINCT (content, file)) FROM tfm_stored_chunks) AS files_with_chunks,
		sum(size) = (SELECT sum(length(bytes)) FROM tfm_stored_chunks) AS all_bytes
	FROM tfm_stored_files;
-- The files of a checkpoint as arguments.
CREATE FUNCTION file_names(directory text) RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg(name ORDER BY name DESC) FROM (
		SELECT f AS name FROM pg_ls_dir(directory) f WHERE NOT (pg_stat_file(directory || '/' || f)).isdir
			AND f NOT LIKE 'expected%' AND f NOT LIKE 'inputs%'
		UNION ALL SELECT '1_Pooling/config.json' FROM pg_ls_dir(directory) f WHERE f = '1_Pooling') n $$;
CREATE FUNCTION file_contents(directory text) RETURNS bytea[] LANGUAGE sql AS $$
	SELECT array_agg(pg_read_binary_file(directory || '/' || name) ORDER BY i)
	FROM unnest(file_names(directory)) WITH ORDINALITY n (name, i) $$;

SELECT tfm_import_model('stored', :'mean');
SELECT tfm_load_model('pathed', :'mean');
SELECT * FROM stored;
SELECT name, path IS NULL AS no_path, stored, stored_bytes > 30000 AS stored_bytes, state, error FROM tfm_models ORDER BY name;
SELECT srvoptions[1] FROM pg_foreign_server WHERE srvname = 'stored';
SELECT a.content = b.content AS same FROM tfm_models a, tfm_models b WHERE a.name = 'stored' AND b.name = 'pathed';
SELECT file, size > 0 AS size, sha256 = encode(sha256(pg_read_binary_file(:'mean' || '/' || file)), 'hex') AS sha256 FROM tfm_model_files('stored');
SELECT file, tfm_model_file('stored', file) = pg_read_binary_file(:'mean' || '/' || file) AS same FROM tfm_model_files('stored');

-- Compiled from what is stored, it computes the same.
CREATE TABLE texts AS SELECT 'the cat sat on ' || i AS body FROM generate_series(1, 5) i;
CREATE TABLE before AS SELECT body, tfm_embed('pathed', body)::real[] AS embedding FROM texts;
SELECT tfm_drop_model('pathed');
SELECT tfm_drop_model('stored');
SELECT tfm_prune_images('-1 hour') >= 0 AS pruned;
SELECT tfm_import_model('stored', :'mean');
SELECT bool_and(embedding = tfm_embed('stored', body)::real[]) AS same FROM before;
SELECT tfm_refresh_model('stored');
SELECT bool_and(embedding = tfm_embed('stored', body)::real[]) AS same FROM before;
SELECT tfm_prune_images('-1 hour') >= 0 AS pruned;

-- Checkpoints of other kinds: in several files, in one, of a tokenizer alone.
SELECT tfm_import_model('sharded', :'sharded', dtype => 'f32');
SELECT count(*) FROM tfm_model_files('sharded') WHERE file LIKE 'model-%';
SELECT tfm_load_model('unsharded', :'sharded', dtype => 'f32');
SELECT tfm_forward('sharded', '{"input_ids": [[1, 2, 3]]}') = tfm_forward('unsharded', '{"input_ids": [[1, 2, 3]]}') AS same;
SELECT tfm_import_model('one_file', :'gguf');
SELECT file FROM tfm_model_files('one_file');
SELECT tfm_load_model('one_path', :'gguf');
SELECT tfm_forward('one_file', '{"input_ids": [[1, 2, 3]]}') = tfm_forward('one_path', '{"input_ids": [[1, 2, 3]]}') AS same;
SELECT tfm_import_model('one_in_bits', ARRAY['tiny.gguf'], ARRAY[pg_read_binary_file(:'gguf')], dtype => 'bf16');
SELECT name, dtype, state FROM tfm_models WHERE name = 'one_in_bits';
SET client_min_messages = notice;
\set VERBOSITY terse
SELECT tfm_import_model('words', :'words');
SET client_min_messages = warning;
SELECT tfm_load_model('words_path', :'words');
SELECT tfm_tokenize('words', 'hello') = tfm_tokenize('words_path', 'hello') AS same;
SELECT * FROM stored;
SELECT tfm_drop_model(name::text) FROM tfm_models WHERE name <> 'stored';
SELECT * FROM stored;

-- Of bytes and of large objects; names of the same content share their rows.
SELECT tfm_import_model('bytes', file_names(:'mean'), file_contents(:'mean'));
CREATE TABLE objects AS SELECT n, lo_from_bytea(0, c) AS object FROM unnest(file_names(:'mean'), file_contents(:'mean')) f (n, c);
SELECT tfm_import_model('objects', array_agg(n), array_agg(object), compute => 'f32') FROM objects;
SELECT count(DISTINCT content) FROM tfm_models;
SELECT * FROM stored;
SELECT tfm_drop_model('stored');
DROP SERVER bytes;
SELECT bool_and(embedding = tfm_embed('objects', body)::real[]) AS same FROM before;
DROP SERVER objects;
SELECT * FROM stored;

-- Parts of files, at the ends of chunks too.
CREATE FUNCTION long_json(length integer) RETURNS bytea LANGUAGE sql AS $$
	SELECT convert_to(rpad('{"x": "' || repeat('0123456789', length / 10), length - 2, 'y') || '"}', 'UTF8') $$;
SELECT tfm_import_model('parts', file_names(:'mean') || ARRAY['vocab_long.json', 'vocab_none.json'],
	file_contents(:'mean') || ARRAY[long_json(3 * 1048576), '']);
SELECT count(*), max(length(bytes)) FROM tfm_stored_chunks WHERE file = (SELECT file FROM tfm_stored_files WHERE name = 'vocab_long.json');
SELECT file, size FROM tfm_model_files('parts') WHERE file LIKE 'vocab%';
SELECT tfm_model_file('parts', 'vocab_long.json') = long_json(3 * 1048576) AS whole, tfm_model_file('parts', 'vocab_none.json') AS empty,
	tfm_model_file('parts', 'vocab_long.json', 0, 4) AS beginning, tfm_model_file('parts', 'vocab_long.json', 3145726) AS ending,
	tfm_model_file('parts', 'vocab_long.json', 5000000) AS beyond, tfm_model_file('parts', NULL) AS unknown;
SELECT bool_and(tfm_model_file('parts', 'vocab_long.json', start, 7) = substr(long_json(3 * 1048576), start + 1, 7)) AS same
FROM unnest(ARRAY[0, 1048570, 1048576, 2097151, 3145721]) start;
SELECT tfm_model_file('parts', 'vocab_long.json', -1);
SELECT tfm_model_file('parts', 'vocab_long.json', 0, -1);
SELECT tfm_model_file('parts', 'vocab_lost.json');
SELECT tfm_model_file('no such model', 'config.json');

-- Replacing: by other files, by a path, and back.
SELECT tfm_import_model('parts', :'mean');
SELECT tfm_import_model('parts', :'mean', replace => true);
SELECT count(*) FROM tfm_model_files('parts');
SELECT tfm_import_model('parts', :'cls', dtype => 'bf16', replace => true);
SELECT stored, dtype, state FROM tfm_models;
SELECT * FROM stored;
SELECT tfm_load_model('parts', :'cls', replace => true);
SELECT stored, dtype, state FROM tfm_models;
SELECT * FROM stored;
SELECT * FROM tfm_model_files('parts');
SELECT tfm_import_model('parts', :'cls', replace => true);
ALTER SERVER parts OPTIONS (DROP stored, ADD path :'cls');
SELECT * FROM stored;
DROP SERVER parts;

-- A transaction happens whole or not at all.
BEGIN;
SELECT tfm_import_model('passing', :'mean');
SELECT tfm_count_tokens('passing', 'hello') > 0 AS works;
ROLLBACK;
SELECT * FROM stored;
BEGIN;
SELECT tfm_import_model('staying', :'mean');
SAVEPOINT here;
SELECT tfm_drop_model('staying');
SELECT * FROM stored;
ROLLBACK TO here;
SELECT tfm_import_model('staying', :'cls', replace => true);
ROLLBACK TO here;
COMMIT;
SELECT bool_and(embedding = tfm_embed('staying', body)::real[]) AS same FROM before;
BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SELECT tfm_import_model('twin', :'mean');
SELECT tfm_drop_model('staying');
SELECT tfm_drop_model('twin');
SELECT tfm_import_model('staying', :'mean');
COMMIT;
SELECT * FROM stored;
BEGIN READ ONLY;
SELECT tfm_import_model('passing', :'mean');
ROLLBACK;

-- Without files in the database there is the image, if it is there.
CREATE TABLE kept AS TABLE tfm_stored_chunks;
DELETE FROM tfm_stored_chunks WHERE file > 2;
SELECT tfm_count_tokens('staying', 'hello') > 0 AS works;
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT tfm_refresh_model('staying');
UPDATE tfm_stored_files SET name = '../' || name WHERE file = 1;
SELECT tfm_refresh_model('staying');
UPDATE tfm_stored_files SET name = substr(name, 4) WHERE file = 1;
INSERT INTO tfm_stored_chunks SELECT * FROM kept WHERE file > 2;
SELECT tfm_refresh_model('staying');
UPDATE tfm_stored_chunks SET bytes = set_byte(bytes, 5, 1) WHERE file = 3;
SELECT tfm_refresh_model('staying');
DELETE FROM tfm_stored_files;
SELECT tfm_refresh_model('staying');
SELECT name, state FROM tfm_models;
SELECT count(*) FROM tfm_model_files('staying');
DROP SERVER staying;
DELETE FROM tfm_stored_chunks;

-- What is not a checkpoint's.
SELECT tfm_import_model('bad', ARRAY['config.json'], ARRAY[]::bytea[]);
SELECT tfm_import_model('bad', ARRAY[]::text[], ARRAY[]::bytea[]);
SELECT tfm_import_model('bad', ARRAY['config.json', NULL], ARRAY['{}', '{}']::bytea[]);
SELECT tfm_import_model('bad', ARRAY['config.json', 'tokenizer.json'], ARRAY['{}', NULL]::bytea[]);
SELECT tfm_import_model('bad', ARRAY[ARRAY['config.json']], ARRAY[ARRAY['{}']]::bytea[]);
SELECT tfm_import_model('bad', ARRAY['config.json', 'config.json'], ARRAY['{}', '{}']::bytea[]);
SELECT tfm_import_model('bad', ARRAY['README.md'], ARRAY['x']::bytea[]);
\set VERBOSITY terse
DO $$
DECLARE name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['', '.', '..', '/', '/config.json', '../config.json', './config.json', 'a/../config.json', 'a/b/config.json',
		'a//config.json', 'config.json/', '/etc/tokenizer', 'tokenizer/../../x', '../tokenizer.json', E'tokenizer\n.json', E'a\x01/config.json',
		'a/b.gguf', 'model.onnx', 'onnx/model.onnx', 'expected.json', 'pytorch_model.bin', repeat('x', 300) || '/config.json'] LOOP
		BEGIN
			PERFORM tfm_import_model('bad', ARRAY[name], ARRAY['{}']::bytea[]);
			RAISE WARNING 'accepted: %', name;
		EXCEPTION WHEN invalid_parameter_value THEN
			NULL;
		END;
	END LOOP;
END $$;
SELECT tfm_import_model('bad', file_names(:'mean') || '2_Other/config.json'::text, file_contents(:'mean') || '{}'::bytea);
SELECT tfm_import_model('bad', file_names(:'mean') || 'model.gguf'::text, file_contents(:'mean') || 'GGUF'::bytea);
SELECT tfm_import_model('bad', ARRAY['config.json'], ARRAY[0]::oid[]);
SELECT tfm_import_model('bad', 'no/such');
SELECT tfm_import_model('', :'mean');
SELECT tfm_import_model('bad', :'mean', dtype => 'f31');
SELECT tfm_import_model(NULL, :'mean');
\set VERBOSITY sqlstate
SELECT tfm_import_model('bad', '/nonexistent');
SELECT tfm_import_model('bad', :'folder');
SELECT tfm_import_model('bad', ARRAY['config.json'], ARRAY['{']::bytea[]);
-- An index leads to no file but those beside it.
SELECT tfm_import_model('bad', array_agg(n), array_agg(convert_to(CASE WHEN n LIKE '%.index.json'
	THEN replace(convert_from(c, 'UTF8'), '"model-00001', '"../../model-00001') ELSE '' END, 'UTF8')
	|| CASE WHEN n LIKE '%.index.json' THEN '' ELSE c END))
FROM unnest(file_names(:'sharded'), file_contents(:'sharded')) f (n, c);
\set VERBOSITY default
SELECT * FROM stored;
SELECT count(*) FROM tfm_models;

-- Options.
CREATE SERVER bad FOREIGN DATA WRAPPER tfm OPTIONS (stored 'true');
CREATE SERVER bad FOREIGN DATA WRAPPER tfm OPTIONS (stored 'false', path :'mean');
CREATE SERVER bad FOREIGN DATA WRAPPER tfm OPTIONS (stored 'true', path '/x', content '0000000000000000000000000000000000000000000000000000000000000000');
-- As a dump does: the server first, the files later.
SELECT tfm_import_model('first', :'mean');
SELECT content FROM tfm_models \gset
CREATE TABLE dumped_files AS TABLE tfm_stored_files;
CREATE TABLE dumped_chunks AS TABLE tfm_stored_chunks;
DROP SERVER first;
SELECT tfm_prune_images('-1 hour') >= 0 AS pruned;
CREATE SERVER first FOREIGN DATA WRAPPER tfm OPTIONS (stored 'true', content :'content');
SELECT name, stored_bytes, state, error FROM tfm_models;
SELECT tfm_tokenize('first', 'hello');
INSERT INTO tfm_stored_files TABLE dumped_files;
INSERT INTO tfm_stored_chunks TABLE dumped_chunks;
SELECT name, state, error FROM tfm_models;
SELECT bool_and(embedding = tfm_embed('first', body)::real[]) AS same FROM before;

-- Privileges.
CREATE ROLE regress_tfm_giver;
CREATE ROLE regress_tfm_other;
CREATE TABLE given AS SELECT file_names(:'mean') AS names, file_contents(:'mean') AS contents;
GRANT SELECT ON given, objects, before, stored TO PUBLIC;
SET ROLE regress_tfm_giver;
SELECT tfm_import_model('mine', names, contents) FROM given;
SELECT count(*) FROM tfm_stored_files;
SELECT count(*) FROM tfm_stored_chunks;
INSERT INTO tfm_stored_chunks VALUES ('x', 0, 0, '');
RESET ROLE;
GRANT USAGE ON FOREIGN DATA WRAPPER tfm TO regress_tfm_giver, regress_tfm_other;
SET ROLE regress_tfm_giver;
SELECT tfm_import_model('mine', names, contents) FROM given;
\set VERBOSITY sqlstate
SELECT tfm_import_model('mine', array_agg(n), array_agg(object), replace => true) FROM objects;
\set VERBOSITY default
SELECT tfm_import_model('mine', '/nonexistent');
SELECT name, stored_bytes > 0 AS stored, owner FROM tfm_models;
SELECT bool_and(embedding = tfm_embed('mine', body)::real[]) AS same FROM before;
SELECT length(tfm_model_file('mine', 'config.json')) > 0 AS readable;
SELECT tfm_refresh_model('mine');
SELECT tfm_import_model('mine', names, contents, dtype => 'bf16', replace => true) FROM given;
SELECT tfm_import_model('mine too', names || 'vocab.txt'::text, contents || 'more'::bytea) FROM given;
SELECT models FROM stored;
SELECT tfm_drop_model('mine too');
SELECT models FROM stored;
SELECT tfm_export_model('mine', '/nonexistent/x');
ALTER SERVER mine OPTIONS (SET content 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff');
-- The model of somebody else: not to be replaced, read, or taken by its content, which all may see.
SET ROLE regress_tfm_other;
SELECT srvoptions @> ARRAY['content=' || :'content'] AS seen FROM pg_foreign_server WHERE srvname = 'first';
CREATE SERVER taken FOREIGN DATA WRAPPER tfm OPTIONS (stored 'true', content :'content');
SELECT tfm_import_model('mine', names, contents, replace => true) FROM given;
SELECT tfm_model_file('mine', 'config.json');
SELECT * FROM tfm_model_files('mine');
SELECT tfm_refresh_model('mine');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER mine TO regress_tfm_other;
SET ROLE regress_tfm_other;
SELECT count(tfm_embed('mine', body)) FROM before;
SELECT count(*) FROM tfm_model_files('mine');
SELECT tfm_model_file('mine', 'config.json');
RESET ROLE;
GRANT pg_write_server_files TO regress_tfm_giver;
SET ROLE regress_tfm_giver;
SELECT tfm_export_model('mine', 'relative/x');
\set VERBOSITY sqlstate
SELECT tfm_export_model('mine', '/nonexistent/x');
SELECT tfm_export_model('mine', '/');
\set VERBOSITY default
RESET ROLE;
SELECT tfm_drop_model('first');
SELECT * FROM stored;
DROP OWNED BY regress_tfm_giver;
SELECT * FROM stored;
DROP OWNED BY regress_tfm_other;
DROP ROLE regress_tfm_giver, regress_tfm_other;

-- Wherever the extension is, whatever the search_path; no trap of a user's is stepped into.
CREATE SCHEMA elsewhere;
ALTER EXTENSION tfm SET SCHEMA elsewhere;
CREATE TABLE tfm_stored_files (content text, file integer, name text, size bigint, sha256 text);
SET search_path = pg_catalog;
SELECT elsewhere.tfm_import_model('far', :'mean');
SELECT count(*) > 0 AS there FROM elsewhere.tfm_stored_files;
SELECT elsewhere.tfm_count_tokens('far', 'hello') > 0 AS works;
SELECT elsewhere.tfm_drop_model('far');
SELECT count(*) FROM elsewhere.tfm_stored_chunks;
RESET search_path;
DROP TABLE tfm_stored_files;
ALTER EXTENSION tfm SET SCHEMA public;
DROP SCHEMA elsewhere;

SELECT count(lo_unlink(object)) FROM objects;
DROP VIEW stored;
DROP TABLE texts, before, kept, dumped_files, dumped_chunks, given, objects;
DROP FUNCTION file_names, file_contents, long_json;
