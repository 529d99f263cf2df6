-- Answers that stand in a text.
\getenv golden TFM_GOLDEN
\set answers :golden '/cookbook/answers'
\set words :golden '/pipeline/question-answering/words'
SET client_min_messages = warning;
SELECT tfm_load_model('answers', :'answers'), tfm_load_model('words', :'words');
CREATE TABLE articles (id int, body text);
INSERT INTO articles VALUES (1, 'Refunds are paid within ten days after the parcel is back.'), (2, NULL), (3, ''),
	(4, 'The guarantee is two years for every lamp and kettle. Our shop in Oslo is open on Sundays.');

SELECT answer, substr(body, start + 1, "end" - start) AS covered, score > 0.5 AS sure
FROM articles, tfm_answer('answers', 'When are refunds paid?', body) WHERE id = 1;
SELECT a.answer = p ->> 'answer' AND a.start = (p ->> 'start')::int AND abs(a.score - (p ->> 'score')::float8) < 1e-9 AS same
FROM tfm_answer('words', 'Who moved?', 'Zoë moved to São Paulo.') a,
	tfm_pipeline('question-answering', 'words', '{"question": "Who moved?", "context": "Zoë moved to São Paulo."}') p;

-- Rows are computed together; what is NULL has no answer, and an empty context none that is any.
SET tfm.batching = on;
EXPLAIN (COSTS OFF) SELECT tfm_answer('answers', 'Which shop is open on Sundays?', body) FROM articles;
RESET tfm.batching;
SELECT id, (tfm_answer('answers', 'Which shop is open on Sundays?', body)).answer FROM articles ORDER BY id;
SELECT tfm_answer('words', NULL, 'a'), tfm_answer(NULL, 'a', 'a');

-- Several answers, several contexts.
SELECT count(*) AS answers, count(DISTINCT lower(answer)) AS "different", bool_and(score BETWEEN 0 AND 1) AS probabilities
FROM tfm_answer_all('words', 'Who moved?', 'Anna Berg moved from Zürich to São Paulo in May 2021.', top_k => 4);
SELECT number, answer FROM tfm_answer_all('answers', 'Which shop is open on Sundays?', ARRAY(SELECT body FROM articles ORDER BY id)) ORDER BY number;
SELECT count(*) FROM tfm_answer_all('words', 'Who?', ARRAY['Anna moved.', NULL], top_k => 2);

-- Options.
SELECT max(array_length(string_to_array(answer, ' '), 1)) AS longest
FROM tfm_answer_all('words', 'Who moved?', 'the lamp is in the shop', top_k => 5, max_answer_len => 1, align_to_words => false);
SELECT count(*) AS nothing FROM tfm_answer_all('words', 'Who?', 'Anna moved.', top_k => 50, handle_impossible_answer => true) WHERE answer = '';
SELECT count(*) AS from_pieces FROM tfm_answer_all('words', 'Who?', repeat('Anna moved. ', 60) || 'Omar paid.', top_k => 3, max_seq_len => 24, doc_stride => 4);

-- What cannot be.
SELECT tfm_answer('words', 'Who?', 'Anna.', max_seq_len => 20, doc_stride => 30);
SELECT tfm_answer('words', 'Who?', 'Anna.', max_answer_len => 0);
SELECT tfm_answer_all('words', 'Who?', 'Anna.', top_k => 0);
SELECT tfm_pipeline('question-answering', 'words', '{"question": "Who?"}');
SELECT tfm_pipeline('question-answering', 'words', '{"question": "Who?", "context": ""}');
SELECT tfm_pipeline('question-answering', 'words', '{"question": ["Who?", "What?"], "context": ["Anna."]}');
DROP TABLE articles;
SELECT tfm_drop_model('answers'), tfm_drop_model('words');
