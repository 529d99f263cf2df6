-- Texts that go on.
--
-- A function that is given the model is immutable: sampling draws from a generator that the argument
-- seed starts, so that a call always gives the same text.  One without takes the model of the setting
-- tfm.generate_model, has no options, and is stable.  Options that are NULL are the model's own;
-- options holds any others by the names of Transformers' GenerationConfig.

CREATE FUNCTION tfm_generate(model text, prompt text, max_new_tokens integer DEFAULT NULL, temperature double precision DEFAULT NULL,
		top_k integer DEFAULT NULL, top_p double precision DEFAULT NULL, num_beams integer DEFAULT NULL,
		seed bigint DEFAULT NULL, stop text[] DEFAULT NULL, json_schema jsonb DEFAULT NULL,
		grammar text DEFAULT NULL, regex text DEFAULT NULL, choices text[] DEFAULT NULL,
		assistant_model text DEFAULT NULL, options jsonb DEFAULT NULL)
	RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_generate(text, text, integer, double precision, integer, double precision, integer, bigint, text[], jsonb, text, text, text[], text, jsonb)
	IS 'how a text goes on, as Transformers'' generate() has it';

CREATE FUNCTION tfm_generate(model text, prompts text[], max_new_tokens integer DEFAULT NULL, temperature double precision DEFAULT NULL,
		top_k integer DEFAULT NULL, top_p double precision DEFAULT NULL, num_beams integer DEFAULT NULL,
		seed bigint DEFAULT NULL, stop text[] DEFAULT NULL, json_schema jsonb DEFAULT NULL,
		grammar text DEFAULT NULL, regex text DEFAULT NULL, choices text[] DEFAULT NULL,
		assistant_model text DEFAULT NULL, options jsonb DEFAULT NULL)
	RETURNS text[]
	AS 'MODULE_PATHNAME', 'tfm_generate_array' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_generate(text, text[], integer, double precision, integer, double precision, integer, bigint, text[], jsonb, text, text, text[], text, jsonb)
	IS 'how texts go on, computed together; options as for one text';

CREATE FUNCTION tfm_generate(prompt text) RETURNS text
	AS 'MODULE_PATHNAME', 'tfm_generate_default' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_generate(text) IS 'how a text goes on, by the model of tfm.generate_model';

CREATE FUNCTION tfm_generate(prompts text[]) RETURNS text[]
	AS 'MODULE_PATHNAME', 'tfm_generate_array_default' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_generate(text[])
	IS 'how texts go on, by the model of tfm.generate_model, computed together';

CREATE FUNCTION tfm_generate_ids(model text, prompts jsonb, options jsonb DEFAULT NULL,
		assistant_model text DEFAULT NULL)
	RETURNS jsonb
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_generate_ids(text, jsonb, jsonb, text)
	IS 'Transformers'' generate(): arrays of token ids in, its sequences out';

CREATE FUNCTION tfm_generate_stream(model text, prompt text, max_new_tokens integer DEFAULT NULL, temperature double precision DEFAULT NULL,
		top_k integer DEFAULT NULL, top_p double precision DEFAULT NULL, num_beams integer DEFAULT NULL,
		seed bigint DEFAULT NULL, stop text[] DEFAULT NULL, json_schema jsonb DEFAULT NULL,
		grammar text DEFAULT NULL, regex text DEFAULT NULL, choices text[] DEFAULT NULL,
		assistant_model text DEFAULT NULL, options jsonb DEFAULT NULL)
	RETURNS SETOF text
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE COST 10000 ROWS 100 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_generate_stream(text, text, integer, double precision, integer, double precision, integer, bigint, text[], jsonb, text, text, text[], text, jsonb)
	IS 'how a text goes on, a row for each piece as it comes; options as of tfm_generate';

CREATE FUNCTION tfm_chat(model text, messages jsonb, tools jsonb DEFAULT NULL, max_new_tokens integer DEFAULT NULL, temperature double precision DEFAULT NULL,
		top_k integer DEFAULT NULL, top_p double precision DEFAULT NULL, num_beams integer DEFAULT NULL,
		seed bigint DEFAULT NULL, stop text[] DEFAULT NULL, json_schema jsonb DEFAULT NULL,
		grammar text DEFAULT NULL, regex text DEFAULT NULL, choices text[] DEFAULT NULL,
		assistant_model text DEFAULT NULL, options jsonb DEFAULT NULL,
		documents jsonb DEFAULT NULL, chat_template text DEFAULT NULL, kwargs jsonb DEFAULT NULL)
	RETURNS jsonb
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE COST 10000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_chat(text, jsonb, jsonb, integer, double precision, integer, double precision, integer, bigint, text[], jsonb, text, text, text[], text, jsonb, jsonb, text, jsonb)
	IS 'the message that the assistant says next in a conversation, with its tool calls';

CREATE FUNCTION tfm_generate_agg_accum(internal, text, text, text) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION tfm_generate_agg_accum(internal, text, text, text) IS 'aggregate transition function';
CREATE FUNCTION tfm_generate_agg_accum(internal, text, text, text, jsonb) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION tfm_generate_agg_accum(internal, text, text, text, jsonb) IS 'aggregate transition function';
CREATE FUNCTION tfm_summarize_agg_accum(internal, text, text) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION tfm_summarize_agg_accum(internal, text, text) IS 'aggregate transition function';
CREATE FUNCTION tfm_summarize_agg_accum(internal, text) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION tfm_summarize_agg_accum(internal, text) IS 'aggregate transition function';
CREATE FUNCTION tfm_generate_agg_final(internal) RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION tfm_generate_agg_final(internal) IS 'aggregate final function';

CREATE AGGREGATE tfm_generate_agg(model text, instruction text, input text) (
	SFUNC = tfm_generate_agg_accum,
	STYPE = internal,
	FINALFUNC = tfm_generate_agg_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE tfm_generate_agg(text, text, text)
	IS 'one answer to an instruction over all texts of a group, by parts where they are too long';

CREATE AGGREGATE tfm_generate_agg(model text, instruction text, input text, options jsonb) (
	SFUNC = tfm_generate_agg_accum,
	STYPE = internal,
	FINALFUNC = tfm_generate_agg_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE tfm_generate_agg(text, text, text, jsonb)
	IS 'one answer to an instruction over all texts of a group; options of the group''s first row';

CREATE AGGREGATE tfm_summarize_agg(model text, input text) (
	SFUNC = tfm_summarize_agg_accum,
	STYPE = internal,
	FINALFUNC = tfm_generate_agg_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE tfm_summarize_agg(text, text) IS 'a summary of all texts of a group';

CREATE AGGREGATE tfm_summarize_agg(input text) (
	SFUNC = tfm_summarize_agg_accum,
	STYPE = internal,
	FINALFUNC = tfm_generate_agg_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE tfm_summarize_agg(text)
	IS 'a summary of all texts of a group by the model of tfm.generate_model';
