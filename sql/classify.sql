-- Labels of texts: a classifier's own, given ones, of pairs; choices and next sentences.
\getenv golden TFM_GOLDEN
\set single :golden '/pipeline/text-classification/single'
\set multi :golden '/pipeline/text-classification/multi'
\set nli :golden '/pipeline/zero-shot-classification/nli'
\set choices :golden '/pipeline/multiple-choice/words'
\set sentences :golden '/pipeline/next-sentence-prediction/words'
\set llama :golden '/generation/llama'
SET client_min_messages = warning;
SELECT tfm_load_model('single', :'single'), tfm_load_model('multi', :'multi'), tfm_load_model('nli', :'nli'),
	tfm_load_model('choices', :'choices'), tfm_load_model('sentences', :'sentences'), tfm_load_model('llama', :'llama');
CREATE TABLE docs (id int, body text);
INSERT INTO docs SELECT i, 'Anna moved to Lima in ' || i FROM generate_series(1, 12) i;
INSERT INTO docs VALUES (13, NULL), (14, ''), (15, repeat('Parcels to Lima take longer. ', 40));

-- A classifier's own labels, and the pipeline that it is.
SELECT label, round(score::numeric, 3) AS score FROM tfm_classify('single', 'Anna moved.');
SELECT c.label = p ->> 'label' AND abs(c.score - (p ->> 'score')::float8) < 1e-6 AS same
FROM tfm_classify('single', 'Anna moved.') c, tfm_pipeline('sentiment-analysis', 'single', '"Anna moved."') r, LATERAL (SELECT r -> 0) AS s (p);
SELECT array_agg(label ORDER BY score DESC) AS labels, round(sum(score)::numeric, 3) AS sum FROM tfm_classify_all('single', 'Anna moved.');
SELECT array_agg(label) AS labels, sum(score) > 1 AS "for themselves" FROM tfm_classify_all('multi', 'b');
SELECT number, count(*), round(sum(score)::numeric, 3) AS sum FROM tfm_classify_all('single', ARRAY['a', NULL, 'b']) GROUP BY number ORDER BY number;
SELECT bool_and(a.label = c.label AND a.score = c.score) AS same
FROM (SELECT DISTINCT ON (number) * FROM tfm_classify_all('single', ARRAY['a', 'b']) ORDER BY number, score DESC) a,
	LATERAL tfm_classify('single', (ARRAY['a', 'b'])[a.number]) c;
SELECT (tfm_classify_pair('single', 'Anna moved.', 'She lives in Lima.')).label AS pair,
	tfm_classify_pair('single', 'Anna moved.', '') = tfm_classify('single', 'Anna moved.') AS empty,
	tfm_classify_pair('single', 'Anna moved.', 'b') <> tfm_classify_pair('single', 'b', 'Anna moved.') AS ordered;
SET tfm.classify_model = 'single';
SELECT tfm_classify('Anna moved.') = tfm_classify('single', 'Anna moved.') AS "of the setting";
RESET tfm.classify_model;
SELECT tfm_classify('Anna moved.');
SELECT tfm_classify(NULL, 'a'), tfm_classify('single', NULL), tfm_classify_pair('single', 'a', NULL), tfm_choose('choices', NULL, ARRAY['a']);

-- Long texts are cut, and rows are computed together.
SET tfm.batching = on;
EXPLAIN (COSTS OFF) SELECT tfm_classify('single', body) FROM docs;
RESET tfm.batching;
SELECT count(*) AS labels, bool_and(label = (SELECT label FROM tfm_classify('single', d.body))) AS same
FROM (SELECT id, body, (tfm_classify('single', body)).label FROM docs OFFSET 0) d WHERE label IS NOT NULL;
SELECT tfm_pipeline('text-classification', 'single', to_jsonb(body)) FROM docs WHERE id = 15;

-- Labels that are given: by entailment, and by generation.
SELECT round(sum(score)::numeric, 3) AS sum, count(*) FROM tfm_classify_all('nli', 'Anna moved.', ARRAY['travel', 'food', 'money']);
SELECT tfm_classify('nli', 'Anna moved.', '{travel,food}') = tfm_classify('nli', 'Anna moved.', ARRAY['travel', 'food']) AS "not declared",
	tfm_classify('nli', 'Anna moved.', '{travel,food}') = tfm_classify('nli', 'Anna moved.', '{travel,food}', false) AS "the default";
SELECT bool_and(abs(a.score - p.score::float8) < 1e-6) AS same
FROM tfm_classify_all('nli', 'Anna moved.', '{travel,food}', true, 'About {}') WITH ORDINALITY AS a (label, score, n),
	jsonb_array_elements_text(tfm_pipeline('zero-shot-classification', 'nli', '"Anna moved."',
		'{"candidate_labels": "travel, food", "multi_label": true, "hypothesis_template": "About {}"}') -> 'scores') WITH ORDINALITY AS p (score, n)
WHERE a.n = p.n;
SELECT number, count(*) FROM tfm_classify_all('nli', ARRAY['a', 'b', NULL, 'c'], ARRAY['x', 'y']) GROUP BY number ORDER BY number;
SELECT number, count(*) FROM tfm_classify_all('nli', ARRAY['a', 'b'], ARRAY['x', 'y'], multi_label => true) GROUP BY number ORDER BY number;
SELECT count(DISTINCT label) > 0 AS labels FROM (SELECT (tfm_classify('nli', body, ARRAY['travel', 'food'])).label FROM docs) d;

-- Choices, and sentences one after the other.
SELECT choice IN ('a', 'b', 'c') AS chosen, score BETWEEN 1.0 / 3 AND 1 AS likely FROM tfm_choose('choices', 'Anna', ARRAY['a', 'b', 'c']);
SELECT c.choice = (ARRAY['left', 'moved to Lima', 'x'])[(p ->> 'choice')::int + 1] AS same
FROM tfm_choose('choices', 'Anna', ARRAY['left', 'moved to Lima', 'x']) c,
	tfm_pipeline('multiple-choice', 'choices', '{"prompt": "Anna", "choices": ["left", "moved to Lima", "x"]}') p;
SELECT abs(tfm_next_sentence('sentences', 'Anna moved.', 'She lives in Lima.') -
	(tfm_pipeline('next-sentence-prediction', 'sentences', '{"text": "Anna moved.", "text_pair": "She lives in Lima."}') ->> 'score')::float8) < 1e-6 AS same;

-- What cannot be.
SELECT tfm_classify('nli', 'a', ARRAY[]::text[]);
SELECT tfm_classify('nli', 'a', ARRAY['a', NULL]);
SELECT tfm_classify('nli', 'a', ARRAY['a'], true, 'About it.');
SELECT tfm_classify('nli', 'a', ARRAY['a'], true, '{} or {}');
SELECT tfm_classify('single', 'a', ARRAY['a', 'b']);
SELECT tfm_classify('llama', 'a', ARRAY['a', 'b'], true);
SELECT tfm_classify('llama', 'a');
SELECT tfm_choose('single', 'a', ARRAY['a', 'b']);
SELECT tfm_choose('choices', 'a', ARRAY[]::text[]);
SELECT tfm_next_sentence('single', 'a', 'b');
SELECT tfm_pipeline('text-classification', 'single', '"a"', '{"top": 1}');
SELECT tfm_pipeline('text-classification', 'single', '[["a", "b"]]');
SELECT tfm_pipeline('text-classification', 'single', '"a"', '{"function_to_apply": "cube"}');
SELECT tfm_pipeline('text-classification', 'single', '{"body": "a"}');
SELECT tfm_pipeline('multiple-choice', 'choices', '{"prompt": "a"}');
DROP TABLE docs;
SELECT tfm_drop_model('single'), tfm_drop_model('multi'), tfm_drop_model('nli'), tfm_drop_model('choices'), tfm_drop_model('sentences'), tfm_drop_model('llama');
