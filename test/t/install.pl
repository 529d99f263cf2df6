#
# install.pl
#	  The extension comes and goes without a trace; 022_upgrade.pl is about its versions.
#
# SPDX-License-Identifier: PostgreSQL

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('install');
$node->init;
$node->start;

my $counts = q{
	SELECT (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_type), (SELECT count(*) FROM pg_class),
		(SELECT count(*) FROM pg_operator), (SELECT count(*) FROM pg_opclass), (SELECT count(*) FROM pg_cast),
		(SELECT count(*) FROM pg_foreign_data_wrapper), (SELECT count(*) FROM pg_description)};

my $before = $node->safe_psql('postgres', $counts);
$node->safe_psql('postgres', 'CREATE EXTENSION tfm');
$node->safe_psql('postgres', 'DROP EXTENSION tfm');
is($node->safe_psql('postgres', $counts), $before, 'a dropped extension leaves nothing');

$node->safe_psql('postgres', 'CREATE SCHEMA other; CREATE EXTENSION tfm SCHEMA other');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_proc WHERE proname ~ $$^tfm_$$ AND pronamespace = $$public$$::regnamespace'),
	'0', 'another schema takes all functions');
$node->safe_psql('postgres', 'DROP EXTENSION tfm');

# Where others may create objects, what they have made there is not taken for the extension's.
$node->safe_psql('postgres', 'CREATE ROLE attacker; CREATE SCHEMA open; GRANT CREATE, USAGE ON SCHEMA open TO attacker');
for my $object (
	'FUNCTION tfm_embed(model text, input text, pooling text, "normalize" boolean, dimensions integer, prompt text) RETURNS text LANGUAGE sql AS $$ SELECT 1::text $$',
	'FUNCTION tfm_fdw_validator(text[], oid) RETURNS void LANGUAGE sql AS $$ SELECT $$',
	'FUNCTION tfm_pin() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$',
	'TYPE tfm_vector AS (x int)', 'DOMAIN tfm_vector AS text', 'VIEW tfm_models AS SELECT 1', 'TABLE tfm_models ()',
	'TABLE tfm_job ()', 'TABLE tfm_stored_files ()', 'SEQUENCE tfm_job_ids', 'VIEW tfm_stat_jobs AS SELECT 1')
{
	my ($stderr, $name) = ('', $object =~ /^(\w+ \w+)/);

	$node->safe_psql('postgres', "SET ROLE attacker; CREATE " . $object =~ s/tfm_/open.tfm_/r);
	$node->psql('postgres', 'CREATE EXTENSION tfm SCHEMA open', stderr => \$stderr);
	like($stderr, qr/ERROR: .*(already exists|has not been defined|is only a shell|replace|not unique)/, "not taken over: $name");
	$node->safe_psql('postgres', 'DROP OWNED BY attacker; GRANT CREATE, USAGE ON SCHEMA open TO attacker');
}

# Nor does it call what fits its arguments better than PostgreSQL's own.
$node->safe_psql('postgres', q{
	SET ROLE attacker; SET search_path = open;
	CREATE FUNCTION add(bigint, bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';
	CREATE AGGREGATE count(bigint) (SFUNC = add, STYPE = bigint);
	CREATE AGGREGATE count(boolean) (SFUNC = boolne, STYPE = boolean);
	CREATE FUNCTION concat_ws(text, text, text, text) RETURNS text LANGUAGE sql AS 'SELECT NULL::text';
	CREATE FUNCTION pg_get_userbyid(oid) RETURNS name LANGUAGE sql AS 'SELECT NULL::name';
	CREATE FUNCTION same(oid, regclass) RETURNS boolean LANGUAGE sql AS 'SELECT true';
	CREATE OPERATOR = (LEFTARG = oid, RIGHTARG = regclass, FUNCTION = same);
	CREATE FUNCTION same(name, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
	CREATE OPERATOR = (LEFTARG = name, RIGHTARG = text, FUNCTION = same)});
$node->safe_psql('postgres', 'CREATE EXTENSION tfm SCHEMA open');
is($node->safe_psql('postgres', q{
		SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0) || ' depends on ' || pg_describe_object(d.refclassid, d.refobjid, 0)
		FROM pg_depend d
		WHERE pg_get_userbyid((SELECT proowner FROM pg_proc WHERE d.refclassid = 'pg_proc'::regclass AND oid = d.refobjid
				UNION ALL SELECT oprowner FROM pg_operator WHERE d.refclassid = 'pg_operator'::regclass AND oid = d.refobjid)) = 'attacker'
			AND NOT EXISTS (SELECT FROM pg_proc WHERE d.classid = 'pg_proc'::regclass AND oid = d.objid AND pg_get_userbyid(proowner) = 'attacker')
			AND NOT EXISTS (SELECT FROM pg_operator WHERE d.classid = 'pg_operator'::regclass AND oid = d.objid AND pg_get_userbyid(oprowner) = 'attacker')}),
	'', 'no view or function of it depends on what others made');

$node->stop;
done_testing();
