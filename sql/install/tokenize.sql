-- Texts to tokens and back.  Positions count characters from 0, and end after the last, as those
-- of Hugging Face do: substr(input, start + 1, "end" - start) is what the token covers.
--
-- Costs.  A text of a page takes some ten microseconds to a millisecond, as a thousand operators do.

CREATE FUNCTION tfm_tokenize(model text, input text, pair text DEFAULT NULL,
		add_special_tokens boolean DEFAULT true, max_length integer DEFAULT NULL, stride integer DEFAULT NULL,
		truncation text DEFAULT NULL, truncation_side text DEFAULT NULL,
		padding text DEFAULT NULL, pad_to_multiple_of integer DEFAULT NULL, padding_side text DEFAULT NULL)
	RETURNS integer[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_tokenize(text, text, text, boolean, integer, integer, text, text, text, integer, text)
	IS 'token ids of a text, or of a pair of texts; options: add_special_tokens, max_length, stride, truncation, truncation_side, padding, pad_to_multiple_of, padding_side';

CREATE FUNCTION tfm_tokenize(input text) RETURNS integer[]
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_tokenize(text) IS 'token ids of a text by the model tfm.embed_model';

CREATE FUNCTION tfm_tokenize(model text, inputs text[], pairs text[] DEFAULT NULL,
		add_special_tokens boolean DEFAULT true, max_length integer DEFAULT NULL, stride integer DEFAULT NULL,
		truncation text DEFAULT NULL, truncation_side text DEFAULT NULL,
		padding text DEFAULT NULL, pad_to_multiple_of integer DEFAULT NULL, padding_side text DEFAULT NULL)
	RETURNS TABLE (number integer, piece integer, ids integer[])
	AS 'MODULE_PATHNAME', 'tfm_tokenize_array' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000 ROWS 100 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_tokenize(text, text[], text[], boolean, integer, integer, text, text, text, integer, text)
	IS 'token ids of several texts, computed together, and of the pieces that a stride asks for; options as for one text';

CREATE FUNCTION tfm_tokenize(inputs text[])
	RETURNS TABLE (number integer, piece integer, ids integer[])
	AS 'MODULE_PATHNAME', 'tfm_tokenize_array' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000 ROWS 100 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_tokenize(text[]) IS 'token ids of several texts by the model tfm.embed_model, computed together';

CREATE FUNCTION tfm_tokens(model text, input text, pair text DEFAULT NULL,
		add_special_tokens boolean DEFAULT true, max_length integer DEFAULT NULL, stride integer DEFAULT NULL,
		truncation text DEFAULT NULL, truncation_side text DEFAULT NULL,
		padding text DEFAULT NULL, pad_to_multiple_of integer DEFAULT NULL, padding_side text DEFAULT NULL)
	RETURNS TABLE (id integer, token text, start integer, "end" integer,
		word integer, type_id integer, sequence integer, special boolean, attention_mask integer, piece integer)
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 ROWS 50 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_tokens(text, text, text, boolean, integer, integer, text, text, text, integer, text)
	IS 'tokens of a text, or of a pair, with the characters that they cover, counted from 0; options as for tfm_tokenize';

CREATE FUNCTION tfm_tokens(model text, words text[], pair_words text[] DEFAULT NULL,
		add_special_tokens boolean DEFAULT true, max_length integer DEFAULT NULL, stride integer DEFAULT NULL,
		truncation text DEFAULT NULL, truncation_side text DEFAULT NULL,
		padding text DEFAULT NULL, pad_to_multiple_of integer DEFAULT NULL, padding_side text DEFAULT NULL)
	RETURNS TABLE (id integer, token text, start integer, "end" integer,
		word integer, type_id integer, sequence integer, special boolean, attention_mask integer, piece integer)
	AS 'MODULE_PATHNAME', 'tfm_tokens_words' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 ROWS 50 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_tokens(text, text[], text[], boolean, integer, integer, text, text, text, integer, text)
	IS 'tokens of a text that is split into words, with the number of the word and the characters of it that they cover, from 0; options as for tfm_tokenize';

CREATE FUNCTION tfm_tokens(input text)
	RETURNS TABLE (id integer, token text, start integer, "end" integer,
		word integer, type_id integer, sequence integer, special boolean, attention_mask integer, piece integer)
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 ROWS 50 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_tokens(text) IS 'tokens of a text by the model tfm.embed_model';

CREATE FUNCTION tfm_count_tokens(model text, input text, pair text DEFAULT NULL,
		add_special_tokens boolean DEFAULT true)
	RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_count_tokens(text, text, text, boolean)
	IS 'number of tokens of a text, or of a pair, special ones included';

CREATE FUNCTION tfm_count_tokens(input text) RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_count_tokens(text) IS 'number of tokens of a text by the model tfm.embed_model';

CREATE FUNCTION tfm_count_tokens(model text, inputs text[]) RETURNS integer[]
	AS 'MODULE_PATHNAME', 'tfm_count_tokens_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_count_tokens(text, text[]) IS 'numbers of tokens of several texts, computed together';

CREATE FUNCTION tfm_count_tokens(inputs text[]) RETURNS integer[]
	AS 'MODULE_PATHNAME', 'tfm_count_tokens_array' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000 SUPPORT tfm_support;
COMMENT ON FUNCTION tfm_count_tokens(text[]) IS 'numbers of tokens of several texts by the model tfm.embed_model, computed together';

CREATE FUNCTION tfm_detokenize(model text, ids integer[], skip_special_tokens boolean DEFAULT true) RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION tfm_detokenize(text, integer[], boolean) IS 'the text of token ids';
