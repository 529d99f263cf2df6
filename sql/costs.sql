-- What the planner knows of models: costs by their size and that of texts, and rows.
\set VERBOSITY terse
\getenv golden TFM_GOLDEN
\set mean :golden '/sentence/mean'
\set llama :golden '/generation/llama'
SET client_min_messages = warning;
SELECT tfm_load_model('costs_mean', :'mean'), tfm_load_model('costs_llama', :'llama');

-- the plans as they are before calls are batched
DO $$ BEGIN
	PERFORM set_config(name, 'off', false) FROM pg_settings WHERE name = 'tfm.batching';
END $$;
CREATE TABLE costs_docs (id int, short text, long text);
INSERT INTO costs_docs SELECT i, 'text ' || i, repeat('text ', 100) || i FROM generate_series(1, 20000) i;
CREATE TABLE costs_few AS SELECT * FROM costs_docs LIMIT 10;
ANALYZE costs_docs, costs_few;

CREATE FUNCTION plan_of(query text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN plan -> 0 -> 'Plan';
END $$;
CREATE FUNCTION cost_of(query text) RETURNS float LANGUAGE sql AS $$ SELECT (plan_of(query) ->> 'Total Cost')::float $$;
CREATE FUNCTION rows_of(query text) RETURNS int LANGUAGE sql AS $$ SELECT (plan_of(query) ->> 'Plan Rows')::int $$;
CREATE FUNCTION filter_of(query text) RETURNS text LANGUAGE sql AS $$ SELECT plan_of(query) ->> 'Filter' $$;
CREATE FUNCTION is_parallel(query text) RETURNS boolean LANGUAGE sql AS $$ SELECT plan_of(query)::text ~ 'Workers Planned' $$;

-- cheap conditions come first, whichever way they are written
SET max_parallel_workers_per_gather = 0;
SELECT filter_of($$SELECT FROM costs_docs WHERE tfm_similarity('costs_mean', short, 'x') > 0.5 AND id < 10$$);
SELECT filter_of($$SELECT FROM costs_docs WHERE tfm_similarity('costs_mean', short, 'x') > 0.5 AND tfm_count_tokens('costs_mean', short) < 9 AND id < 10$$);
SELECT filter_of($$SELECT FROM costs_docs WHERE tfm_filter('costs_llama', short, 'is short') AND tfm_similarity('costs_mean', short, 'x') > 0.5$$);

-- costs grow with texts, models and tokens that are generated
SELECT cost_of($$SELECT tfm_embed('costs_mean', long) FROM costs_docs$$) > 2 * cost_of($$SELECT tfm_embed('costs_mean', short) FROM costs_docs$$) AS longer;
SELECT cost_of($$SELECT tfm_embed('costs_llama', short) FROM costs_docs$$) > cost_of($$SELECT tfm_embed('costs_mean', short) FROM costs_docs$$) AS larger;
SELECT cost_of($$SELECT tfm_generate('costs_llama', short) FROM costs_docs$$)
	> cost_of($$SELECT tfm_generate('costs_llama', short, max_new_tokens => 2) FROM costs_docs$$) AS more_tokens;
SELECT cost_of($$SELECT tfm_generate('costs_llama', ARRAY[short, short, short]) FROM costs_docs$$)
	> 2 * cost_of($$SELECT tfm_generate('costs_llama', short) FROM costs_docs$$) AS more_texts;
SET tfm.embed_model = 'costs_mean';
SELECT cost_of($$SELECT tfm_embed(short) FROM costs_docs$$) < 2 * cost_of($$SELECT tfm_embed('costs_mean', short) FROM costs_docs$$) AS setting;
SELECT cost_of($$SELECT tfm_embed(short, short) FROM costs_docs$$) > 5 * cost_of($$SELECT tfm_embed('costs_mean', short) FROM costs_docs$$) AS unknown;
SELECT cost_of($$SELECT tfm_embed('no such model', short) FROM costs_docs$$) > 5 * cost_of($$SELECT tfm_embed('costs_mean', short) FROM costs_docs$$) AS missing;

-- large tables are worth workers, one row is not, however slow the model
RESET max_parallel_workers_per_gather;
SET min_parallel_table_scan_size = 0;
SELECT is_parallel($$SELECT tfm_embed(short, short) FROM costs_docs$$) AS large,
	is_parallel($$SELECT tfm_embed(short, short) FROM costs_few$$) AS few,
	is_parallel($$SELECT tfm_embed(short, long) FROM costs_docs LIMIT 1$$) AS one,
	is_parallel($$SELECT tfm_generate(short, long, max_new_tokens => 100000) FROM costs_docs LIMIT 1$$) AS slow;
RESET min_parallel_table_scan_size;

-- rows of sets
SELECT rows_of($$SELECT * FROM tfm_classify_all('costs_llama', 'x', ARRAY['a', 'b', 'c'])$$) AS labels,
	rows_of($$SELECT * FROM tfm_generate_stream('costs_llama', 'x', max_new_tokens => 12)$$) AS pieces,
	rows_of($$SELECT * FROM tfm_tokenize('costs_mean', ARRAY['a', 'b', 'c', 'd'])$$) AS texts,
	rows_of($$SELECT * FROM tfm_tokens('costs_mean', repeat('text ', 100))$$) BETWEEN 50 AND 500 AS tokens,
	rows_of($$SELECT * FROM tfm_chunk('costs_mean', repeat('text ', 100), 20)$$) BETWEEN 2 AND 20 AS chunks;

-- arguments that the planner does not know, and nonsense
SELECT cost_of($$SELECT tfm_embed(NULL, short) FROM costs_docs$$) >= 0 AS nothing, cost_of($$SELECT tfm_embed('costs_mean', NULL::text)$$) >= 0 AS no_text,
	rows_of($$SELECT * FROM tfm_generate_stream('costs_llama', 'x', max_new_tokens => -5)$$) AS negative,
	rows_of($$SELECT * FROM tfm_tokenize('costs_mean', (SELECT array_agg(short) FROM costs_few))$$) AS unknown;

DROP TABLE costs_docs, costs_few;
DROP FUNCTION plan_of, cost_of, rows_of, filter_of, is_parallel;
SELECT tfm_drop_model('costs_mean'), tfm_drop_model('costs_llama');
