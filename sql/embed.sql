-- Embeddings: tfm_embed, tfm_similarity, tfm_embed_agg, tfm_embed_trigger.
\getenv golden TFM_GOLDEN
\set model :golden /sentence/mean
SELECT tfm_load_model('embedder', :'model');

-- Every call of the golden data: the texts, the options, and what sentence-transformers gives
CREATE TEMP TABLE golden AS
	SELECT n, o.pooling, o."normalize", o.dimensions, o.prompt, i AS text_number,
		   call->'texts'->>(i - 1) AS body, (call->'embeddings'->(i - 1))::tfm_vector AS expected
	  FROM jsonb_array_elements(pg_read_file(:'model' || '/expected.json')::jsonb->'calls')
			   WITH ORDINALITY c (call, n),
		   jsonb_to_record(call->'options') o (pooling text, "normalize" boolean, dimensions int, prompt text),
		   generate_series(1, jsonb_array_length(call->'texts')) i;
SELECT n, pooling, "normalize", dimensions, prompt, count(*) AS texts,
	   bool_and(tfm_embed('embedder', body, pooling, "normalize", dimensions, prompt) <-> expected
				< 1e-5 * (1 + tfm_vector_norm(expected))) AS equal
  FROM golden GROUP BY 1, 2, 3, 4, 5 ORDER BY 1;

-- An array gives the same bits as its texts one by one, has the same shape, and keeps NULL.
SELECT n, tfm_embed('embedder', array_agg(body ORDER BY text_number), pooling, "normalize", dimensions, prompt)
	 = array_agg(tfm_embed('embedder', body, pooling, "normalize", dimensions, prompt) ORDER BY text_number) AS same
  FROM golden GROUP BY n, pooling, "normalize", dimensions, prompt ORDER BY 1;
SELECT tfm_embed('embedder', ARRAY['hello', NULL, '']) = ARRAY[tfm_embed('embedder', 'hello'), NULL, tfm_embed('embedder', '')] AS same;
SELECT tfm_embed('embedder', '[2:3][0:1]={{a,b},{NULL,c}}'::text[], dimensions => 1, "normalize" => true)::text
	 ~ '^\[2:3\]\[0:1\]=\{\{\[-?1\],\[-?1\]\},\{NULL,\[-?1\]\}\}$' AS shape;
SELECT tfm_embed('embedder', '{}'::text[]), tfm_embed('embedder', ARRAY[NULL, NULL]::text[]);
SELECT tfm_embed('embedder', array_agg('text ' || i)) = array_agg(tfm_embed('embedder', 'text ' || i)) AS same
  FROM generate_series(1, 1100) i;

-- NULL
SELECT tfm_embed(NULL, 'a') IS NULL AS model, tfm_embed('embedder', NULL::text) IS NULL AS input,
	   tfm_embed(NULL, ARRAY['a']) IS NULL AS model, tfm_embed('embedder', NULL::text[]) IS NULL AS inputs,
	   tfm_similarity('embedder', 'a', NULL) IS NULL AS similarity;

-- The default model
SHOW tfm.embed_model;
SELECT tfm_embed('hello');
SELECT tfm_similarity('a', 'b');
SELECT tfm_embed_agg('hello');
SET tfm.embed_model = 'embedder';
SELECT tfm_embed('hello') = tfm_embed('embedder', 'hello') AS one,
	   tfm_embed(ARRAY['hello', 'a']) = tfm_embed('embedder', ARRAY['hello', 'a']) AS array,
	   tfm_similarity('hello', 'a') = tfm_similarity('embedder', 'hello', 'a') AS similarity,
	   tfm_embed(NULL::text) IS NULL AS null;
SET tfm.embed_model = 'no such model';
SELECT tfm_embed('hello');
SET tfm.embed_model = 'embedder';

-- Which of the forms is meant, and what the planner may do with it
SELECT tfm_embed(input => 'a') = tfm_embed(model => 'embedder', input => 'a') AS same;
SELECT pg_typeof(tfm_embed('embedder', '{a}')), pg_typeof(tfm_embed('{a}')), pg_typeof(tfm_embed(ARRAY['a'])),
	   pg_typeof(tfm_embed('embedder', 'a'::varchar)), pg_typeof(tfm_embed('embedder', ARRAY['a'::varchar]));
SELECT p.oid::regprocedure, provolatile, proparallel, proisstrict, procost FROM pg_proc p
 WHERE proname IN ('tfm_embed', 'tfm_similarity') ORDER BY p.oid::regprocedure::text COLLATE "C";

-- Wrong options
SELECT tfm_embed('no such model', 'a');
SELECT tfm_embed('embedder', 'a', pooling => 'middle');
SELECT tfm_embed('embedder', 'a', dimensions => 0);
SELECT tfm_embed('embedder', 'a', dimensions => 17);

-- Similarity
SELECT abs(tfm_similarity('embedder', 'hello', 'hello') - 1) < 1e-6 AS same,
	   abs(tfm_similarity('embedder', 'a', 'b') - (1 - (tfm_embed('embedder', 'a') <=> tfm_embed('embedder', 'b')))) < 1e-12 AS cosine;

-- The aggregate is the average of the embeddings, whatever the groups and batches.
CREATE TABLE embed_texts AS
	SELECT i, CASE WHEN i % 10 <> 0 THEN 'text ' || i END AS body FROM generate_series(1, 1500) i;
SELECT i % 3 AS remainder, tfm_embed_agg('embedder', body) = avg(tfm_embed('embedder', body)) AS same
  FROM embed_texts GROUP BY 1 ORDER BY 1;
SELECT tfm_embed_agg(body) = avg(tfm_embed(body)) AS same FROM embed_texts;
SELECT tfm_embed_agg('embedder', body), tfm_embed_agg(NULL, 'a'), tfm_embed_agg(body) FROM embed_texts WHERE i = 10;
SELECT tfm_embed_agg('embedder', body) FROM embed_texts WHERE false;
SELECT i, tfm_embed_agg('embedder', body) OVER w = avg(tfm_embed('embedder', body)) OVER w AS same
  FROM embed_texts WINDOW w AS (ORDER BY i ROWS 1 PRECEDING) ORDER BY i LIMIT 3;
SELECT tfm_embed_agg('embedder', repeat(body || ' ', 2000)) = avg(tfm_embed('embedder', repeat(body || ' ', 2000))) AS same
  FROM embed_texts WHERE i <= 60;
SELECT tfm_embed_agg(CASE WHEN i < 5 THEN 'embedder' ELSE 'no such model' END, body) FROM embed_texts;
ALTER TABLE embed_texts SET (parallel_workers = 2);
SET parallel_setup_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS off) SELECT tfm_embed_agg('embedder', body) FROM embed_texts;
SELECT tfm_embed_agg('embedder', body) <-> (SELECT avg(v) FROM (SELECT tfm_embed('embedder', body) AS v FROM embed_texts OFFSET 0) s) < 1e-6 AS same
  FROM embed_texts;
RESET parallel_setup_cost;
RESET min_parallel_table_scan_size;
DROP TABLE embed_texts;

-- Generated column, expression index
CREATE TABLE embed_docs (id int, body text,
	embedding tfm_vector(16) GENERATED ALWAYS AS (tfm_embed('embedder', body)) STORED);
INSERT INTO embed_docs (id, body) VALUES (1, 'hello'), (2, NULL), (3, '');
UPDATE embed_docs SET body = 'good bye' WHERE id = 3;
SELECT id, embedding IS NOT DISTINCT FROM tfm_embed('embedder', body) AS current FROM embed_docs ORDER BY id;
CREATE INDEX embed_index ON embed_docs (tfm_embed('embedder', body));
SET enable_seqscan = off;
SELECT id FROM embed_docs WHERE tfm_embed('embedder', body) = tfm_embed('embedder', 'good bye');
RESET enable_seqscan;
DROP TABLE embed_docs;

-- The trigger
CREATE TABLE embed_docs (id int, body text, title varchar(20), code char(5), number int,
	embedding tfm_vector(16), title_embedding real[], upper_body text GENERATED ALWAYS AS (upper(body)) STORED);
CREATE TRIGGER body BEFORE INSERT OR UPDATE OF body, embedding ON embed_docs
	FOR EACH ROW EXECUTE FUNCTION tfm_embed_trigger('body', 'embedding', 'embedder');
CREATE TRIGGER title BEFORE INSERT OR UPDATE ON embed_docs
	FOR EACH ROW EXECUTE FUNCTION tfm_embed_trigger('title', 'title_embedding');
CREATE FUNCTION pg_temp.current() RETURNS TABLE (id int, body boolean, title boolean) LANGUAGE sql AS $$
	SELECT id, embedding IS NOT DISTINCT FROM tfm_embed('embedder', body),
		   title_embedding::tfm_vector IS NOT DISTINCT FROM tfm_embed('embedder', title) FROM embed_docs ORDER BY id $$;
INSERT INTO embed_docs (id, body, title) VALUES (1, 'hello', 'greeting'), (2, NULL, ''), (3, '', NULL);
SELECT * FROM pg_temp.current();
UPDATE embed_docs SET body = 'good bye', title = NULL WHERE id = 1;
UPDATE embed_docs SET body = 'now a text' WHERE id = 2;
UPDATE embed_docs SET body = NULL WHERE id = 3;
SELECT * FROM pg_temp.current();
SELECT id, embedding IS NULL AS embedding, title_embedding IS NULL AS title FROM embed_docs ORDER BY id;
-- An unchanged text costs nothing: the embedding stays as it is, unless there is none.
UPDATE embed_docs SET embedding = array_fill(0, ARRAY[16]) WHERE id = 1;
UPDATE embed_docs SET embedding = NULL WHERE id = 2;
SELECT id, embedding = array_fill(0, ARRAY[16])::tfm_vector AS kept, embedding = tfm_embed(body) AS current
  FROM embed_docs WHERE id < 3 ORDER BY id;
DROP TRIGGER body ON embed_docs;
DROP TRIGGER title ON embed_docs;
CREATE TRIGGER code BEFORE INSERT ON embed_docs
	FOR EACH ROW EXECUTE FUNCTION tfm_embed_trigger('code', 'embedding', 'embedder');
INSERT INTO embed_docs (id, code) VALUES (4, 'ab');
SELECT embedding = tfm_embed('ab') AS current FROM embed_docs WHERE id = 4;
DROP TRIGGER code ON embed_docs;

-- Wrong triggers
SELECT tfm_embed_trigger();
CREATE PROCEDURE pg_temp.try(event text, arguments text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TRIGGER wrong %s EXECUTE FUNCTION tfm_embed_trigger(%s)', event, arguments);
	INSERT INTO embed_docs (id, body) VALUES (5, 'hello');
	DELETE FROM embed_docs;
EXCEPTION WHEN OTHERS THEN
	RAISE NOTICE '%: %', SQLSTATE, SQLERRM;
END $$;
CALL pg_temp.try('AFTER INSERT ON embed_docs FOR EACH ROW', '''body'', ''embedding''');
CALL pg_temp.try('BEFORE INSERT ON embed_docs', '''body'', ''embedding''');
CALL pg_temp.try('BEFORE DELETE ON embed_docs FOR EACH ROW', '''body'', ''embedding''');
CALL pg_temp.try('BEFORE INSERT ON embed_docs FOR EACH ROW', '''body''');
CALL pg_temp.try('BEFORE INSERT ON embed_docs FOR EACH ROW', '''body'', ''vector''');
CALL pg_temp.try('BEFORE INSERT ON embed_docs FOR EACH ROW', '''ctid'', ''embedding''');
CALL pg_temp.try('BEFORE INSERT ON embed_docs FOR EACH ROW', '''upper_body'', ''embedding''');
CALL pg_temp.try('BEFORE INSERT ON embed_docs FOR EACH ROW', '''number'', ''embedding''');
CALL pg_temp.try('BEFORE INSERT ON embed_docs FOR EACH ROW', '''body'', ''number''');
CALL pg_temp.try('BEFORE INSERT ON embed_docs FOR EACH ROW', '''body'', ''embedding'', ''no such model''');
ALTER TABLE embed_docs ALTER embedding TYPE tfm_vector(3) USING NULL;
CALL pg_temp.try('BEFORE INSERT ON embed_docs FOR EACH ROW', '''body'', ''embedding'', ''embedder''');
DROP TABLE embed_docs;

-- A place in a query keeps its last result, and gives it for the same text and options alone.
SELECT bool_and(tfm_embed('embedder', input, dimensions => d, prompt => p)
	= (tfm_embed('embedder', ARRAY[input], dimensions => d, prompt => p))[1]) AS same
FROM (VALUES ('a', 2, NULL), ('a', 2, NULL), ('a', 3, NULL), ('a', 3, 'query'), ('a', 3, ''), ('b', 3, ''),
	('b', NULL, NULL), ('a', NULL, NULL)) AS v (input, d, p);

-- A model that the user has no right to
CREATE ROLE embed_user;
SET ROLE embed_user;
SELECT tfm_embed('embedder', 'hello');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER embedder TO embed_user;
SET ROLE embed_user;
SELECT tfm_vector_dims(tfm_embed('embedder', 'hello'));
RESET ROLE;
REVOKE USAGE ON FOREIGN SERVER embedder FROM embed_user;
DROP ROLE embed_user;
RESET tfm.embed_model;
SELECT tfm_drop_model('embedder');
