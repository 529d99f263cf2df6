-- What a model finds in texts.  Positions count characters from 0, and end after the last, as those of
-- tfm_tokens do.

CREATE FUNCTION tfm_entities(model text, input text, aggregation_strategy text DEFAULT 'simple',
		ignore_labels text[] DEFAULT NULL, stride integer DEFAULT NULL)
	RETURNS TABLE (entity_group text, score double precision, word text, start integer, "end" integer)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000 ROWS 5 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_entities(text, text, text, text[], integer)
	IS 'entities in a text, with the characters that they cover, counted from 0; options: aggregation_strategy, ignore_labels, stride';

CREATE FUNCTION tfm_entities(model text, inputs text[], aggregation_strategy text DEFAULT 'simple',
		ignore_labels text[] DEFAULT NULL, stride integer DEFAULT NULL)
	RETURNS TABLE (number integer, entity_group text, score double precision, word text, start integer, "end" integer)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 ROWS 50 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_entities(text, text[], text, text[], integer)
	IS 'entities in several texts, computed together, with the number of the text; options as for one text';

CREATE FUNCTION tfm_tag_tokens(model text, input text, ignore_labels text[] DEFAULT NULL)
	RETURNS TABLE (index integer, entity text, score double precision, word text, start integer, "end" integer)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000 ROWS 50 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_tag_tokens(text, text, text[])
	IS 'the tokens of a text with their labels and the characters that they cover, counted from 0; option: ignore_labels';

CREATE FUNCTION tfm_tag_tokens(model text, inputs text[], ignore_labels text[] DEFAULT NULL)
	RETURNS TABLE (number integer, index integer, entity text, score double precision, word text, start integer, "end" integer)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 ROWS 500 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_tag_tokens(text, text[], text[])
	IS 'the tokens of several texts, computed together, with the number of the text; option: ignore_labels';
