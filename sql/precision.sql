-- How weights are kept (dtype) and multiplied (compute), and the instruction set: the choice, what it
-- changes, what is refused.  What suits the processor is the same everywhere with tfm.cpu_isa = portable.
\getenv golden TFM_GOLDEN
\set mean :golden '/sentence/mean'
\set bfloat :golden '/bert/BertModel-bfloat16'
SET client_min_messages = warning;
SET tfm.cpu_isa = 'portable';

SELECT tfm_load_model('auto', :'mean');
SELECT tfm_load_model(dtype || '_' || compute, :'mean', dtype => dtype, compute => compute)
FROM (VALUES ('f32', 'auto'), ('f16', 'auto'), ('bf16', 'auto'), ('int8', 'auto'),
	('f32', 'bf16'), ('bf16', 'f32'), ('bf16', 'bf16'), ('int8', 'f32'), ('int8', 'bf16'), ('int8', 'int8')) AS choice (dtype, compute);
CREATE VIEW choices AS
	SELECT srvname, ARRAY(SELECT option FROM unnest(srvoptions) AS option WHERE option !~ '^(path|content)=') AS options
	FROM pg_foreign_server;
SELECT name, dtype, compute, options, image_bytes = min(image_bytes) OVER (PARTITION BY dtype) AS same_image_size, state, error
FROM tfm_models JOIN choices ON srvname = name ORDER BY name;
SELECT dtype FROM tfm_models GROUP BY dtype ORDER BY max(image_bytes) DESC, dtype;

-- Side by side in one statement: equal where only the names differ, near where the precision does.
SELECT name, embedding = tfm_embed('auto', 'the quick brown fox') AS same,
	1 - (embedding <=> tfm_embed('auto', 'the quick brown fox')) > CASE WHEN name LIKE '%8%' OR name LIKE '%b%' THEN 0.99 ELSE 0.99999 END AS near
FROM (SELECT name, tfm_embed(name::text, 'the quick brown fox') AS embedding FROM tfm_models) AS embedded ORDER BY name;
SELECT count(DISTINCT tfm_embed(name::text, 'the quick brown fox')) AS precisions FROM tfm_models;

-- One image for each content and dtype; what no model uses is pruned.
SELECT tfm_refresh_model('bf16_f32'), tfm_refresh_model('auto');
SELECT tfm_drop_model(name::text) FROM tfm_models WHERE name LIKE 'int8%' OR name = 'f16_auto';
SELECT tfm_prune_images('-1 hour') > 0 AS pruned;
SELECT regexp_replace(file, '^[0-9a-f]{64}|[0-9]+\.tfm$', '', 'g') AS image
FROM pg_ls_dir('tfm') AS file WHERE starts_with(file, (SELECT content FROM tfm_models WHERE name = 'auto')) ORDER BY 1;

-- Another choice holds at once, and makes no other checkpoint of the name.
ALTER SERVER auto OPTIONS (ADD dtype 'int8');
SELECT dtype, compute, state FROM tfm_models WHERE name = 'auto';
SELECT tfm_embed('auto', 'hello') <> tfm_embed('f32_auto', 'hello') AS differs;
SELECT dtype, compute, state FROM tfm_models WHERE name = 'auto';
ALTER SERVER auto OPTIONS (ADD compute 'f32');
SELECT dtype, compute, state FROM tfm_models WHERE name = 'auto';
DO $$
DECLARE
	before tfm_vector;
	after tfm_vector;
BEGIN
	FOR i IN 1..2 LOOP
		after := tfm_embed('auto', 'hello');
		IF i = 1 THEN
			before := after;
			ALTER SERVER auto OPTIONS (SET dtype 'f32');
		END IF;
	END LOOP;
	RAISE WARNING 'the same text in the same place: % before and after', CASE WHEN before = after THEN 'equal' ELSE 'different' END;
END $$;
SELECT tfm_embed('auto', 'hello') = tfm_embed('f32_auto', 'hello') AS same;
SELECT tfm_load_model('auto', :'mean', dtype => 'bf16', compute => 'bf16', replace => true);
SELECT options FROM choices WHERE srvname = 'auto';
SELECT tfm_load_model('auto', :'mean', replace => true);
SELECT options FROM choices WHERE srvname = 'auto';

-- A checkpoint has a type of its own; arithmetic in bf16 is never chosen for that alone.
SELECT tfm_load_model('bfloat', :'bfloat');
SELECT name, dtype, compute FROM tfm_models WHERE name = 'bfloat';
SELECT compute FROM tfm_models WHERE name = 'bf16_auto';

-- What is refused.
\set VERBOSITY default
SELECT tfm_load_model('bad', :'mean', dtype => 'int3');
SELECT tfm_load_model('bad', :'mean', dtype => 'F32');
SELECT tfm_load_model('bad', :'mean', compute => 'f16');
SELECT tfm_load_model('bad', :'mean', compute => 'int8');
SELECT tfm_load_model('bad', :'mean', dtype => 'bf16', compute => 'int8');
CREATE SERVER bad FOREIGN DATA WRAPPER tfm OPTIONS (path '/nonexistent', dtype 'int3');
CREATE SERVER bad FOREIGN DATA WRAPPER tfm OPTIONS (path '/nonexistent', compute '');
CREATE SERVER bad FOREIGN DATA WRAPPER tfm OPTIONS (path '/nonexistent', compute 'int8', dtype 'f16');
ALTER SERVER auto OPTIONS (ADD dtype 'float32');
ALTER SERVER auto OPTIONS (ADD compute 'int8');
\set VERBOSITY sqlstate
ALTER SERVER auto OPTIONS (ADD compute 'int8');
SELECT tfm_load_model('bad', :'mean', dtype => 'int3');
\set VERBOSITY default

-- Every instruction set that this processor has gives the same within rounding.
SHOW tfm.cpu_isa;
SELECT enumvals FROM pg_settings WHERE name = 'tfm.cpu_isa';
CREATE FUNCTION embed_with(isa text, model text) RETURNS tfm_vector LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('tfm.cpu_isa', isa, true);
	RETURN tfm_embed(model, 'the quick brown fox');
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN NULL; -- not on this processor
END $$;
SELECT model, isa, distance
FROM pg_settings, unnest(enumvals) AS isa, (VALUES ('f32_auto', 1e-5), ('bf16_f32', 1e-5), ('bf16_bf16', 1e-2)) AS bound (model, most),
	LATERAL (SELECT embed_with(isa, model) <-> embed_with('portable', model) AS distance) AS measured
WHERE name = 'tfm.cpu_isa' AND distance > most;
SET tfm.cpu_isa = 'sse2';
CREATE ROLE regress_tfm_isa;
SET ROLE regress_tfm_isa;
SET tfm.cpu_isa = 'auto';
RESET ROLE;
DROP ROLE regress_tfm_isa;
RESET tfm.cpu_isa;
SHOW tfm.cpu_isa;

DROP FUNCTION embed_with;
DROP VIEW choices;
SELECT count(tfm_drop_model(name::text)) AS dropped FROM tfm_models;
