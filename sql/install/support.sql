-- What the planner asks about the functions that models compute.

CREATE FUNCTION tfm_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION tfm_support(internal) IS 'tells the planner costs and rows, by the sizes of models and texts';
