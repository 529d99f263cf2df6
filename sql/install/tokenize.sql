-- Texts to tokens and back.  Positions count characters from 0, and end after the last, as those
-- of Hugging Face do: substr(input, start + 1, "end" - start) is what the token covers.

CREATE FUNCTION tfm_tokenize(model text, input text) RETURNS integer[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION tfm_tokenize(text, text) IS 'token ids of a text, special tokens included, not truncated';

CREATE FUNCTION tfm_tokenize(input text) RETURNS integer[]
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION tfm_tokenize(text) IS 'token ids of a text by the model tfm.embed_model';

CREATE FUNCTION tfm_tokens(model text, input text)
	RETURNS TABLE (id integer, token text, start integer, "end" integer)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 ROWS 50;
COMMENT ON FUNCTION tfm_tokens(text, text) IS 'tokens of a text, with the characters that they cover, counted from 0';

CREATE FUNCTION tfm_tokens(input text)
	RETURNS TABLE (id integer, token text, start integer, "end" integer)
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 ROWS 50;
COMMENT ON FUNCTION tfm_tokens(text) IS 'tokens of a text by the model tfm.embed_model';

CREATE FUNCTION tfm_count_tokens(model text, input text) RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION tfm_count_tokens(text, text) IS 'number of tokens of a text, special ones included';

CREATE FUNCTION tfm_count_tokens(input text) RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION tfm_count_tokens(text) IS 'number of tokens of a text by the model tfm.embed_model';

CREATE FUNCTION tfm_detokenize(model text, ids integer[], skip_special_tokens boolean DEFAULT true) RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION tfm_detokenize(text, integer[], boolean) IS 'the text of token ids';
