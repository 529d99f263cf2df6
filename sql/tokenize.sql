-- Texts to tokens and back.
\getenv golden TFM_GOLDEN
\set mean :golden '/sentence/mean'
\set cased :golden '/sentence/cased'
SET client_min_messages = warning;
SELECT tfm_load_model('tiny', :'mean');
SELECT tfm_load_model('cased', :'cased');
SET tfm.embed_model = 'tiny';

SELECT tfm_tokenize('tiny', 'The cat sat on the mat.');
SELECT tfm_tokenize('The cat sat on the mat.') = tfm_tokenize('tiny', 'The cat sat on the mat.') AS same;
SELECT tfm_tokenize('cased', 'The cat sat on the mat.') = tfm_tokenize('tiny', 'The cat sat on the mat.') AS same;
SELECT * FROM tfm_tokens('tiny', 'The cat, Ünïcödé 日本 🙂!');
SELECT * FROM tfm_tokens('hello');
-- The characters that a token covers.
SELECT token, substr(input, start + 1, "end" - start) AS covered
FROM (VALUES ('don''t (ever) stop-running! ½ x')) AS v (input), tfm_tokens('tiny', input)
WHERE "end" > 0;
SELECT tfm_count_tokens('tiny', 'The cat sat on the mat.'), tfm_count_tokens('The cat sat on the mat.');
SELECT tfm_count_tokens('tiny', input) = cardinality(tfm_tokenize('tiny', input)) AS same
FROM (VALUES (''), (' '), ('hello'), (repeat('a query ', 100))) AS v (input);

SELECT tfm_detokenize('tiny', tfm_tokenize('tiny', 'The cat sat on the mat.'));
SELECT tfm_detokenize('tiny', tfm_tokenize('tiny', 'The cat sat on the mat.'), skip_special_tokens => false);
SELECT tfm_detokenize('tiny', '{}') = '' AS empty;
SELECT tfm_detokenize('cased', tfm_tokenize('cased', 'The cat sat on the mat.'));

-- Nothing and odd things.
SELECT tfm_tokenize('tiny', NULL), tfm_tokenize(NULL, 'x'), tfm_count_tokens(NULL), tfm_detokenize('tiny', NULL);
SELECT count(*) FROM tfm_tokens('tiny', NULL);
SELECT tfm_tokenize('tiny', ''), tfm_tokenize('tiny', E' \t\n');
SELECT tfm_count_tokens('tiny', repeat('hello ', 200000));
SELECT tfm_detokenize('tiny', '{1,NULL}');
SELECT tfm_detokenize('tiny', '{{1,2},{3,4}}');
SELECT tfm_detokenize('tiny', '{-1}');
SELECT tfm_detokenize('tiny', '{100000}');

-- With the model a function is immutable, without it stable.
SELECT p.oid::regprocedure, provolatile, proisstrict, proparallel FROM pg_proc p
WHERE proname IN ('tfm_tokenize', 'tfm_tokens', 'tfm_count_tokens', 'tfm_detokenize', 'tfm_forward') ORDER BY p.oid::regprocedure::text COLLATE "C";
CREATE TABLE docs (body text, tokens integer GENERATED ALWAYS AS (tfm_count_tokens('tiny', body)) STORED);
CREATE INDEX ON docs (tfm_count_tokens('tiny', body));
INSERT INTO docs VALUES ('The cat sat on the mat.'), ('hello'), (NULL);
SELECT * FROM docs;
UPDATE docs SET body = 'hello hello' WHERE body = 'hello';
SELECT * FROM docs ORDER BY tokens;
CREATE INDEX ON docs (tfm_count_tokens(body));

-- Several models in one statement, and one model in several forms.
SELECT name, tfm_count_tokens(name, body) FROM docs, (VALUES ('tiny'), ('cased'), (:'mean')) AS m (name)
WHERE body LIKE 'The%' AND name <> :'mean' ORDER BY name;

-- In parallel workers.
INSERT INTO docs SELECT 'a query for a document ' || i FROM generate_series(1, 5000) AS i;
ANALYZE docs;
SELECT sum(tfm_count_tokens('cased', body)) AS alone FROM docs \gset
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT sum(tfm_count_tokens('cased', body)) FROM docs;
SELECT sum(tfm_count_tokens('cased', body)) = :alone AS same FROM docs;
DROP TABLE docs;

SELECT tfm_drop_model(name::text) FROM tfm_models;
