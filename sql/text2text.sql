-- Summaries and translations.
\getenv golden TFM_GOLDEN
\set llama :golden '/generation/llama'
\set t5 :golden '/generation/t5'
\set mean :golden '/sentence/mean'
SET client_min_messages = warning;
SELECT tfm_load_model('llama', :'llama'), tfm_load_model('t5', :'t5'), tfm_load_model('tiny', :'mean');

-- A function, and the pipeline that it is: four beams, 256 new tokens.
SELECT tfm_summarize('t5', 'one two three', max_new_tokens => 6) =
	tfm_pipeline('summarization', 't5', '"one two three"', '{"max_new_tokens": 6}') -> 0 ->> 'summary_text' AS summary,
	tfm_translate('t5', 'one two three', 'en', 'fr', max_new_tokens => 6) =
	tfm_pipeline('translation_en_to_fr', 't5', '"one two three"', '{"max_new_tokens": 6}') -> 0 ->> 'translation_text' AS translation;
SELECT tfm_summarize('t5', 'one two three', max_new_tokens => 6, options => '{"num_beams": 1}') =
	tfm_generate('t5', 'one two three', max_new_tokens => 6) AS greedy,
	tfm_summarize('t5', 'one two three', max_new_tokens => 6, num_beams => 1) =
	tfm_summarize('t5', 'one two three', max_new_tokens => 6, options => '{"num_beams": 1}') AS named;

-- What the pipelines give for one input, a list, several sequences, ids.
SELECT jsonb_typeof(r) AS result, jsonb_array_length(r) AS length, jsonb_typeof(r -> 0) AS element
FROM (VALUES ('"one"'::jsonb, 1), ('["one"]', 1), ('["one", "two"]', 1), ('"one"', 2), ('["one", "two"]', 2)) AS v (inputs, sequences),
	LATERAL tfm_pipeline('text2text-generation', 't5', inputs,
		jsonb_build_object('max_new_tokens', 2, 'num_return_sequences', sequences)) AS r;
SELECT r -> 'dtype' AS dtype, r -> 'shape' AS shape, jsonb_array_length(r -> 'data') AS ids
FROM (SELECT tfm_pipeline('text2text-generation', 't5', '"one"',
	'{"max_new_tokens": 3, "min_new_tokens": 3, "return_tensors": true}') -> 0 -> 'generated_token_ids' AS r) AS s;

-- Arrays keep their shape; NULLs stay.
SELECT array_dims(a) AS dimensions, a[1][2] IS NULL AS "null", a[2][1] = tfm_summarize('t5', 'b', max_new_tokens => 3) AS same
FROM tfm_summarize('t5', ARRAY[['a', NULL], ['b', 'c']], max_new_tokens => 3) AS a;
SELECT tfm_summarize('t5', ARRAY[]::text[]), tfm_summarize('t5', NULL::text), tfm_summarize(NULL, 'a'), tfm_translate(NULL, ARRAY['a']);
SELECT cardinality(tfm_translate('t5', ARRAY['a', 'b'], 'en', 'de', max_new_tokens => 2)) AS texts;

-- Many rows are computed together, with the same results.
SET tfm.batching = on;
EXPLAIN (COSTS OFF) SELECT tfm_summarize('t5', 'text ' || i, max_new_tokens => 3) FROM generate_series(1, 9) AS i;
RESET tfm.batching;
SELECT bool_and(summary = tfm_summarize('t5', input, max_new_tokens => 3)) AS same
FROM (SELECT 'text ' || i AS input, tfm_summarize('t5', 'text ' || i, max_new_tokens => 3) AS summary
	FROM generate_series(1, 9) AS i OFFSET 0) AS s;

-- A model for text generation is asked in words.
SET tfm.generate_model = 'llama';
SELECT tfm_summarize('one two') = tfm_summarize('llama', 'one two') AS "of the setting";
SELECT tfm_translate('llama', 'one', tgt_lang => 'French', max_new_tokens => 2) IS NOT NULL AS translated;
SELECT tfm_translate('llama', 'one');
RESET tfm.generate_model;
SELECT tfm_summarize('one two');

-- A summary of a group: in parts where it is too long.
SELECT tfm_summarize_agg('t5', t) = (SELECT tfm_summarize_agg('t5', E'one\n\ntwo')) AS together
FROM (VALUES ('one'), (NULL), ('two')) AS v (t);
SELECT tfm_summarize_agg('t5', repeat('one two three ', 200)) IS NOT NULL AS parts FROM generate_series(1, 3);
SELECT tfm_summarize_agg('t5', t) IS NULL AS nothing FROM (VALUES (NULL::text)) AS v (t);

-- What cannot be.
SELECT tfm_summarize('t5', 'one', options => '{"beams": 2}');
SELECT tfm_summarize('t5', 'one', options => '{"truncation": "some"}');
SELECT tfm_summarize('tiny', 'one');
SELECT tfm_pipeline('text2text-generation', 'llama', '"one"');
SELECT tfm_pipeline('summarization', 't5', '{"documents": 1}');
SELECT tfm_drop_model('llama'), tfm_drop_model('t5'), tfm_drop_model('tiny');
