-- Questions answered from passages that a query has found.
\getenv golden TFM_GOLDEN
\set bart :golden '/pipeline/summarization/bart'
\set llama :golden '/generation/llama'
\set mean :golden '/sentence/mean'
SET client_min_messages = warning;
SELECT tfm_load_model('bart', :'bart'), tfm_load_model('llama', :'llama'), tfm_load_model('tiny', :'mean');
CREATE TEMP TABLE passages (id int, title text, body text, embedding tfm_vector);
INSERT INTO passages SELECT id, title, body, tfm_embed('tiny', body) FROM (VALUES
	(1, '"Lima"', 'Parcels to Lima take longer than others.'), (2, 'Anna', 'Anna Berg moved to São Paulo in May 2021.'),
	(3, 'Cake', 'The café near the museum sells 42 kinds of cake.')) AS v (id, title, body);

-- A passage is put before the question as Transformers' retriever does it: title / passage // question.
SELECT tfm_rag('bart', 'who  moved?', ARRAY['She  did.'], ARRAY['"Anna"'], max_new_tokens => 6) =
	tfm_generate('bart', 'Anna / She did. // who moved?', max_new_tokens => 6) AS same;
SELECT tfm_rag('bart', 'who moved?', ARRAY['She did.'], max_new_tokens => 6) =
	tfm_generate('bart', ' / She did. // who moved?', max_new_tokens => 6) AS same;

-- Of several passages one with a far better score decides.
SELECT r[1] = one AS first, r[2] = two AS second, one <> two AS differ
FROM (SELECT ARRAY(SELECT tfm_rag('bart', 'why?', ARRAY[a, b], scores => s, max_new_tokens => 6)
		FROM (VALUES ('{1000, 0}'::float8[]), ('{0, 1000}')) AS w (s)) AS r,
	tfm_rag('bart', 'why?', ARRAY[a], max_new_tokens => 6) AS one, tfm_rag('bart', 'why?', ARRAY[b], max_new_tokens => 6) AS two
	FROM (SELECT min(body) AS a, max(body) AS b FROM passages) AS p) AS s;
SELECT tfm_rag('bart', 'why?', ARRAY['b', 'a', 'a'], max_new_tokens => 6) IS NOT NULL AS answered;

-- The retriever: the table, by distance.
SELECT tfm_rag('bart', 'who moved?', array_agg(body), array_agg(title), array_agg(score), max_new_tokens => 4) IS NOT NULL AS answered
FROM (SELECT title, body, -(embedding <#> q) AS score FROM passages, tfm_embed('tiny', 'who moved?') AS q
	ORDER BY embedding <#> q LIMIT 2) AS found;
SELECT answer = tfm_pipeline('retrieval-augmented-generation', 'bart',
	'{"question": "why?", "passages": ["a", "b"], "scores": [1, 2]}', '{"max_new_tokens": 4}') ->> 'answer' AS same
FROM tfm_rag('bart', 'why?', ARRAY['a', 'b'], scores => '{1, 2}', max_new_tokens => 4) AS answer;

-- A model for text generation sees all of them.
SELECT tfm_rag('llama', 'why?', ARRAY['b', 'a'], max_new_tokens => 3) IS NOT NULL AS answered;

-- Many questions are computed together.
SET tfm.batching = on;
EXPLAIN (COSTS OFF) SELECT tfm_rag('bart', body, ARRAY['a'], max_new_tokens => 3) FROM passages;
RESET tfm.batching;
SELECT bool_and(r = tfm_rag('bart', body, ARRAY['a'], max_new_tokens => 3)) AS same
FROM (SELECT body, tfm_rag('bart', body, ARRAY['a'], max_new_tokens => 3) AS r FROM passages OFFSET 0) AS s;
SELECT tfm_rag('bart', NULL, ARRAY['a']), tfm_rag('bart', 'x', NULL), tfm_rag(NULL, 'x', ARRAY['a']);

-- What cannot be.
SELECT tfm_rag('bart', 'x', '{}');
SELECT tfm_rag('bart', 'x', ARRAY[NULL]);
SELECT tfm_rag('bart', 'x', ARRAY['a'], ARRAY['b', 'c']);
SELECT tfm_rag('bart', 'x', ARRAY['a'], scores => '{1, 2}');
SELECT tfm_rag('bart', 'x', ARRAY['a'], scores => '{NaN}');
SELECT tfm_rag('tiny', 'x', ARRAY['a']);
SELECT tfm_drop_model('bart'), tfm_drop_model('llama'), tfm_drop_model('tiny');
