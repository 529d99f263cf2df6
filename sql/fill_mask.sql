-- Words in place of a text's masks.
\getenv golden TFM_GOLDEN
\set words :golden '/pipeline/fill-mask/words'
\set bytes :golden '/pipeline/fill-mask/bytes'
\set llama :golden '/generation/llama'
SET client_min_messages = warning;
SELECT tfm_load_model('words', :'words'), tfm_load_model('bytes', :'bytes'), tfm_load_model('llama', :'llama');

SELECT count(*), min(mask) AS mask, bool_and(f.token = (p ->> 'token')::int AND f.token_str = p ->> 'token_str'
	AND f.sequence = p ->> 'sequence' AND abs(f.score - (p ->> 'score')::float8) < 1e-6) AS same
FROM tfm_fill_mask('words', 'Anna [MASK] moved.') WITH ORDINALITY AS f (mask, score, token, token_str, sequence, n)
	JOIN jsonb_array_elements(tfm_pipeline('fill-mask', 'words', '"Anna [MASK] moved."')) WITH ORDINALITY AS r (p, n) USING (n);
SELECT mask, count(*), bool_and(sequence LIKE '%<mask>%') AS "others are seen" FROM tfm_fill_mask('bytes', 'Anna <mask> to <mask>', top_k => 3) GROUP BY mask ORDER BY mask;
SELECT array_agg(token_str ORDER BY token_str) AS targets FROM tfm_fill_mask('words', 'Anna [MASK] moved.', targets => ARRAY['the', 'of', 'the'], top_k => 9);
SELECT number, mask, count(*) FROM tfm_fill_mask('words', ARRAY['a [MASK]', NULL, '[MASK] [MASK]'], top_k => 2) GROUP BY number, mask ORDER BY number, mask;
SELECT count(*) AS none FROM tfm_fill_mask('words', NULL::text);

-- What cannot be.
SELECT tfm_fill_mask('words', 'Anna moved.');
SELECT tfm_fill_mask('words', 'a [MASK]', top_k => 0);
SELECT tfm_fill_mask('words', 'a [MASK]', targets => ARRAY['']);
SELECT tfm_fill_mask('llama', 'a [MASK]');
SELECT tfm_drop_model('words'), tfm_drop_model('bytes'), tfm_drop_model('llama');
