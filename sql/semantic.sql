-- What a model says of a text, in SQL's own terms.
\getenv golden TFM_GOLDEN
\set llama :golden '/generation/llama_long'
\set reranker :golden '/cross_encoder/sigmoid'
\set identity :golden '/cross_encoder/identity'
\set mean :golden '/sentence/mean'
SET client_min_messages = warning;
SELECT tfm_load_model('llama', :'llama'), tfm_load_model('reranker', :'reranker'),
	tfm_load_model('identity', :'identity'), tfm_load_model('tiny', :'mean');

-- A filter is the more probable of two answers.
SELECT tfm_filter('llama', 'one', 'it is a number') IS NOT NULL AS answered,
	tfm_filter('llama', NULL, 'it is a number') AS no_text;
SELECT tfm_filter('tiny', 'one', 'it is a number');
SET tfm.generate_model = 'llama';
SELECT tfm_filter('one', 'it is a number') = tfm_filter('llama', 'one', 'it is a number') AS same;
SELECT tfm_classify('one', ARRAY['a', 'b']) = tfm_classify('llama', 'one', ARRAY['a', 'b']) AS same;
RESET tfm.generate_model;

-- What is extracted is of the schema, whatever the model would have liked to say.
SELECT jsonb_typeof(e) AS type, jsonb_typeof(e -> 'found') AS found
FROM tfm_extract('llama', 'one two', '{"type": "object", "properties": {"found": {"type": "boolean"}},
	"required": ["found"], "additionalProperties": false}') AS e;
SELECT tfm_extract('llama', 'one two', '{"enum": ["only"]}', instruction => 'Say it.');
SELECT tfm_extract('llama', 'one two', '{"type": "string", "minLength": 50}', options => '{"max_new_tokens": 3}');
SELECT tfm_extract('llama', NULL, '{"enum": ["only"]}') AS no_text;

-- Cross-encoders score pairs; the activation is the model's.
SELECT round(tfm_rerank('reranker', 'the cat', 'The cat sat on the mat.')::numeric, 3) AS score,
	round(tfm_rerank('identity', 'the cat', 'The cat sat on the mat.')::numeric, 3) AS logit;
SELECT document FROM (VALUES ('hello'), ('The cat sat on the mat.'), ('PostgreSQL is a database server.')) AS d (document)
ORDER BY tfm_rerank('reranker', 'the cat', document) DESC;
SET tfm.rerank_model = 'reranker';
SELECT tfm_rerank('the cat', 'hello') = tfm_rerank('reranker', 'the cat', 'hello') AS same;
RESET tfm.rerank_model;
SELECT tfm_rerank('the cat', 'hello');
SELECT tfm_rerank('tiny', 'the cat', 'hello');
SELECT tfm_drop_model(name) FROM tfm_models ORDER BY name;
