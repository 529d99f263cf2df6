-- Texts that go on.
\getenv golden TFM_GOLDEN
\set llama :golden '/generation/llama'
\set t5 :golden '/generation/t5'
\set mean :golden '/sentence/mean'
SET client_min_messages = warning;
SELECT tfm_load_model('llama', :'llama'), tfm_load_model('t5', :'t5'), tfm_load_model('tiny', :'mean');
SELECT name, task FROM tfm_models WHERE name IN ('llama', 't5', 'tiny') ORDER BY name;

-- Token ids, as Transformers' generate() has them: padding on both sides, beams, scores.
SELECT tfm_generate_ids('llama', '[[1,136,183,193,145,237,7],[1,33,268,219]]', '{"max_new_tokens": 4, "do_sample": false}');
SELECT jsonb_array_length(tfm_generate_ids('llama', '[[1,136,183]]',
	'{"max_new_tokens": 3, "num_beams": 4, "num_return_sequences": 2}')) AS sequences;
SELECT jsonb_array_length(r -> 'sequences') AS sequences, jsonb_array_length(r -> 'transition_scores' -> 0) AS scores,
	jsonb_array_length(r -> 'logits' -> 0 -> 0) > 100 AS logits
FROM tfm_generate_ids('llama', '[[1,136,183]]', '{"max_new_tokens": 3, "return_dict_in_generate": true,
	"output_scores": true, "output_logits": true, "eos_token_id": null}') AS r;
SELECT jsonb_array_length(tfm_generate_ids('t5', '[[20, 30, 40]]', '{"max_new_tokens": 5, "min_new_tokens": 5}') -> 0) AS "start and new ones";

-- One text, many texts: the same, whatever else is computed beside them.
SELECT tfm_generate('llama', 'one two', max_new_tokens => 6) = (tfm_generate('llama',
	ARRAY['three', 'one two', 'four five six'], max_new_tokens => 6))[2] AS same;
SELECT tfm_generate('llama', ARRAY[['a', NULL], ['b', 'c']], max_new_tokens => 2) IS NOT NULL AS made,
	array_dims(tfm_generate('llama', ARRAY[['a', NULL], ['b', 'c']], max_new_tokens => 2));
SELECT tfm_generate('llama', ARRAY[]::text[]), tfm_generate('llama', NULL::text), tfm_generate(NULL, 'a');
SELECT position('one two' IN tfm_generate('llama', 'one two', max_new_tokens => 2, options => '{"return_full_text": true}')) > 0 AS with_prompt;
SET tfm.generate_model = 'llama';
SELECT tfm_generate('one two') IS NOT NULL AS made, array_length(tfm_generate(ARRAY['a', 'b']), 1) AS texts;
RESET tfm.generate_model;
SELECT tfm_generate('one two');

-- Sampling draws from its seed.
SELECT tfm_generate('llama', 'one', max_new_tokens => 8, seed => 1) = tfm_generate('llama', 'one', max_new_tokens => 8, seed => 1) AS repeats,
	count(DISTINCT tfm_generate('llama', 'one', max_new_tokens => 8, temperature => 2, seed => s)) > 1 AS differs
FROM generate_series(1, 8) AS s;
SELECT tfm_generate('llama', 'one', max_new_tokens => 8, temperature => 0) = tfm_generate('llama', 'one', max_new_tokens => 8) AS greedy;

-- How earlier tokens are kept touches neither the text nor the model.
SET tfm.cache_type = 'f32';
SELECT tfm_generate('llama', 'one two three', max_new_tokens => 4) AS first \gset
SET tfm.prefix_cache = 0;
SELECT tfm_generate('llama', 'one two three', max_new_tokens => 4) = :'first' AS same;
RESET tfm.prefix_cache;
RESET tfm.cache_type;

-- Output that must match.
SELECT tfm_generate('llama', 'a', choices => ARRAY['yes', 'no']) IN ('yes', 'no') AS one_of_them;
SELECT tfm_generate('llama', 'a', regex => '[0-9]{3}-[0-9]{2}') ~ '^[0-9]{3}-[0-9]{2}$' AS matches;
SELECT tfm_generate('llama', 'a', grammar => 'root ::= "x" [yz]{2,3} "."') ~ '^x[yz]{2,3}\.$' AS matches;
SELECT jsonb_typeof(tfm_generate('llama', 'a', json_schema => '{"type": "object", "properties": {"n": {"type": "integer"}},
	"required": ["n"]}')::jsonb -> 'n') AS type;
-- Text as it comes adds up to the whole.
SELECT string_agg(piece, '') = tfm_generate('llama', 'one two', max_new_tokens => 9) AS same, count(*) > 1 AS pieces
FROM tfm_generate_stream('llama', 'one two', max_new_tokens => 9) AS piece;
BEGIN;
DECLARE c CURSOR FOR SELECT tfm_generate_stream('llama', 'one two', max_new_tokens => 40) IS NOT NULL AS piece;
FETCH 2 FROM c;
SELECT tfm_generate('llama', 'in between', max_new_tokens => 3) IS NOT NULL AS beside;
FETCH 1 FROM c;
CLOSE c;
COMMIT;

-- Groups, of any size: the tiny model has room for few texts at once.
SELECT g, tfm_generate_agg('llama', 'say', body, '{"max_new_tokens": 4}'::jsonb) IS NOT NULL AS answered
FROM (SELECT i % 2 AS g, 'text ' || i AS body FROM generate_series(1, 60) AS i) AS t GROUP BY g ORDER BY g;
SELECT tfm_generate_agg('llama', 'say', NULL::text) IS NULL AS nothing;

-- Conversations; a template is given since this model has none.
SELECT tfm_chat('llama', '[{"role": "user", "content": "hi"}]', max_new_tokens => 3,
	chat_template => '{{ messages[0].content }}') ->> 'role' AS role;
SELECT tfm_chat('llama', '[{"role": "user", "content": "hi"}]');

-- What cannot be done is said.
SELECT tfm_generate('tiny', 'a');
SELECT tfm_generate('llama', 'a', options => '{"nonsense": 1}');
SELECT tfm_generate('llama', 'a', options => '{"num_beams": "many"}');
SELECT tfm_generate('llama', 'a', options => '[]');
SELECT tfm_generate('llama', 'a', max_new_tokens => -1);
SELECT tfm_generate('llama', 'a', max_new_tokens => 100000);
SELECT tfm_generate('llama', 'a', choices => ARRAY['yes', NULL]);
SELECT tfm_generate('llama', 'a', choices => ARRAY['yes'], regex => 'a');
SELECT tfm_generate('llama', 'a', regex => '(');
SELECT tfm_generate_ids('llama', '[[1, 100000]]');
SELECT tfm_generate_ids('llama', '{}');
SELECT tfm_generate_stream('llama', 'a', num_beams => 2);
SELECT tfm_classify('llama', 'a', ARRAY[]::text[]);
SELECT tfm_classify('llama', 'a', ARRAY['good', 'bad']);
SELECT tfm_summarize_agg('llama', 'a text');
SELECT tfm_drop_model('llama'), tfm_drop_model('t5'), tfm_drop_model('tiny');
