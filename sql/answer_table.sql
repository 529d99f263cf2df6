-- Questions to tables.
\getenv golden TFM_GOLDEN
\set tapas :golden '/pipeline/table-question-answering/tapas'
\set cells :golden '/pipeline/table-question-answering/cells'
\set tapex :golden '/pipeline/table-question-answering/tapex'
\set mean :golden '/sentence/mean'
SET client_min_messages = warning;
SELECT tfm_load_model('tapas', :'tapas'), tfm_load_model('cells', :'cells'), tfm_load_model('tapex', :'tapex'), tfm_load_model('tiny', :'mean');
CREATE TEMP TABLE cities (city text, people integer, founded text);
INSERT INTO cities VALUES ('Zürich', 1616, '7 May 1904'), ('a "big" \ one', 1654, NULL), ('Osaka', 828, '2007');

-- What the pipeline gives, as a row; the table may be rows of a query.
SELECT * FROM tfm_answer_table('tapas', 'How many people live in Osaka?', (SELECT json_agg(c) FROM cities AS c));
SELECT * FROM tfm_answer_table('cells', 'How many people live in Osaka?', (SELECT json_agg(c) FROM cities AS c));
SELECT a.answer = p ->> 'answer' AS answer, a.coordinates = p -> 'coordinates' AS coordinates,
	to_jsonb(a.cells) = p -> 'cells' AS cells, a.aggregator = p ->> 'aggregator' AS aggregator
FROM (SELECT jsonb_agg(c) AS t FROM cities AS c) AS s, LATERAL tfm_answer_table('tapas', 'after 1950', t) AS a,
	LATERAL tfm_pipeline('table-question-answering', 'tapas', jsonb_build_object('table', t, 'query', 'after 1950')) AS p;

-- All forms of a table are the same.
SELECT count(DISTINCT answer) AS answers, min(answer) AS answer FROM (VALUES
	('{"a": ["x", "y"], "b": [1, 2.5]}'::json), ('[{"a": "x", "b": 1}, {"a": "y", "b": 2.5}]'),
	('[["a", "b"], ["x", 1], ["y", 2.5]]'), ('{"columns": ["a", "b"], "data": [["x", "1"], ["y", "2.5"]]}'),
	('{"a": {"0": "x", "1": "y"}, "b": {"0": 1, "1": 2.5}}')) AS v (t), LATERAL tfm_answer_table('tapas', 'more than 1', t);

-- Order counts: text and json keep it, jsonb sorts keys by their length.
SELECT p.coordinates = t.coordinates AS text, p.coordinates = j.coordinates AS json, p.coordinates = b.coordinates AS jsonb,
	p.coordinates = (tfm_pipeline('table-question-answering', 'tapas', format('{"table": %s, "query": "x"}', d)) -> 'coordinates') AS pipeline
FROM (VALUES ('{"long": ["1", "2"], "b": ["3", "4"], "cc": ["5", "6"]}')) AS v (d), LATERAL tfm_answer_table('tapas', 'x', d) AS t,
	LATERAL tfm_answer_table('tapas', 'x', d::json) AS j, LATERAL tfm_answer_table('tapas', 'x', d::jsonb) AS b,
	tfm_answer_table('tapas', 'x', '[["long", "b", "cc"], ["1", "3", "5"], ["2", "4", "6"]]') AS p;

-- Many questions: together, or by rows.
SELECT number, answer FROM tfm_answer_table_all('tapas', ARRAY['after 1950', NULL, 'the third'], (SELECT json_agg(c) FROM cities AS c)) ORDER BY number;
SET tfm.batching = on;
EXPLAIN (COSTS OFF) SELECT tfm_answer_table('tapas', 'more than ' || i, '{"a": [1, 2, 3]}'::json) FROM generate_series(1, 9) AS i;
RESET tfm.batching;
SELECT bool_and(r = tfm_answer_table('tapas', 'more than ' || i, '{"a": [1, 2, 3]}'::json)) AS same
FROM (SELECT i, tfm_answer_table('tapas', 'more than ' || i, '{"a": [1, 2, 3]}'::json) AS r FROM generate_series(1, 9) AS i OFFSET 0) AS s;
SELECT tfm_answer_table('tapas', NULL, '{}'::json), tfm_answer_table('tapas', 'x', NULL::json), tfm_answer_table(NULL, 'x', '{}'::jsonb);
SELECT count(*) AS rows FROM tfm_answer_table_all('tapas', ARRAY[]::text[], '{"a": [1]}'::json);

-- TAPEX and its kind write the answer.
SELECT answer = tfm_pipeline('table-question-answering', 'tapex', '{"table": {"a": ["1", "2"]}, "query": "x"}') ->> 'answer' AS same,
	coordinates, cells, aggregator
FROM tfm_answer_table('tapex', 'x', '{"a": [1, 2]}'::json);
SELECT length(answer) < 8 AS short FROM tfm_answer_table('tapex', 'x', '{"a": [1, 2]}'::json, '{"max_new_tokens": 2}');

-- What is no table, or no question.
SELECT tfm_answer_table('tapas', 'x', '{"a": []}'::json);
SELECT tfm_answer_table('tapas', 'x', '{"a": [1, 2], "b": [1]}'::json);
SELECT tfm_answer_table('tapas', 'x', '[["a"], [1, 2]]'::json);
SELECT tfm_answer_table('tapas', 'x', '[{"a": {"b": 1}}]'::json);
SELECT tfm_answer_table('tapas', 'x', '[{"a": 1}, {"b": 1}]'::json) IS NOT NULL AS "missing is empty";
SELECT tfm_answer_table('tapas', 'x', '"a"'::json);
SELECT tfm_answer_table('tapas', '', '{"a": [1]}'::json);
SELECT tfm_answer_table('tapas', 'x', '{"a": [1]}'::json, '{"num_beams": 2}');
SELECT tfm_answer_table('tiny', 'x', '{"a": [1]}'::json);
SELECT tfm_answer_table('tapas', 'x', 'a table');
SELECT tfm_answer_table('tapas', 'x', '"a table"');
SELECT tfm_pipeline('table-question-answering', 'tapas', 'no JSON');
SELECT tfm_drop_model('tapas'), tfm_drop_model('cells'), tfm_drop_model('tapex'), tfm_drop_model('tiny');
