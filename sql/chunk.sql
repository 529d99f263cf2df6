-- Texts cut into chunks.
\getenv golden TFM_GOLDEN
\set mean :golden '/sentence/mean'
SET client_min_messages = warning;
SELECT tfm_load_model('tiny', :'mean');

-- Paragraphs first, then sentences, then words.
\set story 'The cat sat on the mat. A dog ran.\n\nHello hello! Is this the cat? It is, he said.\n\nThe end of the story of the cat and the dog, which was long.'
SELECT chunk, replace(content, E'\n', '\n') AS content, start, "end", tokens FROM tfm_chunk('tiny', E:'story', 40);
SELECT chunk, replace(content, E'\n', '\n') AS content, start, "end", tokens FROM tfm_chunk('tiny', E:'story', 24);
SELECT chunk, replace(content, E'\n', '\n') AS content, start, "end", tokens FROM tfm_chunk('tiny', E:'story', 10);
-- The overlap begins with a sentence, or a word.
SELECT chunk, replace(content, E'\n', '\n') AS content, start, "end", tokens FROM tfm_chunk('tiny', E:'story', 24, 10);
SELECT chunk, replace(content, E'\n', '\n') AS content, start, "end", tokens FROM tfm_chunk('tiny', E:'story', 10, overlap => 3);
-- Languages without spaces break where their words end.
SELECT chunk, content, tokens FROM tfm_chunk('tiny', '我们今天去北京大学学习。明天我们去图书馆看书。', 9);
SELECT chunk, content, tokens FROM tfm_chunk('tiny', '東京は日本の首都です。とても大きい。', 8);
SELECT string_agg(content, '|' ORDER BY chunk) FROM tfm_chunk('tiny', 'สวัสดีครับ ยินดีที่ได้รู้จักทุกคน วันนี้อากาศดีมาก', 4);
-- A word that is longer than a chunk is broken between its characters.
SELECT chunk, content, start, "end", tokens FROM tfm_chunk('tiny', 'the ' || repeat('catmat', 4) || ' ran', 6);
SELECT chunk, content, tokens FROM tfm_chunk('tiny', repeat('cat', 6), 7, 2);
SELECT max(tokens), count(*) FROM tfm_chunk('tiny', repeat('我', 10000), 12);

-- Whatever the text, the chunks cover it, in order, and have the tokens that they say.
CREATE FUNCTION check_chunks(input text, max_tokens integer, overlap integer) RETURNS text LANGUAGE sql AS $$
	SELECT CASE
		WHEN input = '' THEN CASE WHEN count(*) = 0 THEN 'good' END
		WHEN bool_and(tokens <= max_tokens) AND bool_and(tokens = tfm_count_tokens('tiny', content))
			AND bool_and(content = substr(input, start + 1, "end" - start))
			AND bool_and(CASE WHEN overlap = 0 THEN start = before ELSE start <= before AND start > began END)
			AND bool_and("end" > before) AND max("end") = length(input) AND min(start) = 0
			AND array_agg(chunk) = array_agg(number) THEN 'good'
		ELSE 'bad' END
	FROM (SELECT *, coalesce(lag("end") OVER w, 0) AS before, coalesce(lag(start) OVER w, -1) AS began,
			(row_number() OVER w)::integer AS number
		FROM tfm_chunk('tiny', input, max_tokens, overlap) WINDOW w AS (ORDER BY chunk)) AS chunks $$;
SELECT check_chunks(input, max_tokens, overlap), count(*)
FROM (VALUES (''), (' '), (E'\n\n\n'), ('a'), (repeat('the cat sat. ', 30)), (repeat(E'a cat\n\n', 30)), (repeat(E'\r\n', 20)),
		('Mr. Smith said "hello!" (twice?), then 3.14 ran: http://a.b/c?d=e&f=1,2,3...'), (repeat('👨‍👩‍👧‍👦 ', 9)), (repeat(E'e\u0301', 40)),
		('สวัสดีครับยินดีที่ได้รู้จักทุกคนวันนี้อากาศดีมาก'), ('我们今天去北京大学学习。明天我们去图书馆看书。'), ('[SEP] the [MASK] cat [SEP]')) AS t (input),
	(VALUES (4, 0), (5, 2), (8, 0), (8, 3), (16, 13), (200, 0), (1000, 100)) AS m (max_tokens, overlap)
GROUP BY 1;

-- Nothing, errors, the form without a model.
SELECT count(*) FROM tfm_chunk('tiny', NULL, 10);
SELECT count(*) FROM tfm_chunk('tiny', 'x', NULL);
SELECT count(*) FROM tfm_chunk('tiny', '', 10);
SELECT * FROM tfm_chunk('tiny', 'x', 2);
SELECT * FROM tfm_chunk('tiny', 'x', 0);
SELECT * FROM tfm_chunk('tiny', 'x', 10, -1);
SELECT * FROM tfm_chunk('tiny', 'x', 10, 8);
SELECT * FROM tfm_chunk('x', 10);
SET tfm.embed_model = 'tiny';
SELECT * FROM tfm_chunk('the cat sat on the mat', 5);
SELECT * FROM tfm_chunk('the cat sat on the mat', 6, overlap => 2);
SELECT p.oid::regprocedure, provolatile, proisstrict, proparallel FROM pg_proc p WHERE proname = 'tfm_chunk' ORDER BY 1;

-- As rows of a table.
CREATE TABLE docs (id integer, body text);
INSERT INTO docs VALUES (1, 'The cat sat. The dog ran.'), (2, NULL), (3, ''), (4, 'hello');
SELECT id, chunk, content FROM docs, tfm_chunk('tiny', body, 6) ORDER BY id, chunk;
DROP TABLE docs;
CREATE ROLE regress_tfm_reader;
SET ROLE regress_tfm_reader;
SELECT * FROM tfm_chunk('tiny', 'x', 10);
RESET ROLE;
DROP ROLE regress_tfm_reader;
DROP FUNCTION check_chunks;
SELECT tfm_drop_model('tiny');
