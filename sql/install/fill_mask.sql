-- Words in place of a text's masks.

CREATE FUNCTION tfm_fill_mask(model text, input text, targets text[] DEFAULT NULL, top_k integer DEFAULT 5)
	RETURNS TABLE (mask integer, score double precision, token integer, token_str text, sequence text)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000 ROWS 5 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_fill_mask(text, text, text[], integer)
	IS 'the best tokens for each mask of a text, counted from 1, of all or of the targets';

CREATE FUNCTION tfm_fill_mask(model text, inputs text[], targets text[] DEFAULT NULL, top_k integer DEFAULT 5)
	RETURNS TABLE (number integer, mask integer, score double precision, token integer, token_str text, sequence text)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 ROWS 50 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_fill_mask(text, text[], text[], integer)
	IS 'the best tokens for each mask of several texts, computed together, with the number of the text';
