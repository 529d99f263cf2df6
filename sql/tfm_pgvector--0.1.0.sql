\echo Use "CREATE EXTENSION tfm_pgvector" to load this file. \quit

-- Both types have one binary layout, so that a cast costs nothing.  Only the way to vector is
-- implicit: an operator between the two types is pgvector's, and can use its indexes.

CREATE CAST (tfm_vector AS vector) WITHOUT FUNCTION AS IMPLICIT;
COMMENT ON CAST (tfm_vector AS vector) IS 'the same bytes';

CREATE CAST (vector AS tfm_vector) WITHOUT FUNCTION AS ASSIGNMENT;
COMMENT ON CAST (vector AS tfm_vector) IS 'the same bytes';
