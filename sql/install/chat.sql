-- Prompts made by templates.  A template can ask for the time (strftime_now), which is the start of
-- the statement: hence STABLE.

CREATE FUNCTION tfm_apply_chat_template(model text, messages jsonb, tools jsonb DEFAULT NULL,
		documents jsonb DEFAULT NULL, add_generation_prompt boolean DEFAULT false,
		continue_final_message boolean DEFAULT false, chat_template text DEFAULT NULL, kwargs jsonb DEFAULT NULL)
	RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE COST 500;
COMMENT ON FUNCTION tfm_apply_chat_template(text, jsonb, jsonb, jsonb, boolean, boolean, text, jsonb)
	IS 'the prompt that a model''s chat template makes of a conversation';

CREATE FUNCTION tfm_render(template text, context jsonb DEFAULT '{}') RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION tfm_render(text, jsonb) IS 'a Jinja template, rendered with the members of an object as variables';
