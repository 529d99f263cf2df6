-- The raw forward pass.  The golden cases are all compared by the unit tests; here a few of them go
-- through SQL.
\getenv golden TFM_GOLDEN
\set bert :golden '/bert/BertModel'
SET client_min_messages = warning;

-- The largest difference to what Transformers gave, relative to the largest value of each output.
CREATE FUNCTION difference(directory text) RETURNS float8 LANGUAGE sql AS $$
	WITH pair AS (
		SELECT tfm_forward(directory, pg_read_file(directory || '/inputs.json')::jsonb) AS ours,
			pg_read_file(directory || '/expected.json')::jsonb AS theirs),
	output AS (
		SELECT key, value, ours -> key AS own FROM pair, jsonb_each(theirs)),
	element AS (
		SELECT key, a.value::float8 AS ours, b.value::float8 AS theirs
		FROM output,
			ROWS FROM (jsonb_array_elements_text(own -> 'data'), jsonb_array_elements_text(output.value -> 'data'))
				AS both_values (a, b),
			LATERAL (VALUES (a)) AS a (value), LATERAL (VALUES (b)) AS b (value)
		WHERE own -> 'shape' = output.value -> 'shape' AND own ->> 'dtype' = output.value ->> 'dtype')
	SELECT max(difference) FROM (
		SELECT max(abs(ours - theirs)) / max(abs(theirs)) AS difference FROM element GROUP BY key) AS d $$;
CREATE FUNCTION outputs(directory text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s %s %s', key, value ->> 'dtype', value -> 'shape'), '; ' ORDER BY key COLLATE "C")
	FROM jsonb_each(tfm_forward(directory, pg_read_file(directory || '/inputs.json')::jsonb)) $$;

SELECT name, outputs(:'golden' || '/' || name), difference(:'golden' || '/' || name) < 1e-4 AS close
FROM (VALUES ('bert/BertModel'), ('bert/BertForMaskedLM'), ('bert/BertForSequenceClassification'),
	('bert/BertForQuestionAnswering'), ('bert/BertModel-hidden_states'), ('roberta/RobertaModel'),
	('roberta/RobertaForTokenClassification'), ('distilbert/DistilBertModel'), ('mpnet/MPNetModel'),
	('xlm-roberta/XLMRobertaModel')) AS v (name);

-- The two forms of a tensor.
SELECT tfm_load_model('bert', :'bert');
SELECT tfm_forward('bert', '{"input_ids": [[10, 18, 13]]}')
	= tfm_forward('bert', '{"input_ids": {"dtype": "int64", "shape": [1, 3], "data": [10, 18, 13]}}') AS same;
-- Positions that the mask leaves out are zeros, and change nothing.
SELECT o #> '{last_hidden_state,shape}' AS shape,
	(SELECT count(*) FROM jsonb_array_elements(o #> '{last_hidden_state,data}') AS e WHERE e = '0') / (o #>> '{last_hidden_state,shape,2}')::int AS zeros,
	o -> 'pooler_output' = tfm_forward('bert', '{"input_ids": [[10, 18, 13]]}') -> 'pooler_output' AS same
FROM tfm_forward('bert', '{"input_ids": [[10, 18, 13, 0, 0]], "attention_mask": [[1, 1, 1, 0, 0]]}') AS o;
-- With any number of threads.
SET tfm.threads = 1;
SELECT tfm_forward('bert', pg_read_file(:'bert' || '/inputs.json')::jsonb) AS alone \gset
SET tfm.threads = 2;
SELECT tfm_forward('bert', pg_read_file(:'bert' || '/inputs.json')::jsonb) = :'alone'::jsonb AS same;
RESET tfm.threads;

-- Nothing, and mistakes.
SELECT tfm_forward('bert', NULL), tfm_forward(NULL, '{}');
SELECT tfm_forward('bert', '{}');
SELECT tfm_forward('bert', '[]');
SELECT tfm_forward('bert', '{"input_ids": []}');
SELECT tfm_forward('bert', '{"input_ids": "x"}');
SELECT tfm_forward('bert', '{"input_ids": [[1, 2], [3]]}');
SELECT tfm_forward('bert', '{"input_ids": [[1, 1000000]]}');
SELECT tfm_forward('bert', '{"input_ids": [[1, -1]]}');
SELECT tfm_forward('bert', '{"input_ids": [[1, 1.5]]}');
SELECT tfm_forward('bert', '{"input_ids": {"dtype": "int64", "shape": [2, 2], "data": [1, 2, 3]}}');
SELECT tfm_forward('bert', '{"input_ids": {"dtype": "int64", "shape": [1000000, 1000000, 1000000, 1000000], "data": []}}');
SELECT tfm_forward('bert', '{"input_ids": [[1, 2]], "attention_mask": [[1]]}');
SELECT tfm_forward('bert', '{"input_ids": [[1, 2]], "no_such_input": 1}');
SELECT tfm_forward('bert', jsonb_build_object('input_ids', jsonb_build_array(array_fill(1, ARRAY[5000]))));
\set VERBOSITY sqlstate
SELECT tfm_forward('bert', ('{"input_ids": ' || repeat('[', 1500) || repeat(']', 1500) || '}')::jsonb);
SET tfm.max_memory = '4kB';
SELECT tfm_forward('bert', pg_read_file(:'bert' || '/inputs.json')::jsonb);
RESET tfm.max_memory;
\set VERBOSITY default
SELECT jsonb_typeof(tfm_forward('bert', '{"input_ids": [[10, 18, 13]]}')) AS works;

SELECT tfm_drop_model('bert');
DROP FUNCTION difference, outputs;
