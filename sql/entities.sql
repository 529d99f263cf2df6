-- What models find in texts: entities, labels of tokens.
\getenv golden TFM_GOLDEN
\set entities :golden '/cookbook/entities'
\set words :golden '/pipeline/token-classification/words'
SET client_min_messages = warning;
SELECT tfm_load_model('entities', :'entities'), tfm_load_model('words', :'words');

-- Positions are those of characters, whatever the token is called.
SELECT entity_group, word, start, "end", substr(t, start + 1, "end" - start) AS covered
FROM (VALUES ('Anna Berg writes from anna@example.org.')) v (t), tfm_entities('entities', t);
SELECT e.*, substr(t, e.start + 1, e."end" - e.start) AS covered
FROM (VALUES ('東京 — Élodie')) v (t), LATERAL (SELECT entity_group, start, "end" FROM tfm_entities('words', t, 'first', ignore_labels => '{}')) e;

-- The pipeline that it is, with every strategy.
SELECT strategy, count(*) > 0 AS found, bool_and(to_jsonb(e) ->> 'word' = p ->> 'word' AND e.start = (p ->> 'start')::int
	AND abs(e.score - (p ->> 'score')::float8) < 1e-6) AS same
FROM unnest(ARRAY['simple', 'first', 'average', 'MAX']) strategy,
	tfm_entities('words', 'Anna Berg isn''t in Zürich.', strategy, ARRAY[]::text[]) WITH ORDINALITY AS e (entity_group, score, word, start, "end", n)
	JOIN LATERAL jsonb_array_elements(tfm_pipeline('ner', 'words', '"Anna Berg isn''t in Zürich."',
		jsonb_build_object('aggregation_strategy', strategy, 'ignore_labels', '[]'::jsonb))) WITH ORDINALITY AS r (p, n) ON r.n = e.n
GROUP BY strategy ORDER BY strategy;

-- Arrays, NULLs, and options.
SELECT number, entity_group, word FROM tfm_entities('entities', ARRAY['The parcel for Li Wei went to Oslo.', NULL, '', 'Please call Anna Berg.']);
SELECT count(*) AS none FROM tfm_entities('entities', 'Anna Berg', ignore_labels => '{O,PER}');
SELECT count(*) AS none FROM tfm_entities('entities', NULL::text);
SELECT count(*) AS none FROM tfm_entities(NULL, 'Anna Berg');
SELECT count(*) AS none FROM tfm_entities('entities', ARRAY[]::text[]);
SELECT max("end") < 300 AS cut FROM tfm_entities('words', repeat('Anna Berg ', 100), ignore_labels => '{}');
SELECT max("end") > 900 AS whole FROM tfm_entities('words', repeat('Anna Berg ', 100), ignore_labels => '{}', stride => 4);

-- Tokens.
SELECT index, entity, word, start, "end" FROM tfm_tag_tokens('entities', 'Anna Berg is in Oslo.');
SELECT number, count(*) FROM tfm_tag_tokens('words', ARRAY['Anna', NULL, 'Anna Berg'], ignore_labels => '{}') GROUP BY number ORDER BY number;
SELECT jsonb_path_query_array(tfm_pipeline('token-classification', 'words', '["Anna", "Berg"]', '{"is_split_into_words": true, "ignore_labels": []}'), '$[0][*].start') AS starts;

-- Rows of a table are computed together where the pipeline gives one value for each.
SET tfm.batching = on;
EXPLAIN (COSTS OFF) SELECT tfm_pipeline('ner', 'entities', to_jsonb('Anna ' || i)) FROM generate_series(1, 9) i;
RESET tfm.batching;
SELECT bool_and(p = tfm_pipeline('ner', 'entities', to_jsonb(t))) AS same
FROM (SELECT t, tfm_pipeline('ner', 'entities', to_jsonb(t)) AS p FROM (SELECT 'Anna Berg ' || i AS t FROM generate_series(1, 9) i) s OFFSET 0) r;

-- What cannot be.
SELECT tfm_entities('entities', 'a', 'none');
SELECT tfm_entities('entities', 'a', NULL);
SELECT tfm_entities('entities', 'a', 'median');
SELECT tfm_entities('entities', 'a', stride => 1000);
SELECT tfm_pipeline('ner', 'entities', '"a"', '{"stride": 1, "aggregation_strategy": "none"}');
SELECT tfm_pipeline('ner', 'entities', '"a"', '{"is_split_into_words": true}');
SELECT tfm_pipeline('ner', 'entities', '["a", 1]', '{"is_split_into_words": true}');
SELECT tfm_pipeline('ner', 'entities', '{"a": 1}');
SELECT tfm_drop_model('entities'), tfm_drop_model('words');
