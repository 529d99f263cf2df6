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

-- Pairs, truncation, pieces.
SELECT tfm_tokenize('tiny', 'the cat', pair => 'a mat');
SELECT tfm_tokenize('tiny', 'the cat', 'a mat', add_special_tokens => false);
SELECT tfm_count_tokens('tiny', 'the cat', pair => 'a mat'), tfm_count_tokens('tiny', 'the cat', add_special_tokens => false);
SELECT tfm_tokenize('tiny', 'The cat sat on the mat.', max_length => 5),
	tfm_tokenize('tiny', 'The cat sat on the mat.', max_length => 5, truncation_side => 'left'),
	tfm_tokenize('tiny', 'The cat sat on the mat.', max_length => 5, stride => 1);
SELECT * FROM tfm_tokens('tiny', 'the cat sat', pair => 'on the mat', max_length => 8, stride => 1, truncation => 'only_second');
SELECT * FROM tfm_tokens('tiny', 'the cat sat on the mat', max_length => 5, stride => 0, add_special_tokens => false);
SELECT id, token, start, "end", word, sequence FROM tfm_tokens('tiny', ARRAY['the cat', 'sat', ''], pair_words => '{mat}');
SELECT token, word, piece FROM tfm_tokens('tiny', ARRAY['the', 'cats', 'sat'], max_length => 4, stride => 0);
SELECT * FROM tfm_tokens('tiny', NULL::text[]);
SELECT tfm_tokens('tiny', ARRAY['the', NULL]);
SELECT tfm_tokenize('tiny', 'x', max_length => 0);
SELECT tfm_tokenize('tiny', 'x', max_length => 5, stride => -1);
SELECT tfm_tokenize('tiny', 'the cat sat on the mat', max_length => 5, stride => 5);
SELECT tfm_tokenize('tiny', 'x', truncation => 'all');
SELECT tfm_tokenize('tiny', 'x', truncation_side => 'up');
SELECT tfm_tokenize('tiny', 'x', max_length => NULL, truncation => NULL, add_special_tokens => NULL, pair => NULL);

-- Padding.
SELECT tfm_tokenize('tiny', 'the cat', max_length => 8, padding => 'max_length'),
	tfm_tokenize('tiny', 'the cat', pad_to_multiple_of => 5, padding => 'longest', padding_side => 'left'),
	tfm_tokenize('tiny', 'the cat', padding => 'do_not_pad', max_length => 8);
SELECT cardinality(tfm_tokenize('tiny', 'the cat', padding => 'max_length'));
SELECT id, token, special, attention_mask FROM tfm_tokens('tiny', 'the cat', padding => 'longest', pad_to_multiple_of => 6);
SELECT * FROM tfm_tokenize('tiny', ARRAY['the cat sat', 'the', NULL], padding => 'longest');
SELECT tfm_tokenize('tiny', 'x', padding => 'yes');
SELECT tfm_tokenize('tiny', 'x', padding => 'longest', pad_to_multiple_of => 0);
SELECT tfm_tokenize('tiny', 'x', padding => 'longest', padding_side => 'both');

-- Arrays.
SELECT * FROM tfm_tokenize('tiny', ARRAY['the cat', NULL, '', 'a mat']);
SELECT * FROM tfm_tokenize('tiny', ARRAY['the cat sat on the mat', 'the'], max_length => 6, stride => 2);
SELECT * FROM tfm_tokenize('tiny', ARRAY['the cat', 'the', NULL], pairs => ARRAY['a mat', NULL, 'a'], add_special_tokens => false);
SELECT * FROM tfm_tokenize('tiny', ARRAY['the cat'], pairs => '{}');
SELECT * FROM tfm_tokenize('tiny', '{}'::text[]);
SELECT ids = tfm_tokenize('the cat') AS same FROM tfm_tokenize(ARRAY['the cat']);
SELECT tfm_count_tokens('tiny', ARRAY[['the cat', NULL], ['', 'a mat']]), tfm_count_tokens(ARRAY['the cat']), tfm_count_tokens('tiny', '{}'::text[]);
-- With any number of threads the same, also the error: that of the first text that has one.
CREATE TABLE bodies AS SELECT array_agg('a query for a document ' || repeat(i || ' ', i % 50)) AS body FROM generate_series(1, 2000) AS i;
SET tfm.threads = 1;
CREATE TEMP TABLE alone AS SELECT number, ids FROM bodies, tfm_tokenize('tiny', body);
SET tfm.threads = 4;
SELECT count(*) AS rows, bool_and(alone.ids = t.ids) AS same FROM alone JOIN (SELECT number, ids FROM bodies, tfm_tokenize('tiny', body)) t USING (number);
SELECT count(*) FROM bodies, tfm_tokenize('tiny', body, max_length => 8, stride => 7);
RESET tfm.threads;
DROP TABLE bodies, alone;

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
SELECT current_setting('tfm.batching') AS batching \gset
SET tfm.batching = off;
SET tfm.batching = off;
EXPLAIN (COSTS OFF) SELECT sum(tfm_count_tokens('cased', body)) FROM docs;
RESET tfm.batching;
SET tfm.batching = :batching;
SELECT sum(tfm_count_tokens('cased', body)) = :alone AS same FROM docs;
DROP TABLE docs;

-- A model may have a tokenizer alone.
\set llama :golden '/chat/llama'
\set words :golden '/chat/words'
SET client_min_messages = notice;
\set VERBOSITY terse
SELECT tfm_load_model('words', :'words');
SELECT tfm_load_model('llama', :'llama');
SELECT name, family, model_type, architecture, task, parameters, dimensions, max_tokens, dtype, compute, state
FROM tfm_models WHERE name IN ('llama', 'words') ORDER BY name;
SELECT tfm_tokenize('llama', 'the cat'), tfm_tokenize('words', 'the cat');
SELECT tfm_embed('words', 'the cat');
SELECT tfm_embed('llama', 'the cat');
SELECT tfm_forward('llama', '{"input_ids": [[1, 2]]}');
SELECT tfm_similarity('words', 'a', 'b');
SET client_min_messages = warning;
-- By its directory, for those who may read files, and by its id.
SELECT tfm_tokenize(:'words', 'the cat') = tfm_tokenize('words', 'the cat') AS same;
SET tfm.model_path = :'golden';
SELECT tfm_tokenize('chat/words', 'the cat') = tfm_tokenize('words', 'the cat') AS same;
RESET tfm.model_path;

-- What each user may do.
CREATE ROLE regress_tfm_reader;
SET ROLE regress_tfm_reader;
SELECT tfm_tokenize('tiny', ARRAY['hello']);
SELECT tfm_tokens('tiny', 'hello');
SELECT tfm_detokenize('tiny', '{1}');
SELECT tfm_tokenize(:'words', 'hello');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER tiny TO regress_tfm_reader;
SET ROLE regress_tfm_reader;
SELECT tfm_detokenize('tiny', tfm_tokenize('tiny', 'hello'));
RESET ROLE;
DROP OWNED BY regress_tfm_reader;
DROP ROLE regress_tfm_reader;
SELECT tfm_drop_model(name::text) FROM tfm_models;
