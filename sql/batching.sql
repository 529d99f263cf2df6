-- Transparent batching: the same results as row by row, and where the scan stands.
\getenv golden TFM_GOLDEN
\set model :golden /sentence/mean
SELECT tfm_load_model('batcher', :'model');
SET tfm.batching = on;
SET tfm.embed_model = 'batcher';
SET max_parallel_workers_per_gather = 0;
SET jit = off;

CREATE TABLE batch_docs (id int PRIMARY KEY, body text, kind int, word text);
INSERT INTO batch_docs
	SELECT i, CASE WHEN i % 13 <> 0 THEN 'text ' || i % 50 || repeat(' more', i % 4) END, i % 5, 'w' || i % 3
	  FROM generate_series(1, 120) i;
CREATE TABLE batch_kinds AS SELECT i AS kind, 'kind ' || i AS title FROM generate_series(0, 5) i;
CREATE TABLE batch_wide (id int, body text) PARTITION BY RANGE (id);
CREATE TABLE batch_wide1 PARTITION OF batch_wide FOR VALUES FROM (0) TO (40);
CREATE TABLE batch_wide2 PARTITION OF batch_wide FOR VALUES FROM (40) TO (80);
INSERT INTO batch_wide SELECT id, body FROM batch_docs WHERE id < 80;
CREATE INDEX ON batch_wide (id);
VACUUM ANALYZE batch_docs, batch_kinds, batch_wide;

-- The number of batching scans in a query's plan
CREATE FUNCTION batch_nodes(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	line text;
	nodes int := 0;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		nodes := nodes + (line LIKE '%Custom Scan (TfmBatch)%')::int;
	END LOOP;
	RETURN nodes;
END $$;

-- The rows of a query, or its error
CREATE FUNCTION batch_result(query text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	r record;
	rows text[] := '{}';
BEGIN
	FOR r IN EXECUTE query LOOP
		rows := rows || r::text;
	END LOOP;
	RETURN rows;
EXCEPTION WHEN raise_exception OR data_exception OR undefined_object THEN
	RETURN ARRAY['error: ' || SQLERRM];
END $$;

-- A query with batching and without
CREATE FUNCTION batch_compare(query text, OUT batched boolean, OUT count int, OUT same boolean) LANGUAGE plpgsql AS $$
DECLARE
	together text[];
	single text[];
BEGIN
	batched := batch_nodes(query) > 0;
	together := batch_result(query);
	PERFORM set_config('tfm.batching', 'off', false);
	IF batch_nodes(query) > 0 THEN
		RAISE 'it is not off';
	END IF;
	single := batch_result(query);
	PERFORM set_config('tfm.batching', 'on', false);
	count := cardinality(single);
	same := together = single;
	IF together[1] LIKE 'error:%' THEN
		RAISE NOTICE '%', together[1];
	END IF;
END $$;

-- A statement that changes batch_docs, and what it leaves there
CREATE FUNCTION batch_compare_change(statement text, OUT batched boolean, OUT changed int, OUT same boolean) LANGUAGE plpgsql AS $$
DECLARE
	after text[];
	state text;
BEGIN
	batched := batch_nodes(statement) > 0;
	FOR batching IN 0..1 LOOP
		PERFORM set_config('tfm.batching', batching::text, false);
		BEGIN
			EXECUTE statement;
			GET DIAGNOSTICS changed = ROW_COUNT;
			SELECT string_agg(line, E'\n' ORDER BY line COLLATE "C") INTO state
			  FROM (SELECT d::text AS line FROM batch_docs d UNION ALL SELECT w::text FROM batch_wide w) l;
			RAISE 'undo';
		EXCEPTION WHEN raise_exception THEN
			after := after || (changed || SQLERRM || state);
		END;
	END LOOP;
	same := after[1] = after[2];
END $$;

-- Target lists
SELECT * FROM batch_compare($$SELECT id, tfm_embed('batcher', body) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT tfm_embed(body) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT d, tfm_embed(body), d.ctid, d.tableoid::regclass FROM batch_docs d$$);
SELECT * FROM batch_compare($$SELECT id, tfm_embed('batcher', 'query: ' || body, "normalize" => true) <=> tfm_embed(word) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT tfm_embed('batcher', body, dimensions => 1 + id % 16) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT id, tfm_embed(tfm_embed(body)::text) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT tfm_embed(body) <-> tfm_embed(word), tfm_embed(word) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT CASE WHEN id % 2 = 0 THEN 'batcher' END, tfm_embed(CASE WHEN id % 2 = 0 THEN 'batcher' END, body) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT ROW(id, tfm_embed(body)), ARRAY[tfm_embed(body), tfm_embed(word)] FROM batch_docs$$);

-- Filters
SELECT * FROM batch_compare($$SELECT id FROM batch_docs WHERE tfm_embed('batcher', body) <-> tfm_embed('batcher', 'text 7') < 0.2$$);
SELECT * FROM batch_compare($$SELECT id, tfm_embed(word) FROM batch_docs WHERE kind > 1 AND tfm_embed(body) <=> tfm_embed(word) < 0.6$$);
SELECT * FROM batch_compare($$SELECT id FROM batch_docs WHERE tfm_embed(body) <=> tfm_embed('text 7') < 0.5 AND tfm_embed(word) <=> tfm_embed('w2') < 0.5$$);
SELECT * FROM batch_compare($$SELECT id FROM batch_docs WHERE tfm_embed(body) IS NULL OR kind = 3$$);
SELECT * FROM batch_compare($$SELECT id FROM batch_docs WHERE id BETWEEN 20 AND 60 AND tfm_embed(body) IS NOT NULL ORDER BY id$$);
SELECT * FROM batch_compare($$SELECT id FROM batch_docs WHERE kind IN (SELECT kind FROM batch_kinds WHERE tfm_embed(title) <=> tfm_embed('kind 1') < 0.1)$$);
SELECT * FROM batch_compare($$SELECT id FROM batch_docs WHERE tfm_embed(body) IN (SELECT tfm_embed('text ' || kind) FROM batch_kinds)$$);

-- Conditions: what is not reached is not computed
SELECT * FROM batch_compare($$SELECT CASE WHEN kind = 1 THEN tfm_embed(body) WHEN kind = 2 THEN tfm_embed(word) ELSE tfm_embed('x') END FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT CASE kind WHEN 1 THEN tfm_embed(body) WHEN 2 THEN tfm_embed(word) END FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT tfm_embed(CASE kind WHEN 1 THEN word WHEN 2 THEN CASE id WHEN 7 THEN 'seven' ELSE body END ELSE 'none' END) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT CASE CASE kind WHEN 1 THEN 'a' ELSE body END WHEN 'a' THEN tfm_embed(word) ELSE tfm_embed(body) END FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT CASE tfm_embed(body) WHEN tfm_embed('text 2') THEN tfm_embed(CASE kind WHEN 2 THEN word END) END FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT CASE WHEN id > 10 THEN tfm_embed((100 / (id - 10))::text) END FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT tfm_embed((100 / (id - 10))::text) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT COALESCE(tfm_embed(body), tfm_embed(word)) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT COALESCE(NULLIF(body, 'text 2'), tfm_embed(word)::text, (1 / (id - id))::text) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT id FROM batch_docs WHERE kind = 1 OR tfm_embed(body) <=> tfm_embed(word) < 0.5 AND NOT (id = 7 OR tfm_embed('text') <=> tfm_embed(body) > 0.9)$$);
SELECT * FROM batch_compare($$SELECT id, kind = 1 AND tfm_embed((1 / (kind - 1))::text) IS NULL FROM batch_docs WHERE kind = 1$$);
SELECT * FROM batch_compare($$SELECT id, kind <> 1 AND tfm_embed((1 / (kind - 1))::text) IS NOT NULL FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT tfm_embed(CASE WHEN id < 100 THEN 'batcher' ELSE 'no such model' END, body) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT CASE WHEN id < 100 THEN tfm_embed(CASE WHEN id < 100 THEN 'batcher' ELSE 'no such model' END, body) END FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT id, tfm_embed(CASE WHEN id < 20 THEN 'batcher' ELSE 'no such model' END, body) FROM batch_docs ORDER BY id LIMIT 19$$);

-- Aggregates, groups, windows
SELECT * FROM batch_compare($$SELECT count(tfm_embed(body)), avg(tfm_embed('batcher', body)) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT kind, avg(tfm_embed(body)) FILTER (WHERE id > 20), count(*) FROM batch_docs GROUP BY kind ORDER BY kind$$);
SELECT * FROM batch_compare($$SELECT count(tfm_embed((1 / (id - 7))::text)) FILTER (WHERE id <> 7) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT word, tfm_embed(max(body)) FROM batch_docs GROUP BY word ORDER BY word$$);
SELECT * FROM batch_compare($$SELECT tfm_embed(word), count(DISTINCT tfm_embed(body)) FROM batch_docs GROUP BY tfm_embed(word) ORDER BY 1$$);
SELECT * FROM batch_compare($$SELECT word FROM batch_docs GROUP BY word HAVING tfm_embed(word) <=> tfm_embed(max(body)) < 0.8 ORDER BY 1$$);
SELECT * FROM batch_compare($$SELECT kind, word, tfm_embed(kind::text || word), count(tfm_embed(body)) FROM batch_docs GROUP BY ROLLUP (kind, word) ORDER BY 1, 2$$);
SELECT * FROM batch_compare($$SELECT id, avg(tfm_embed(body)) OVER w, first_value(tfm_embed(word)) OVER w, lag(tfm_embed(body)) OVER w FROM batch_docs WINDOW w AS (PARTITION BY kind ORDER BY id ROWS 2 PRECEDING)$$);
SELECT * FROM batch_compare($$SELECT tfm_embed('row ' || row_number() OVER (ORDER BY id)) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT DISTINCT tfm_embed(word) FROM batch_docs ORDER BY 1$$);
SELECT * FROM batch_compare($$SELECT DISTINCT ON (kind) kind, id, tfm_embed(body) FROM batch_docs ORDER BY kind, tfm_embed(body) <-> tfm_embed('text 7'), id$$);
SELECT * FROM batch_compare($$SELECT string_agg(tfm_embed(word)::text, ',' ORDER BY tfm_embed(body) <-> tfm_embed('text'), id) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY tfm_embed(body) <-> tfm_embed('text')) FROM batch_docs$$);

-- Order and limits
SELECT * FROM batch_compare($$SELECT id FROM batch_docs ORDER BY tfm_embed(body) <-> tfm_embed('text 7'), id LIMIT 5$$);
SELECT * FROM batch_compare($$SELECT id, tfm_embed(body) FROM batch_docs ORDER BY id DESC LIMIT 7 OFFSET 3$$);
SELECT * FROM batch_compare($$SELECT id, tfm_embed(body) FROM batch_docs WHERE tfm_embed(word) <-> tfm_embed('w1') > 0.1 LIMIT 7 OFFSET 3$$);
SELECT * FROM batch_compare($$SELECT id, tfm_embed(body) FROM batch_docs ORDER BY kind FETCH FIRST 3 ROWS WITH TIES$$);
SELECT * FROM batch_compare($$SELECT * FROM (SELECT tfm_embed(body) FROM batch_docs OFFSET 0) s LIMIT (SELECT 4)$$);

-- Joins
SELECT * FROM batch_compare($$SELECT id, tfm_embed(body || ' ' || title) FROM batch_docs JOIN batch_kinds USING (kind) ORDER BY id$$);
SELECT * FROM batch_compare($$SELECT id, k.kind FROM batch_docs d, batch_kinds k WHERE tfm_embed(body) <=> tfm_embed(title) < 0.5 ORDER BY 1, 2$$);
SELECT * FROM batch_compare($$SELECT id, tfm_embed(title) FROM batch_docs d LEFT JOIN batch_kinds k ON d.kind = k.kind + 1 AND tfm_embed(title) <=> tfm_embed(body) < 0.7 ORDER BY id$$);
SELECT * FROM batch_compare($$SELECT k.kind, tfm_embed(body) FROM batch_docs d RIGHT JOIN batch_kinds k USING (kind) WHERE tfm_embed(COALESCE(body, title)) IS NOT NULL ORDER BY 1, id$$);
SELECT * FROM batch_compare($$SELECT id FROM batch_docs d WHERE EXISTS (SELECT FROM batch_kinds k WHERE tfm_embed(title) <=> tfm_embed(body) < 0.4) ORDER BY id$$);
SELECT * FROM batch_compare($$SELECT id FROM batch_docs d WHERE NOT EXISTS (SELECT FROM batch_kinds k WHERE k.kind = d.kind AND tfm_embed(title) <=> tfm_embed(body) < 0.6) ORDER BY id$$);
SELECT * FROM batch_compare($$SELECT d.id, e.id FROM batch_docs d JOIN batch_docs e ON tfm_embed(d.word) = tfm_embed(e.word) AND d.id < 10 AND e.id < 10 ORDER BY 1, 2$$);
SELECT * FROM batch_compare($$SELECT id, v FROM batch_docs d, LATERAL (SELECT tfm_embed(d.body || title) AS v FROM batch_kinds k WHERE k.kind <= d.kind) s ORDER BY id, v$$);
SELECT * FROM batch_compare($$SELECT id, v FROM batch_docs d, LATERAL (SELECT tfm_embed(d.body || title) AS v FROM batch_kinds k ORDER BY k.kind LIMIT 1 + d.kind) s ORDER BY id, v$$);
SELECT * FROM batch_compare($$SELECT id, c FROM batch_docs d, LATERAL tfm_chunk('batcher', d.body, 4) c WHERE tfm_embed(c::text) IS NOT NULL$$);
SET enable_mergejoin = off;
SET enable_nestloop = off;
SELECT * FROM batch_compare($$SELECT count(*), sum(a.id * b.id) FROM batch_docs a JOIN batch_docs b ON tfm_embed(a.word) = tfm_embed(b.word) AND a.kind = b.kind$$);
SELECT * FROM batch_compare($$SELECT a.id, b.id, tfm_embed(b.word) FROM batch_docs a LEFT JOIN batch_docs b ON tfm_embed(a.word) = tfm_embed(b.word) AND tfm_embed(a.body) <=> tfm_embed(b.body) < 0.2 ORDER BY 1, 2$$);
SELECT * FROM batch_compare($$SELECT count(*), count(a.id), count(b.id), sum(b.id) FROM batch_docs a FULL JOIN batch_docs b ON tfm_embed(a.word) = tfm_embed(b.word) AND a.kind = b.kind + 1$$);
RESET enable_mergejoin;
SET enable_hashjoin = off;
SELECT * FROM batch_compare($$SELECT a.id, tfm_embed(b.body) FROM batch_docs a JOIN batch_docs b ON a.kind = b.kind AND tfm_embed(a.word) <=> tfm_embed(b.word) < 0.2 WHERE a.id < 20 ORDER BY a.id, b.id$$);
SELECT * FROM batch_compare($$SELECT a.id, v FROM batch_docs a JOIN (SELECT kind, tfm_embed(body) AS v FROM batch_docs OFFSET 0) b USING (kind) ORDER BY a.id, v$$);
SET enable_sort = off;
SELECT * FROM batch_compare($$SELECT a.id, v FROM batch_docs a JOIN (SELECT id, tfm_embed(body) AS v FROM batch_docs ORDER BY id) b USING (id)$$);
RESET enable_sort;
RESET enable_hashjoin;
RESET enable_nestloop;

-- Subqueries, CTEs, sets, other scans
SELECT * FROM batch_compare($$SELECT id, tfm_embed((SELECT title FROM batch_kinds k WHERE k.kind = d.kind)) FROM batch_docs d$$);
SELECT * FROM batch_compare($$SELECT id, (SELECT avg(tfm_embed(title)) FROM batch_kinds k WHERE k.kind < d.kind) FROM batch_docs d$$);
SELECT * FROM batch_compare($$SELECT kind, (SELECT tfm_embed(body) FROM batch_docs WHERE id = 5) <-> tfm_embed(title) FROM batch_kinds$$);
SELECT * FROM batch_compare($$WITH v AS MATERIALIZED (SELECT id, tfm_embed(body) AS e FROM batch_docs) SELECT a.id, tfm_embed(a.e::text) FROM v a JOIN v b USING (id)$$);
SELECT * FROM batch_compare($$WITH RECURSIVE r(n, v) AS (SELECT kind, title FROM batch_kinds UNION ALL SELECT n + 10, tfm_embed(v)::text FROM r WHERE n < 30) SELECT * FROM r$$);
SELECT * FROM batch_compare($$SELECT tfm_embed(body) FROM batch_docs UNION ALL SELECT tfm_embed(title) FROM batch_kinds$$);
SELECT * FROM batch_compare($$SELECT tfm_embed(word) FROM batch_docs INTERSECT SELECT tfm_embed('w' || kind) FROM batch_kinds ORDER BY 1$$);
SELECT * FROM batch_compare($$SELECT id, tfm_embed(body) FROM batch_wide WHERE tfm_embed(body) IS NOT NULL$$);
SELECT * FROM batch_compare($$SELECT id, tfm_embed(body) FROM batch_wide ORDER BY id LIMIT 50$$);
SELECT * FROM batch_compare($$SELECT tfm_embed(w.body) FROM batch_wide w FOR UPDATE$$);
SELECT * FROM batch_compare($$SELECT id, tfm_embed(body), count(*) OVER (), id + 1 FROM batch_wide LIMIT 45$$);
SELECT * FROM batch_compare($$SELECT kind, tfm_embed(word) FROM batch_docs UNION ALL SELECT kind, tfm_embed(title) FROM batch_kinds LIMIT 123$$);
SELECT * FROM batch_compare($$SELECT kind, tfm_embed(word) FROM batch_docs UNION ALL SELECT kind, tfm_embed(title || kind) FROM batch_kinds$$);
SELECT * FROM batch_compare($$SELECT tfm_embed('n ' || n) FROM generate_series(1, 40) n WHERE tfm_embed(n::text) IS NOT NULL$$);
SELECT * FROM batch_compare($$SELECT tfm_embed(b) FROM (VALUES ('a', 1), ('b', 2), (NULL, 3)) v (b, n)$$);
SELECT * FROM batch_compare($$SELECT tfm_embed(body) FROM batch_docs TABLESAMPLE bernoulli (50) REPEATABLE (1)$$);
SELECT * FROM batch_compare($$SELECT tfm_embed(body) FROM batch_docs WHERE ctid IN ('(0,1)', '(0,5)')$$);
SELECT * FROM batch_compare($$SELECT tfm_embed(id::text) FROM batch_docs WHERE id < 30 ORDER BY id$$);
SELECT * FROM batch_compare($$SELECT generate_series(1, kind), tfm_embed(body), unnest(tfm_embed(word)::real[]) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT tfm_embed(unnest(ARRAY[body, word])) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT tfm_embed(body) FROM batch_docs FOR UPDATE$$);
SELECT * FROM batch_compare($$SELECT tfm_embed(body) FROM (SELECT * FROM batch_docs ORDER BY id FOR UPDATE) s LIMIT 10$$);

-- Other functions and models, several at once
\set llama :golden /generation/llama_long
\set reranker :golden /cross_encoder/sigmoid
SELECT tfm_load_model('batch_llama', :'llama'), tfm_load_model('batch_reranker', :'reranker');
SET tfm.generate_model = 'batch_llama';
SELECT * FROM batch_compare($$SELECT tfm_generate('batch_llama', body, max_new_tokens => 4), tfm_generate('batch_llama', word, max_new_tokens => 1 + kind) FROM batch_docs WHERE id < 12$$);
SELECT * FROM batch_compare($$SELECT id, (tfm_classify('batch_llama', body, ARRAY['good', 'bad'])).*, tfm_embed(body) FROM batch_docs WHERE id < 12$$);
SELECT * FROM batch_compare($$SELECT id FROM batch_docs WHERE id < 12 AND (tfm_classify(body, ARRAY['good', 'bad', word])).label = 'good'$$);
SELECT * FROM batch_compare($$SELECT tfm_rerank('batch_reranker', 'w1', body) FROM batch_docs WHERE tfm_filter(word, 'it is a number') OR id < 12$$);
SELECT * FROM batch_compare($$SELECT tfm_similarity(body, word), tfm_similarity('batcher', word, NULL), tfm_count_tokens(body), tfm_tokenize('batcher', word) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT tfm_extract(body, '{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}') FROM batch_docs WHERE id < 4$$);
SELECT * FROM batch_compare($$SELECT c.label, tfm_generate('batch_llama', c.label, max_new_tokens => 2) FROM batch_docs, tfm_classify('batch_llama', word, ARRAY['good', 'bad']) c WHERE id < 6$$);

-- Rows of VALUES are computed while they are planned, together, errors as ever.
SELECT * FROM batch_compare($$VALUES (1, tfm_embed('batcher', 'a')), (2, tfm_embed('batcher', 'b' || 'c', dimensions => 3)), (3, NULL), (4, tfm_embed('batcher', NULL))$$);
SELECT * FROM batch_compare($$VALUES (1, tfm_similarity('batcher', 'a', 'b')), (2, tfm_similarity('batcher', 'a', NULL))$$);
VALUES (1, tfm_embed('batcher', 'a')), (2, tfm_embed('no such model', 'a'));
SELECT * FROM batch_compare($$SELECT id, v::text || ' ' FROM (VALUES (1, tfm_embed('batcher', 'a')), (2, tfm_embed('batcher', 'b'))) AS d (id, v) JOIN batch_kinds ON id = kind$$);
SELECT * FROM batch_compare_change($$INSERT INTO batch_docs VALUES (1001, tfm_embed('batcher', 'a')::text), (1002, tfm_embed('batcher', 'a b c')::text), (1003, CASE WHEN 1 > 2 THEN tfm_embed('no such model', 'a')::text END)$$);
PREPARE rows(text, text) AS SELECT * FROM (VALUES (1, tfm_embed('batcher', $1)), (2, tfm_embed('batcher', $2)), (3, tfm_embed($1))) v (n, v);
SELECT bool_and(v = tfm_embed('batcher', CASE n WHEN 2 THEN 'b' ELSE 'a' END)) AS same FROM (VALUES (1, tfm_embed('batcher', 'a')), (2, tfm_embed('batcher', 'b'))) v (n, v);
SELECT * FROM batch_compare($$EXECUTE rows('a', 'b')$$);
SELECT * FROM batch_compare($$EXECUTE rows('b', NULL)$$);

-- Volatile functions are called when they were
SELECT * FROM batch_compare($$SELECT setseed(0.5), NULL, NULL UNION ALL SELECT NULL, random(), tfm_embed(body) FROM batch_docs WHERE random() < 0.5$$);
SELECT * FROM batch_compare($$SELECT NULL, NULL, setseed(0.5) UNION ALL SELECT tfm_embed(body || random()), random(), NULL FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT NULL, NULL, setseed(0.5) UNION ALL SELECT tfm_embed(body), random(), NULL FROM batch_docs WHERE tfm_embed(word) IS NOT NULL$$);
CREATE SEQUENCE batch_numbers;
SELECT * FROM batch_compare($$SELECT setval('batch_numbers', 1), NULL UNION ALL SELECT n, tfm_embed(n::text) FROM (SELECT nextval('batch_numbers') AS n FROM batch_docs) s$$);
SELECT * FROM batch_compare($$SELECT setval('batch_numbers', 1), NULL, 0 UNION ALL SELECT nextval('batch_numbers'), tfm_embed(body), currval('batch_numbers') FROM batch_docs$$);

-- Changes
SELECT * FROM batch_compare_change($$INSERT INTO batch_docs SELECT id + 1000, tfm_embed(body)::text FROM batch_docs$$);
SELECT * FROM batch_compare_change($$INSERT INTO batch_docs SELECT id + 60, tfm_embed(body)::text FROM batch_docs ON CONFLICT (id) DO UPDATE SET body = tfm_embed(excluded.word)::text$$);
SELECT * FROM batch_compare_change($$UPDATE batch_docs SET word = tfm_embed(body)::text WHERE kind = 2$$);
SELECT * FROM batch_compare_change($$UPDATE batch_docs SET word = tfm_embed(body)::text WHERE tfm_embed(body) <=> tfm_embed(word) < 0.7$$);
SELECT * FROM batch_compare_change($$UPDATE batch_docs d SET word = tfm_embed(body || title)::text FROM batch_kinds k WHERE k.kind = d.kind$$);
SELECT * FROM batch_compare_change($$UPDATE batch_docs d SET (word, kind) = (SELECT tfm_embed(title || body)::text, 7 FROM batch_kinds k WHERE k.kind = d.kind), body = tfm_embed(body)::text$$);
SELECT * FROM batch_compare_change($$UPDATE batch_wide SET body = tfm_embed(body)::text, id = 79 - id$$);
SELECT * FROM batch_compare_change($$UPDATE batch_wide w SET body = tfm_embed(w.body || d.body)::text FROM batch_docs d WHERE w.id = d.id AND tfm_embed(word) <=> tfm_embed(w.body) < 0.7$$);
SELECT * FROM batch_compare_change($$DELETE FROM batch_wide WHERE tfm_embed(body) <=> tfm_embed('text 4') < 0.7$$);
SELECT * FROM batch_compare_change($$DELETE FROM batch_docs WHERE tfm_embed(body) <=> tfm_embed(word) < 0.7$$);
SELECT * FROM batch_compare_change($$DELETE FROM batch_docs d USING batch_kinds k WHERE d.kind = k.kind AND tfm_embed(title) <=> tfm_embed(body) < 0.7$$);
SELECT * FROM batch_compare_change($$MERGE INTO batch_docs d USING (SELECT id + 100 AS id, tfm_embed(body)::text AS v FROM batch_docs) s ON d.id = s.id
	WHEN MATCHED THEN UPDATE SET word = s.v WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v)$$);
SELECT * FROM batch_compare_change($$WITH gone AS (DELETE FROM batch_docs WHERE id < 10 RETURNING id, body, word)
	INSERT INTO batch_docs SELECT id, tfm_embed(body)::text FROM gone RETURNING tfm_embed(body)$$);

-- What EXPLAIN shows, without what differs from run to run
CREATE FUNCTION batch_explain(query text, options text DEFAULT 'COSTS OFF') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (' || options || ') ' || query LOOP
		CONTINUE WHEN line ~ '(Planning|Execution) Time|Planning:|Buffers|Heap Fetches|Index Searches|Rows Removed|Disabled|Sort Method';
		RETURN NEXT regexp_replace(regexp_replace(line, 'Memory Usage: \d+kB', 'Memory Usage: NkB'),
			'actual rows=(\d+)(\.\d+)? ', 'actual rows=\1 ');
	END LOOP;
END $$;
SELECT batch_explain($$SELECT id, tfm_embed('batcher', body) FROM batch_docs$$);
SELECT batch_explain($$SELECT tfm_embed('batcher', body, "normalize" => true), tfm_embed(word) FROM batch_docs
	WHERE kind = 1 AND tfm_embed('batcher', word) <=> tfm_embed(body) < 0.5$$, 'COSTS OFF, VERBOSE');
SELECT batch_explain($$SELECT count(tfm_embed('batcher', body)) FROM batch_docs$$, 'COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF');
SELECT batch_explain($$SELECT tfm_embed('batcher', body) FROM batch_docs WHERE tfm_embed('batcher', word) IS NOT NULL LIMIT 4$$,
	'COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF');
SELECT batch_explain($$SELECT tfm_embed('batcher', body) FROM batch_docs ORDER BY id LIMIT 3 OFFSET 2$$,
	'COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF');
SELECT batch_explain($$SELECT CASE WHEN id <= 4 THEN tfm_embed('batcher', body) END FROM batch_docs$$,
	'COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF');
DO $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE $q$EXPLAIN (ANALYZE, FORMAT JSON) SELECT count(tfm_embed('batcher', body)) FROM batch_docs$q$ INTO plan;
	plan := plan->0->'Plan'->'Plans'->0;
	RAISE NOTICE '% % % % % % % % %', plan->'Node Type', plan->'Custom Plan Provider', plan->'Calls', plan->'Models', plan->'Batch Tokens',
		plan->'Batches', plan->'Computed', plan->'Tokens', (plan->>'Model Time')::float8 > 0 AND (plan->>'Peak Memory Usage')::int > 0;
END $$;
SET tfm.batch_tokens = 100;
SELECT batch_explain($$SELECT sum(length(tfm_embed('batcher', body)::text)) FROM batch_docs$$, 'COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF');
RESET tfm.batch_tokens;
SET tfm.batch_tokens = 0;
SET tfm.batching = off;
SELECT batch_explain($$SELECT id, tfm_embed('batcher', body) FROM batch_docs$$);
SET tfm.batching = on;

-- Cursors compute what is fetched, and go where they could go.
BEGIN;
DECLARE plain CURSOR FOR SELECT id, tfm_embed(body) IS NULL AS embedded FROM batch_docs;
FETCH 2 FROM plain;
FETCH BACKWARD 1 FROM plain;
DECLARE scrolling SCROLL CURSOR FOR SELECT id, tfm_embed(body) IS NULL AS embedded FROM batch_docs WHERE tfm_embed(word) IS NOT NULL;
FETCH LAST FROM scrolling;
FETCH BACKWARD 2 FROM scrolling;
FETCH ABSOLUTE 13 FROM scrolling;
DECLARE straight NO SCROLL CURSOR FOR SELECT id, tfm_embed(body) IS NULL AS embedded FROM batch_docs;
FETCH 3 FROM straight;
UPDATE batch_docs SET word = 'current' WHERE CURRENT OF straight RETURNING id;
FETCH 1 FROM straight;
DELETE FROM batch_docs WHERE CURRENT OF straight RETURNING id;
DECLARE locking CURSOR FOR SELECT id, tfm_embed(body) IS NULL AS embedded FROM batch_docs WHERE id > 50 FOR UPDATE;
FETCH 2 FROM locking;
UPDATE batch_docs SET word = 'current' WHERE CURRENT OF locking RETURNING id;
DECLARE kept CURSOR WITH HOLD FOR SELECT id FROM batch_docs WHERE tfm_embed(body) IS NOT NULL ORDER BY id;
ROLLBACK;
BEGIN;
DECLARE kept CURSOR WITH HOLD FOR SELECT id FROM batch_docs WHERE tfm_embed(body) IS NOT NULL ORDER BY id;
FETCH 2 FROM kept;
COMMIT;
FETCH 2 FROM kept;
CLOSE kept;

-- An error is thrown at its row, in whatever batch that is.
BEGIN;
DECLARE failing NO SCROLL CURSOR FOR SELECT id, tfm_embed('batcher', body, dimensions => 6 - id) IS NULL AS embedded FROM batch_docs ORDER BY id;
FETCH 5 FROM failing;
FETCH 1 FROM failing;
ROLLBACK;

-- Prepared statements, and functions in SQL and PL/pgSQL
PREPARE near(text, int) AS SELECT id FROM batch_docs WHERE tfm_embed($1 || body) <=> tfm_embed(word) < 0.6 ORDER BY id LIMIT $2;
SET plan_cache_mode = force_generic_plan;
SELECT batch_nodes($$EXECUTE near('a', 3)$$);
EXECUTE near('a', 3);
SET tfm.batching = off;
SELECT batch_nodes($$EXECUTE near('a', 3)$$);
EXECUTE near('a', 3);
SET tfm.batching = on;
SELECT batch_nodes($$EXECUTE near('a', 3)$$);
ALTER TABLE batch_docs ADD COLUMN extra int;
EXECUTE near('a', 3);
RESET plan_cache_mode;
CREATE FUNCTION batch_inlined(text) RETURNS tfm_vector LANGUAGE sql STABLE AS $$SELECT tfm_embed($1)$$;
CREATE FUNCTION batch_rows(int) RETURNS SETOF tfm_vector LANGUAGE sql STABLE STRICT SET tfm.embed_model = 'batcher' AS $$SELECT tfm_embed(body) FROM batch_docs WHERE id < $1$$;
CREATE FUNCTION batch_loop(int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	r record;
	n int := 0;
BEGIN
	FOR r IN SELECT tfm_embed(body) AS v FROM batch_docs WHERE id < $1 LOOP
		n := n + (r.v IS NOT NULL)::int;
	END LOOP;
	RETURN n;
END $$;
SELECT * FROM batch_compare($$SELECT batch_inlined(body) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT * FROM batch_rows(30)$$);
SELECT * FROM batch_compare($$SELECT batch_loop(id) FROM batch_docs WHERE id IN (1, 20, 60)$$);

-- Views, policies: what a user may not see is not computed for their condition.
CREATE VIEW batch_plain AS SELECT id, tfm_embed(body) AS v FROM batch_docs;
CREATE VIEW batch_barrier WITH (security_barrier) AS SELECT id, body FROM batch_docs WHERE tfm_embed(word) = tfm_embed('w1');
CREATE FUNCTION batch_leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$BEGIN RAISE NOTICE 'seen: %', $1; RETURN true; END$$;
SELECT * FROM batch_compare($$SELECT id, tfm_embed(v::text) FROM batch_plain WHERE v IS NOT NULL$$);
SELECT count(*) FROM batch_barrier WHERE id < 10 AND batch_leak(body);
SELECT batch_explain($$SELECT count(*) FROM batch_barrier WHERE id < 10 AND batch_leak(body)$$);
SELECT * FROM batch_compare($$SELECT id FROM batch_barrier WHERE tfm_embed((1 / (id - 2))::text) IS NOT NULL$$);

-- A function's owner may forbid its use, or have it run in another way.
CREATE ROLE regress_batch;
GRANT SELECT ON batch_docs TO regress_batch;
GRANT USAGE ON FOREIGN SERVER batcher TO regress_batch;
REVOKE EXECUTE ON FUNCTION tfm_embed(text) FROM PUBLIC;
SET ROLE regress_batch;
SELECT tfm_embed(body) FROM batch_docs;
RESET ROLE;
GRANT EXECUTE ON FUNCTION tfm_embed(text) TO PUBLIC;
ALTER FUNCTION tfm_embed(text) SECURITY DEFINER;
SELECT * FROM batch_compare($$SELECT tfm_embed(body) FROM batch_docs$$);
ALTER FUNCTION tfm_embed(text) SECURITY INVOKER;
ALTER FUNCTION tfm_embed(text) VOLATILE;
SELECT * FROM batch_compare($$SELECT tfm_embed(body) FROM batch_docs$$);
ALTER FUNCTION tfm_embed(text) STABLE;

-- Compiled expressions
SET jit = on;
SET jit_above_cost = 0;
SET jit_inline_above_cost = 0;
SET jit_optimize_above_cost = 0;
SELECT * FROM batch_compare($$SELECT id, tfm_embed('a ' || body) FROM batch_docs WHERE tfm_embed(upper(word)) IS NOT NULL AND id > 100$$);
RESET jit_above_cost;
RESET jit_inline_above_cost;
RESET jit_optimize_above_cost;
SET jit = off;

-- Parallel workers
ALTER TABLE batch_docs SET (parallel_workers = 2);
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT batch_explain($$SELECT count(tfm_embed('batcher', body)) FROM batch_docs$$);
SELECT * FROM batch_compare($$SELECT kind, count(tfm_embed('batcher', body)), max(tfm_embed(body) <-> tfm_embed(word)) FROM batch_docs GROUP BY kind ORDER BY kind$$);
SELECT * FROM batch_compare($$SELECT id, tfm_embed('batcher', body) FROM batch_docs WHERE tfm_embed(word) IS NOT NULL ORDER BY id$$);
SELECT * FROM batch_compare($$SELECT count(*) FROM batch_docs a JOIN batch_docs b ON tfm_embed(a.body) = tfm_embed(b.body)$$);
SET parallel_leader_participation = off;
SELECT substring(line FROM 'Computed: \d+  Tokens: \d+') AS sums
  FROM batch_explain($$SELECT count(tfm_embed('batcher', 'x' || id)) FROM batch_docs$$, 'COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF') line
 WHERE line ~ 'Computed';

DROP OWNED BY regress_batch;
DROP ROLE regress_batch;
DROP VIEW batch_plain, batch_barrier;
DROP TABLE batch_docs, batch_kinds, batch_wide;
DROP SEQUENCE batch_numbers;
SELECT tfm_drop_model(name) FROM unnest(ARRAY['batcher', 'batch_llama', 'batch_reranker']) name;
