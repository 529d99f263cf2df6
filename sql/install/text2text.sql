-- Summaries and translations.
--
-- Options that are NULL are those of Transformers' pipelines; options holds any others by their names
-- there.

CREATE FUNCTION tfm_summarize(model text, input text, max_new_tokens integer DEFAULT NULL,
		min_new_tokens integer DEFAULT NULL, num_beams integer DEFAULT NULL, options jsonb DEFAULT NULL)
	RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_summarize(text, text, integer, integer, integer, jsonb)
	IS 'a summary of a text, as Transformers'' pipeline has it';

CREATE FUNCTION tfm_summarize(model text, inputs text[], max_new_tokens integer DEFAULT NULL,
		min_new_tokens integer DEFAULT NULL, num_beams integer DEFAULT NULL, options jsonb DEFAULT NULL)
	RETURNS text[]
	AS 'MODULE_PATHNAME', 'tfm_summarize_array' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_summarize(text, text[], integer, integer, integer, jsonb)
	IS 'summaries of texts, computed together; options as for one text';

CREATE FUNCTION tfm_summarize(input text) RETURNS text
	AS 'MODULE_PATHNAME', 'tfm_summarize_default' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_summarize(text) IS 'a summary of a text, by the model of tfm.generate_model';

CREATE FUNCTION tfm_translate(model text, input text, src_lang text DEFAULT NULL, tgt_lang text DEFAULT NULL,
		max_new_tokens integer DEFAULT NULL, num_beams integer DEFAULT NULL, options jsonb DEFAULT NULL)
	RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_translate(text, text, text, text, integer, integer, jsonb)
	IS 'a text in another language, as Transformers'' pipeline has it';

CREATE FUNCTION tfm_translate(model text, inputs text[], src_lang text DEFAULT NULL, tgt_lang text DEFAULT NULL,
		max_new_tokens integer DEFAULT NULL, num_beams integer DEFAULT NULL, options jsonb DEFAULT NULL)
	RETURNS text[]
	AS 'MODULE_PATHNAME', 'tfm_translate_array' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_translate(text, text[], text, text, integer, integer, jsonb)
	IS 'texts in another language, computed together; options as for one text';
