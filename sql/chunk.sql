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
